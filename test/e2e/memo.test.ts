/** memoize: what a call goes through, what it leaves behind, and what goes wrong with it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCache } from 'shardstash';
import { compact, memoize, openMemo, upgrade } from 'shardstash/memo';
import { openStore } from 'shardstash/store';
import { describe, expect, test } from 'vitest';
import { counted, errorOf, held, memoFolder } from '../support/memos.ts';

const folder = memoFolder();
const { closing } = folder;
const NOWHERE = { filename: false } as const;

describe('a call', () => {
  test('is computed, then in memory, then, when memory is gone, on disk', async () => {
    const double = counted(async (n: number) => ({ twice: 2 * n }));
    const options = { name: 'double', cache: folder.cache };
    const f = closing(memoize(double, options));
    expect(await f.callWithStatus(4)).toEqual({ value: { twice: 8 }, status: 'miss' });
    expect(await f.callWithStatus(4)).toEqual({ value: { twice: 8 }, status: 'memory' });
    await f.close();
    await folder.cache.clear();
    const again = closing(memoize(double, options));
    expect(await again.callWithStatus(4)).toEqual({ value: { twice: 8 }, status: 'disk' });
    expect(await again.callWithStatus(4)).toEqual({ value: { twice: 8 }, status: 'memory' });
    expect(double.runs).toBe(1);
  });

  test('takes functions of both kinds, with `this`, and returns a promise', async () => {
    const scale = { factor: 3, by: closing(memoize(counted(scaled), { ...NOWHERE, cache: folder.cache, name: 'by' })) };
    function scaled(this: { factor: number }, n: number): number {
      return n * this.factor;
    }
    const first = scale.by(5);
    expect(first).toBeInstanceOf(Promise);
    expect(await first).toBe(15);
    expect(await scale.by(5)).toBe(15);
  });

  test.each([undefined, null, false, 0, '', Number.NaN, '\0memo undefined', [undefined]])(
    '%o is a result like any other, in both tiers',
    async (value) => {
      const make = counted(() => value);
      const f = closing(memoize(make, { name: 'make', cache: folder.cache }));
      expect(await f()).toEqual(value);
      expect(await f.callWithStatus()).toEqual({ value, status: 'memory' });
      await folder.cache.clear();
      expect(await f.callWithStatus()).toEqual({ value, status: 'disk' });
      expect(await f.has()).toBe(true);
      expect(await f.getOrThrow()).toEqual(value);
      expect(make.runs).toBe(1);
    },
  );

  test('gets a copy of its own: what one does to it no other sees', async () => {
    const f = closing(memoize(() => ({ list: [1] }), { name: 'list', cache: folder.cache }));
    const [first, joined] = await Promise.all([f(), f()]);
    first.list.push(2);
    expect(joined).toEqual({ list: [1] });
    joined.list.push(3);
    const third = await f();
    third.list.push(4);
    expect(await f()).toEqual({ list: [1] });
    await folder.cache.clear();
    expect(await f()).toEqual({ list: [1] });
  });

  test('goes by its arguments as they are when it is made', async () => {
    const sum = counted(async (numbers: number[]) => {
      const total = numbers.reduce((a, b) => a + b, 0);
      numbers.length = 0;
      return total;
    });
    const f = closing(memoize(sum, { name: 'sum', cache: folder.cache }));
    expect(await f([1, 2])).toBe(3);
    expect(await f([1, 2])).toBe(3);
    expect(await f([])).toBe(0);
    expect((await f.store.rawEntries()).map(([, { args }]) => args)).toEqual([[[1, 2]], [[]]]);
  });

  test.each([true, false])(
    'of which five come at once is computed once, with a cache of its own: %s',
    async (isOwn) => {
      const gate = held<number>();
      const slow = counted(() => gate.promise);
      const f = closing(memoize(slow, isOwn ? NOWHERE : { ...NOWHERE, name: 'slow', cache: folder.cache }));
      const calls = Array.from({ length: 5 }, () => f());
      gate.resolve(7);
      expect(await Promise.all(calls)).toEqual([7, 7, 7, 7, 7]);
      expect(slow.runs).toBe(1);
    },
  );

  test('with `allowRace` each of them is', async () => {
    const slow = counted(async (n: number) => n);
    const f = closing(memoize(slow, { name: 'slow', cache: folder.cache, allowRace: true }));
    expect(await Promise.all([f(1), f(1), f(1)])).toEqual([1, 1, 1]);
    expect(slow.runs).toBe(3);
    await f(1);
    expect(slow.runs).toBe(3);
  });

  test('by two memos of one cache is one, and two functions of one name are two', async () => {
    const gate = held<string>();
    const slow = counted(() => gate.promise);
    const options = { ...NOWHERE, name: 'one', cache: folder.cache };
    const [a, b] = [closing(memoize(slow, options)), closing(memoize(slow, options))];
    const both = Promise.all([a(), b()]);
    gate.resolve('x');
    expect(await both).toEqual(['x', 'x']);
    expect(slow.runs).toBe(1);
    const load = { load: (n: number) => n + 1 };
    const other = { load: (n: number) => n + 2 };
    const c = closing(memoize(load.load, { ...NOWHERE, cache: folder.cache }));
    const d = closing(memoize(other.load, { ...NOWHERE, cache: folder.cache }));
    expect([await c(1), await d(1)]).toEqual([2, 3]);
  });

  test('of functions of one source is an error in one cache, unless they have names; with memory of their own each has its own', async () => {
    const times = (factor: number) => (n: number) => n * factor;
    const { cache } = folder;
    const first = times(2);
    closing(memoize(first, { ...NOWHERE, cache }));
    closing(memoize(first, { ...NOWHERE, cache }));
    const error = await errorOf(() => memoize(times(3), { ...NOWHERE, cache }));
    expect(error).toMatchObject({ name: 'TypeError', code: 'INVALID_CONFIG', option: 'name' });
    const named = [2, 3].map((factor) => closing(memoize(times(factor), { ...NOWHERE, cache, name: `by ${factor}` })));
    const alone = [2, 3].map((factor) => closing(memoize(times(factor), NOWHERE)));
    const bound = [2, 3].map((by) => closing(memoize(scaled.bind({ by }), { ...NOWHERE, cache })));
    function scaled(this: { by: number }, n: number): number {
      return n * this.by;
    }
    for (const memos of [named, alone, bound]) {
      expect(await Promise.all(memos.map((memo) => memo(5)))).toEqual([10, 15]);
    }
  });

  test('that fails is kept nowhere, reaches all who wait, and leaves the way free', async () => {
    const gate = held<never>();
    const outcomes = [() => gate.promise, () => 'better'];
    const flaky = counted(() => (outcomes.shift() as () => unknown)());
    const f = closing(memoize(flaky, { name: 'flaky', cache: folder.cache }));
    const calls = [errorOf(() => f()), errorOf(() => f())];
    // Nobody may be there yet who hears of it.
    gate.promise.catch(() => {});
    const error = new RangeError('no');
    gate.reject(error);
    expect(await Promise.all(calls)).toEqual([error, error]);
    expect(await f.has()).toBe(false);
    expect(await f.callWithStatus()).toEqual({ value: 'better', status: 'miss' });
    const thrower = closing(
      memoize(
        () => {
          throw error;
        },
        { ...NOWHERE, cache: folder.cache },
      ),
    );
    expect(await errorOf(() => thrower())).toBe(error);
  });

  test('that takes too long rejects with TIMEOUT, and its result is kept when it comes', async () => {
    const gate = held<string>();
    const slow = counted(() => gate.promise);
    const f = closing(memoize(slow, { name: 'slow', cache: folder.cache, timeout: 20 }));
    const error = await errorOf(() => f());
    expect(error).toMatchObject({ name: 'CacheError', code: 'TIMEOUT', message: expect.stringContaining('slow') });
    gate.resolve('late');
    await gate.promise;
    await expect.poll(() => f.has()).toBe(true);
    expect(await f()).toBe('late');
    expect(slow.runs).toBe(1);
  });

  test('of a function that never settles does not keep those that come later waiting for it', async () => {
    let settle: (value: string) => void = () => {};
    const never = new Promise<string>((resolve) => {
      settle = resolve;
    });
    const outcomes = [never, Promise.resolve('second')];
    const f = closing(memoize(() => outcomes.shift() as Promise<string>, { name: 'never', timeout: 30 }));
    expect(await errorOf(() => f())).toMatchObject({ code: 'TIMEOUT' });
    await expect.poll(() => f().catch(({ code }) => code)).toBe('second');
    // So that `close` need not wait for it.
    settle('first');
  });

  test.each([
    ['by itself', { allowRace: false }],
    ['in a race', { allowRace: true }],
  ])('may call others of its function: fib(30) %s', async (_how, options) => {
    const fib = counted(async (n: number): Promise<number> => (n < 2 ? n : (await f(n - 1)) + (await f(n - 2))));
    const f = closing(memoize(fib, { ...options, name: 'fib', cache: folder.cache }));
    expect(await f(30)).toBe(832_040);
    expect(fib.runs).toBe(31);
    expect((await f.store.diskKeys()).length).toBe(31);
  });

  test.each([undefined, 'cache'])('of itself is an error, not a wait for ever (%s)', async (shared) => {
    const cache = shared === undefined ? undefined : folder.cache;
    const ask = async (n: number): Promise<number> => await f(n);
    const f = closing(memoize(ask, { ...NOWHERE, cache }));
    expect(await errorOf(() => f(1))).toMatchObject({ name: 'TypeError', code: 'REENTRANT_CALL' });
    const ping = async (n: number): Promise<number> => await pong(n);
    const pong = closing(memoize(async (n: number): Promise<number> => await pinged(n), { ...NOWHERE, cache }));
    const pinged = closing(memoize(ping, { ...NOWHERE, cache }));
    expect(await errorOf(() => pinged(1))).toMatchObject({ code: 'REENTRANT_CALL' });
  });
});

describe('arguments and results', () => {
  test('what cannot be keyed is INVALID_KEY, and what cannot be stored is SERIALIZATION_ERROR: nothing is kept', async () => {
    const f = closing(memoize((value: unknown) => value, { name: 'any', cache: folder.cache }));
    const error = await errorOf(() => f(() => {}));
    expect(error).toMatchObject({ name: 'TypeError', code: 'INVALID_KEY', message: expect.stringContaining('any') });
    expect(await errorOf(() => f.has(Symbol('s')))).toMatchObject({ code: 'INVALID_KEY' });
    expect(await errorOf(() => f.put(1, () => {}))).toMatchObject({ code: 'INVALID_KEY' });
    expect(await f.store.keys()).toEqual([]);
  });

  test.each<[string, object]>([
    ['a file', { name: 'bad' }],
    ['memory alone', NOWHERE],
    ['a cache that is given', { ...NOWHERE, name: 'bad' }],
  ])('a result that cannot be stored rejects all who wait, with %s', async (_where, options) => {
    const results: unknown[] = [() => {}, 'fine'];
    const given = 'name' in options && 'filename' in options ? { cache: folder.cache } : {};
    const f = closing(memoize(async () => results.shift(), { ...options, ...given }));
    const errors = await Promise.all([errorOf(() => f()), errorOf(() => f())]);
    expect(errors.map(({ code }) => code)).toEqual(['SERIALIZATION_ERROR', 'SERIALIZATION_ERROR']);
    expect(await f()).toBe('fine');
  });

  test('arguments that cannot be stored are left out, where they do not matter', async () => {
    const f = closing(memoize((n: number, _log: () => void) => n + 1, { name: 'logged', ignore: [1] }));
    expect(await f(1, () => {})).toBe(2);
    expect(await f(1, () => {})).toBe(2);
    expect((await f.store.rawValues()).map(({ args }) => args)).toEqual([undefined]);
  });

  test('a result that is too large for memory is on disk alone, and the call has it', async () => {
    const told: string[] = [];
    const make = counted((n: number) => 'x'.repeat(n));
    const log = { failure: (message: string) => told.push(message) };
    const f = closing(memoize(make, { name: 'large', maxBytes: '1mb', log }));
    expect((await f(2_000_000)).length).toBe(2_000_000);
    await expect.poll(() => f.store.failures).toBe(1);
    expect(told[0]).toMatch(/could not keep a result in its memory/);
    expect((await f.callWithStatus(2_000_000)).status).toBe('disk');
    expect(make.runs).toBe(1);
  });

  test('a cache that is closed does not fail the call', async () => {
    const cache = await openCache({ shards: 1, maxBytes: '1mb' });
    const make = counted((n: number) => n + 1);
    const f = closing(memoize(make, { name: 'plus', cache, log: { failure: false } }));
    expect(await f(1)).toBe(2);
    await cache.close();
    expect(await f(1)).toBe(2);
    expect(await f(2)).toBe(3);
    expect(make.runs).toBe(2);
    expect(f.store.failures).toBeGreaterThan(0);
  });
});

describe('what else it does', () => {
  test('`get`, `has`, `put`, `uncache` and `force`, in both tiers', async () => {
    const make = counted((n: number) => `made ${n}`);
    const f = closing(memoize(make, { name: 'made', cache: folder.cache }));
    expect([await f.get(1), await f.has(1), await f.uncache(1)]).toEqual([undefined, false, false]);
    expect(await errorOf(() => f.getOrThrow(1))).toMatchObject({ name: 'CacheError', code: 'KEY_NOT_FOUND' });
    await f.put('put', 1);
    expect([await f(1), await f.get(1), await f.getOrThrow(1), await f.has(1)]).toEqual(['put', 'put', 'put', true]);
    expect(make.runs).toBe(0);
    expect(await f.force(1)).toBe('made 1');
    expect(await f(1)).toBe('made 1');
    await folder.cache.clear();
    expect(await f.get(1)).toBe('made 1');
    expect(await f.uncache(1)).toBe(true);
    expect([await f.has(1), await f.get(1)]).toEqual([false, undefined]);
    expect(await f(1)).toBe('made 1');
    expect(make.runs).toBe(2);
  });

  test('`has` promotes nothing, `get` does', async () => {
    const f = closing(memoize((n: number) => n, { name: 'same', cache: folder.cache }));
    await f(1);
    await folder.cache.clear();
    expect(await f.has(1)).toBe(true);
    expect(await f.store.memoryKeys()).toEqual([]);
    expect(await f.get(1)).toBe(1);
    expect((await f.store.memoryKeys()).length).toBe(1);
  });

  test('what is put or forgotten while a call is computed is what stands', async () => {
    const gates = [held<string>(), held<string>()];
    const f = closing(memoize((n: number) => gates[n]?.promise as Promise<string>, { name: 'gated' }));
    await f.put('opens', 9);
    const calls = [f(0), f(1)];
    await f.put('put', 0);
    await f.uncache(1);
    gates[0]?.resolve('computed');
    gates[1]?.resolve('computed');
    expect(await Promise.all(calls)).toEqual(['computed', 'computed']);
    expect([await f.get(0), await f.get(1)]).toEqual(['put', undefined]);
  });

  test('`store` shows what is kept: keys are the same in both tiers', async () => {
    const f = closing(memoize((n: number) => n * n, { name: 'square', cache: folder.cache }));
    for (const n of [1, 2, 3]) await f(n);
    await folder.cache.set('of somebody else', 1);
    const keys = new Set(await f.store.keys());
    expect(keys.size).toBe(3);
    expect(new Set(await f.store.memoryKeys())).toEqual(keys);
    expect(new Set(await f.store.diskKeys())).toEqual(keys);
    expect((await f.store.values()).sort()).toEqual([1, 4, 9]);
    expect(new Map(await f.store.memoryEntries())).toEqual(new Map(await f.store.diskEntries()));
    expect(new Map(await f.store.entries()).size).toBe(3);
    const raw = await f.store.rawEntries();
    expect(new Set(raw.map(([key]) => key))).toEqual(keys);
    expect(raw.map(([, { args }]) => args?.[0])).toEqual([1, 2, 3]);
    expect(raw[0]?.[1]).toEqual({ result: 1, args: [1], version: undefined, createdAt: expect.any(Date) });
    expect((await f.store.rawValues()).map(({ result }) => result)).toEqual([1, 4, 9]);
    expect(f.store.filename).toBe(join(folder.root, 'square.log'));
    expect(await f.store.size()).toBe(3);
    expect(await f.store.clear()).toBe(3);
    expect(await f.store.keys()).toEqual([]);
    expect(await folder.cache.get('of somebody else')).toBe(1);
  });

  test('`disable` calls the function each time, keeps nothing and makes no file', async () => {
    const make = counted((n: number) => n);
    const f = closing(memoize(make, { name: 'off', disable: true }));
    expect([await f(1), await f(1), await f.force(1)]).toEqual([1, 1, 1]);
    expect(await f.callWithStatus(1)).toEqual({ value: 1, status: 'miss' });
    await f.put(2, 1);
    expect([await f.get(1), await f.has(1), await f.uncache(1)]).toEqual([undefined, false, false]);
    expect(await f.store.keys()).toEqual([]);
    expect(make.runs).toBe(4);
    expect(existsSync(folder.root)).toBe(false);
  });

  test('`copy` is applied when a result is stored, and on each hit', async () => {
    const copy = (result: { by: string[] }) => ({ by: [...result.by, 'copied'] });
    const f = closing(memoize(() => ({ by: [] as string[] }), { name: 'copied', cache: folder.cache, copy }));
    expect(await f()).toEqual({ by: [] });
    expect(await f()).toEqual({ by: ['copied', 'copied'] });
    expect(await f()).toEqual({ by: ['copied', 'copied'] });
    await folder.cache.clear();
    expect(await f()).toEqual({ by: ['copied', 'copied'] });
  });

  test('`validate` says whether a result still serves, in both tiers', async () => {
    let valid = true;
    const make = counted((): number => make.runs);
    const f = closing(memoize(make, { name: 'valid', cache: folder.cache, validate: () => valid }));
    expect(await f()).toBe(1);
    expect(await f()).toBe(1);
    valid = false;
    expect(await f()).toBe(2);
    valid = true;
    expect(await f()).toBe(2);
    await folder.cache.clear();
    valid = false;
    expect(await f.get()).toBeUndefined();
    expect((await f.callWithStatus()).status).toBe('miss');
  });

  test('`sourceVersion` tells results of another version, and keeps them for its return', async () => {
    const make = counted((): number => make.runs);
    const of = (sourceVersion?: true | string) => closing(memoize(make, { name: 'versioned', sourceVersion }));
    for (const [version, expected] of [
      ['1', 1],
      ['1', 1],
      ['2', 2],
      [true, 3],
      [true, 3],
    ] as const) {
      const f = of(version);
      expect(await f()).toBe(expected);
      await f.close();
    }
    expect(await errorOf(() => memoize(make.bind(null), { name: 'b', sourceVersion: true }))).toMatchObject({
      option: 'sourceVersion',
    });
  });

  test('`ttl` ends results in both tiers', async () => {
    const make = counted((): number => make.runs);
    const f = closing(memoize(make, { name: 'brief', cache: folder.cache, ttl: 40 }));
    expect([await f(), await f()]).toEqual([1, 1]);
    await expect.poll(() => f.has()).toBe(false);
    expect(await f()).toBe(2);
    const [left] = await Promise.all((await keysOf(folder.cache)).map((key) => folder.cache.ttl(key)));
    expect(left).toBeLessThanOrEqual(40);
  });

  test('`maxEntries` bounds the memory of its own', async () => {
    const f = closing(memoize((n: number) => n, { ...NOWHERE, maxEntries: 10 }));
    for (let n = 0; n < 50; n++) await f(n);
    expect((await f.store.memoryKeys()).length).toBeLessThanOrEqual(10);
  });
});

describe('files', () => {
  test('the default is the name of the function, in the folder for caches', async () => {
    async function slowly(n: number) {
      return n;
    }
    const f = closing(memoize(slowly));
    await f(1);
    expect(existsSync(join(folder.root, 'slowly.log'))).toBe(true);
  });

  test('a name alone is a file there, a path is that file, and each gets .log without an extension', async () => {
    const inRoot = (name: string) => join(folder.root, name);
    for (const [filename, path] of [
      ['mine', inRoot('mine.log')],
      ['mine.memo', inRoot('mine.memo')],
      [inRoot('deep/er'), inRoot('deep/er.log')],
    ] as const) {
      const f = closing(memoize((n: number) => n, { filename }));
      expect(f.store.filename).toBe(path);
      await f(1);
      expect(existsSync(path)).toBe(true);
    }
  });

  test('nothing is opened before the first call, but by `openMemo`', async () => {
    const lazy = closing(memoize((n: number) => n, { filename: 'lazy' }));
    expect(existsSync(lazy.store.filename as string)).toBe(false);
    const eager = closing(await openMemo((n: number) => n, 'eager'));
    expect(existsSync(eager.store.filename as string)).toBe(true);
    await eager[Symbol.asyncDispose]();
    expect(await errorOf(() => eager(1))).toMatchObject({ name: 'CacheError', code: 'CACHE_CLOSED' });
    expect(await errorOf(() => eager.get(1))).toMatchObject({ code: 'CACHE_CLOSED' });
  });

  test('two functions do not share one, in one thread; when the first is closed its name is free', async () => {
    const first = closing(memoize((n: number) => n, { filename: 'ours' }));
    const error = await errorOf(() => memoize((n: number) => n + 1, { filename: 'ours', name: 'second' }));
    expect(error).toMatchObject({ name: 'TypeError', code: 'INVALID_CONFIG', option: 'filename' });
    expect(error.message).toMatch(/\(anonymous\).*`second`/);
    await first(1);
    await first.close();
    const told: string[] = [];
    const log = { failure: (message: string) => void told.push(message) };
    const second = closing(memoize((n: number) => n + 1, { filename: 'ours', name: 'second', log }));
    await second.has(1);
    expect(told[0]).toMatch(/made for the function ''.*used for 'second'/);
  });

  test.each<[string, (path: string) => void, string]>([
    ['is no memo file', (path) => writeFileSync(path, 'x'.repeat(500)), 'STORE_FOREIGN'],
    ['is a folder', (path) => mkdirSync(path), 'ENGINE_ERROR'],
  ])('one that %s rejects each call, and stays as it is', async (_what, make, code) => {
    mkdirSync(folder.root, { recursive: true });
    const path = join(folder.root, 'foreign.log');
    make(path);
    const f = closing(memoize(async (n: number) => n, { filename: 'foreign' }));
    for (let i = 0; i < 2; i++) {
      expect(await errorOf(() => f(1))).toMatchObject({ name: 'CacheError', code, path });
    }
    expect(await errorOf(() => openMemo((n: number) => n, 'foreign', { name: 'other' }))).toMatchObject({
      code: 'INVALID_CONFIG',
    });
    if (code === 'STORE_FOREIGN') expect(readFileSync(path, 'latin1')).toBe('x'.repeat(500));
  });

  test('of another version of the format it is refused, too', async () => {
    const f = closing(memoize((n: number) => n, { filename: 'newer' }));
    await f(1);
    await f.close();
    const bytes = readFileSync(f.store.filename as string);
    bytes[3] = 200;
    writeFileSync(f.store.filename as string, bytes);
    const g = closing(memoize((n: number) => n, { filename: 'newer' }));
    expect(await errorOf(() => g(1))).toMatchObject({ code: 'STORE_FOREIGN' });
  });

  test('what a tier cannot do is told and counted, and the call has its result', async () => {
    const store = await openStore({ engine: 'memory' });
    const told: string[] = [];
    const make = counted((n: number) => n);
    const log = { failure: (message: string) => void told.push(message) };
    const f = closing(memoize(make, { name: 'stored', store, cache: folder.cache, log }));
    await store.close();
    expect(await f(1)).toBe(1);
    expect(f.store.failures).toBe(2);
    expect(told).toEqual([expect.stringMatching(/read unnamed.*closed/), expect.stringMatching(/write to unnamed/)]);
    expect(await errorOf(() => f.put(2, 2))).toMatchObject({ code: 'STORE_CLOSED' });
  });

  test('any store is a tier, of several memos', async () => {
    const store = await openStore({ engine: 'memory' });
    const make = counted((n: number) => (n === 0 ? undefined : n));
    const f = closing(memoize(make, { name: 'one', store, cache: folder.cache }));
    const g = closing(memoize((n: number) => -n, { name: 'two', store, cache: folder.cache }));
    expect([await f(0), await f(1), await g(1)]).toEqual([undefined, 1, -1]);
    await folder.cache.clear();
    expect([await f.callWithStatus(0), await g.callWithStatus(1)]).toEqual([
      { value: undefined, status: 'disk' },
      { value: -1, status: 'disk' },
    ]);
    expect((await f.store.diskKeys()).length).toBe(2);
    expect((await f.store.rawValues())[0]).toMatchObject({ args: [expect.any(Number)], version: undefined });
    expect([await f.store.clear(), await g.store.size()]).toEqual([2, 1]);
    expect(f.store.filename).toBe('unnamed');
    expect(await errorOf(() => f.store.compact())).toMatchObject({ code: 'INVALID_CONFIG' });
    const other = { one: (n: number) => n + 100 };
    const error = await errorOf(() => memoize(other.one, { store, cache: folder.cache }));
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', message: expect.stringMatching(/in the store unnamed/) });
    await f.close();
    await g.close();
    expect(await store.size()).toBe(1);
    const elsewhere = await openStore({ engine: 'memory' });
    const h = closing(memoize(other.one, { store: elsewhere, cache: folder.cache }));
    expect(await h(1)).toBe(101);
    await elsewhere.close();
    await store.close();
  });

  test('results are written as `serializer`, `compression` and `sync` say, and read as they were written', async () => {
    const make = counted((n: number) => ({ text: 'x'.repeat(n) }));
    const options = { filename: 'packed', name: 'packed', serializer: 'v8', compression: 'gzip', sync: true } as const;
    const f = closing(memoize(make, options));
    await f(50_000);
    await f.close();
    expect(readFileSync(f.store.filename as string).length).toBeLessThan(5_000);
    const again = closing(memoize(make, { ...options, compression: false }));
    expect(await again.callWithStatus(50_000)).toMatchObject({ status: 'disk', value: { text: 'x'.repeat(50_000) } });
    await again.close();
    const other = closing(memoize(make, { ...options, serializer: 'json' }));
    expect(await errorOf(() => other(1))).toMatchObject({ code: 'INVALID_CONFIG', option: 'serializer' });
    expect(make.runs).toBe(1);
  });

  test('`compact` gives back what was replaced, while the file is in use and when it is not', async () => {
    const f = closing(memoize((n: number) => 'x'.repeat(n), { filename: 'compacted' }));
    for (let i = 0; i < 1_000; i++) await f.put('y'.repeat(100), 1);
    await f(2);
    const { entries, dropped, bytesBefore, bytesAfter } = await f.store.compact();
    expect({ entries, dropped }).toEqual({ entries: 2, dropped: 999 });
    expect(bytesAfter).toBeLessThan(bytesBefore / 10);
    expect(await f(1)).toBe('y'.repeat(100));
    await f.close();
    expect(await compact('compacted')).toMatchObject({ entries: 2 });
    const error = await errorOf(() => compact('nowhere'));
    expect(error).toMatchObject({ code: 'ENGINE_ERROR', cause: expect.objectContaining({ code: 'ENOENT' }) });
  });

  test('`upgrade` puts results under the keys of another hash', async () => {
    const make = counted((user: { id: number; seen: number }) => user.id);
    const byAll = closing(memoize(make, { filename: 'users', name: 'users' }));
    for (const id of [1, 2, 3]) await byAll({ id, seen: 0 });
    await byAll.close();
    const hash = ([user]: readonly unknown[]) => `user ${(user as { id: number }).id}`;
    expect(await upgrade('users', { hash })).toMatchObject({ entries: 3, dropped: 0 });
    const byId = closing(memoize(make, { filename: 'users', name: 'users', hash }));
    for (const id of [1, 2, 3]) expect(await byId({ id, seen: 9 })).toBe(id);
    expect(make.runs).toBe(3);
    await byId.close();
    const back = closing(memoize(make, { filename: 'users', name: 'users' }));
    expect(await back.store.upgrade()).toMatchObject({ entries: 3 });
    expect((await back.callWithStatus({ id: 1, seen: 0 })).status).toBe('disk');
  });
});

test('a file with a serializer of its own is upgraded with that', async () => {
  const serializer = {
    name: 'own',
    binary: false as const,
    encode: JSON.stringify,
    decode: (text: string) => JSON.parse(text),
  };
  const f = closing(memoize((n: number) => ({ n }), { filename: 'own', serializer }));
  await f(1);
  expect(await f.store.upgrade()).toMatchObject({ entries: 1 });
  await f.close();
  expect(await errorOf(() => upgrade('own', { hash: String }))).toMatchObject({ code: 'UNKNOWN_PLUGIN' });
  expect(await upgrade('own', { hash: String, serializer })).toMatchObject({ entries: 1 });
});

describe('on the pool of a cache', () => {
  const module = new URL('../support/tasks.mjs', import.meta.url);

  test('the export of a module is memoized like a function', async () => {
    const where = closing(
      memoize<() => Promise<number>>({ module, export: 'where' }, { cache: folder.cache, ...NOWHERE }),
    );
    const thread = await where();
    expect(thread).toBeGreaterThan(0);
    expect(await where.callWithStatus()).toEqual({ value: thread, status: 'memory' });
    const burn = closing(memoize<(ms: number, value: string) => Promise<string>>({ module, export: 'burn' }));
    expect(await burn(1, 'burnt')).toBe('burnt');
    expect(burn.store.filename).toBe(join(folder.root, 'burn.log'));
    const fail = closing(memoize<() => Promise<void>>({ module, export: 'fail' }, { cache: folder.cache, ...NOWHERE }));
    expect(await errorOf(() => fail())).toMatchObject({ code: 'NO_STOCK' });
  });

  test('`cache.run` runs a task and keeps nothing', async () => {
    const { cache } = folder;
    expect(await cache.run({ module, export: 'burn', args: [1, { a: 1 }] })).toEqual({ a: 1 });
    expect(await cache.size()).toBe(0);
    expect(await errorOf(() => cache.run({ module, export: 'nobody' }))).toMatchObject({ code: 'UNKNOWN_PLUGIN' });
    expect(await errorOf(() => cache.run({ module, export: 'forEver' }, { timeout: 150 }))).toMatchObject({
      code: 'TIMEOUT',
    });
    const signal = AbortSignal.abort(new Error('stop'));
    expect(await errorOf(() => cache.run({ module, export: 'where' }, { signal }))).toMatchObject({ message: 'stop' });
    expect(await errorOf(() => cache.run('where' as never))).toMatchObject({ code: 'INVALID_CONFIG', option: 'task' });
  });
});

test.each<[unknown, object, string]>([
  [undefined, {}, 'fn'],
  [{ module: '/x.mjs', args: [1] }, {}, 'fn'],
  [() => 1, {}, 'filename'],
  [() => 1, { filename: '' }, 'filename'],
  [() => 1, { filename: 'a/' }, 'filename'],
  [() => 1, { name: '' }, 'name'],
  [() => 1, { name: 'x', ttl: '1h', cahce: 1 }, 'cahce'],
  [() => 1, { name: 'x', cache: {} }, 'cache'],
  [() => 1, { name: 'x', store: {} }, 'store'],
  [() => 1, { name: 'x', hash: 'md5' }, 'hash'],
  [() => 1, { name: 'x', validate: true }, 'validate'],
  [() => 1, { name: 'x', copy: 'deep' }, 'copy'],
  [() => 1, { name: 'x', allowRace: 1 }, 'allowRace'],
  [() => 1, { name: 'x', disable: 'yes' }, 'disable'],
  [() => 1, { name: 'x', sync: 1 }, 'sync'],
  [() => 1, { name: 'x', timeout: 0 }, 'timeout'],
  [() => 1, { name: 'x', sourceVersion: false }, 'sourceVersion'],
  [() => 1, { name: 'x', log: { hits: true } }, 'log'],
  [() => 1, { name: 'x', log: console.log }, 'log'],
  [() => 1, { name: 'x', ignore: 'a' }, 'ignore'],
])('%o with %o is refused at once, by the name of the option', async (fn, options, option) => {
  const error = await errorOf(() => memoize(fn as () => number, options));
  expect(error).toMatchObject({ name: 'TypeError', code: 'INVALID_CONFIG', option });
});

test('a wrong ttl is INVALID_TTL, and bounds are for a cache of its own', async () => {
  expect(await errorOf(() => memoize(() => 1, { name: 'x', ttl: 0 }))).toMatchObject({ code: 'INVALID_TTL' });
  const { cache } = folder;
  expect(await errorOf(() => memoize(() => 1, { name: 'x', cache, maxEntries: 5 }))).toMatchObject({
    option: 'maxEntries',
  });
});

async function keysOf(cache: typeof folder.cache) {
  const keys = [];
  for await (const key of cache.keys()) keys.push(key);
  return keys;
}
