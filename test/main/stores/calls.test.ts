/** What every method does with what it is given, whatever the engine: in memory. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openRecordCodec } from '../../../src/main/codec/encoding.ts';
import { openStore } from '../../../src/main/stores/index.ts';
import { Store } from '../../../src/main/stores/store.ts';
import type { Engine } from '../../../src/protocol/engines/engine.ts';

let store: Store;
beforeEach(async () => {
  store = await openStore({ engine: 'memory', name: 'calls' });
});
afterEach(async () => {
  vi.useRealTimers();
  await store.close();
});

describe('misuse is told before anything is done', () => {
  test('of many: what are no keys and no pairs', async () => {
    for (const keys of [null, undefined, 5, 'ab', {}]) {
      const misuse = { code: 'INVALID_CONFIG', option: 'keys' };
      await expect(store.getMany(keys as never)).rejects.toMatchObject(misuse);
      await expect(store.deleteMany(keys as never)).rejects.toMatchObject(misuse);
    }
    for (const entries of [null, undefined, 5, 'ab', [5], ['ab'], [[]], [['a']], new Set(['ab'])]) {
      const misuse = { code: 'INVALID_CONFIG', option: 'entries' };
      await expect(store.setMany(entries as never)).rejects.toMatchObject(misuse);
    }
    expect(await store.size()).toBe(0);
  });

  test('of options: what is none, and what nobody knows', async () => {
    for (const options of [null, 5, '5s', { tll: 5 }]) {
      await expect(store.set('a', 1, options as never)).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    }
    await store.set('a', 1, { ttl: '1h' });
    await expect(store.expire('a', undefined as never)).rejects.toMatchObject({ code: 'INVALID_TTL' });
    expect(await store.ttl('a')).toBeLessThanOrEqual(3_600_000);
    await store.set('a', 1, { ttl: null });
    expect(await store.ttl('a')).toBe(Number.POSITIVE_INFINITY);
  });

  test('of getOrSet: before the factory has worked', async () => {
    const factory = vi.fn(() => 1);
    await expect(store.getOrSet('a', factory, { ttl: -1 })).rejects.toMatchObject({ code: 'INVALID_TTL' });
    await expect(store.getOrSet('a', 5 as never)).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'factory' });
    expect(factory).not.toHaveBeenCalled();
  });
});

describe('many', () => {
  test('an iterable that fails half-way rejects with its error, and what was given before a full batch may be there', async () => {
    function* failing(): Generator<[number, number]> {
      for (let i = 0; i < 1_500; i++) yield [i, i];
      throw new RangeError('no more');
    }
    await expect(store.setMany(failing())).rejects.toThrow('no more');
    expect(await store.size()).toBe(1_024);
    function* keys(): Generator<number> {
      yield* [0, 1];
      throw new RangeError('no more');
    }
    await expect(store.getMany(keys())).rejects.toThrow('no more');
    await expect(store.deleteMany(keys())).rejects.toThrow('no more');
    expect(await store.size()).toBe(1_024);
  });

  test('a key that is none does not keep others from being deleted', async () => {
    await store.setMany({ a: 1, b: 2 });
    await expect(store.deleteMany(['a', Symbol('s') as never, 'b'])).rejects.toMatchObject({ code: 'INVALID_KEY' });
    expect(await store.size()).toBe(0);
  });
});

describe('getOrSet', () => {
  test('stores under the key as it was when it was called', async () => {
    const key = { id: 1 };
    await store.getOrSet(key, async () => {
      key.id = 2;
      return 'value';
    });
    expect([await store.get({ id: 1 }), await store.get({ id: 2 })]).toEqual(['value', undefined]);
  });

  test('does not bring back what was deleted meanwhile, and what was set meanwhile stands', async () => {
    for (const remove of [() => store.delete('a'), () => store.pop('a'), () => store.clear()]) {
      const given = await store.getOrSet('a', async () => {
        await remove();
        return 'stale';
      });
      expect([given, await store.has('a')]).toEqual(['stale', false]);
    }
    const set = () => store.set('a', 'set');
    expect(await store.getOrSet('a', () => set().then(() => 'made'))).toBe('set');
  });

  test('runs anew for who comes after a deletion', async () => {
    let release = () => {};
    const first = store.getOrSet('a', () => new Promise((resolve) => (release = () => resolve('old'))));
    await store.has('a');
    await store.delete('a');
    expect(await store.getOrSet('a', () => 'new')).toBe('new');
    release();
    expect([await first, await store.get('a')]).toEqual(['old', 'new']);
  });
});

test('versions that have expired do not come back with the next one', async () => {
  const versions = await openStore<string>({ engine: 'memory', name: 'versions', appendMode: true });
  vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
  await versions.set('a', 'secret', { ttl: 5 });
  vi.setSystemTime(1_000_005);
  expect(await versions.getAll('a')).toEqual([]);
  await versions.set('a', 'one');
  await versions.set('a', 'two');
  expect(await versions.getAll('a')).toEqual(['one', 'two']);
  await versions.close();
});

test('a row has the key of its entry, and a cell of CSV what is in Maps and Sets', async () => {
  await store.set('mine', { _key: 'theirs', seen: new Set([1, 2]), by: new Map([['a', 10n]]), pattern: /x/ });
  const rows = [];
  for await (const row of store.rows()) rows.push(row);
  expect(rows).toMatchObject([{ _key: 'mine', seen: new Set([1, 2]) }]);
  expect(await store.toCSV()).toBe('_key,seen,by,pattern\r\nmine,"[1,2]","[[""a"",""10""]]","""/x/"""\r\n');
});

test('a damaged value is told by its key, its store and what to do', async () => {
  const config = { ...store.config, name: 'broken', root: '/data' };
  const engine = { get: () => Buffer.alloc(20, 0xa1) } as unknown as Engine;
  const parts = {
    engine,
    codec: await openRecordCodec({}),
    config,
    openSub: async () => store,
    closeEngine: async () => {},
  };
  const damage = new Store(parts).get(['a', 1]);
  await expect(damage).rejects.toMatchObject({ code: 'STORE_CORRUPT', key: ['a', 1], path: '/data/broken' });
  await expect(damage).rejects.toThrow(/broken.*Next: /);
});

test('what goes through a whole store gives others a turn between its steps', async () => {
  const entries = Array.from({ length: 2_500 }, (_, i) => [i, i] as const);
  const long: [name: string, run: () => Promise<unknown>][] = [
    ['setMany', () => store.setMany(entries)],
    ['getMany', () => store.getMany(entries.map(([key]) => key))],
    ['toMap', () => store.toMap()],
    ['toCSV', () => store.toCSV()],
    ['cleanup', () => store.cleanup()],
    ['deleteMany', () => store.deleteMany(entries.map(([key]) => key))],
  ];
  let clock = 0;
  const clocks = vi.spyOn(performance, 'now').mockImplementation(() => {
    clock += 20;
    return clock;
  });
  for (const [name, run] of long) {
    let turns = 0;
    let isDone = false;
    const others = () => {
      turns++;
      if (!isDone) setImmediate(others);
    };
    setImmediate(others);
    await run();
    isDone = true;
    expect([name, turns > 1]).toEqual([name, true]);
  }
  clocks.mockRestore();
});
