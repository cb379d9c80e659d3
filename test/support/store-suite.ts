/**
 * What a store is to its users, whatever its engine: a Map with the semantics of the cache's own methods. Every engine runs the
 * same facts. See engine-suite.ts for what lies below.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openStore, type Store, type StoreOptions } from '../../src/main/stores/index.ts';
import type { CacheKey } from '../../src/protocol/cache-key.ts';

export interface StoreSuite {
  readonly engine: string;
  /** Of the engine, asked for each test. */
  readonly options?: () => StoreOptions;
  /** Whether a store is there again after it was closed. */
  readonly outlives?: boolean;
}

const STRUCTURED_KEYS: readonly CacheKey[] = [
  'text',
  '',
  '\0nul',
  'ключ 🗝️',
  1,
  '1',
  1n,
  true,
  null,
  -1.5,
  Number.NaN,
  [1, 'two', null],
  { b: 1, a: [2] },
  new Date(0),
  new Uint8Array([1, 2, 3]),
  new Set([1, 'x']),
  new Map([['k', 1]]),
];

const VALUES: readonly unknown[] = [
  null,
  undefined,
  false,
  0,
  -0,
  Number.NaN,
  1e300,
  '',
  'text',
  'ключ',
  '\ud800',
  123456789012345678901234567890n,
  [],
  {},
  [1, [2, { three: 3 }]],
  { nested: { deep: { deeper: [null] } } },
  new Date(1_234_567_890_123),
  new Map<unknown, unknown>([[{ a: 1 }, new Set([1, 2])]]),
  Buffer.from([0, 255, 1]),
  new Float64Array([1.5, -2]),
  /x+/gi,
  JSON.parse('{"__proto__": 1}'),
];

export function runStoreSuite({ engine, options = () => ({}), outlives = true }: StoreSuite): void {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    vi.useRealTimers();
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });
  let names = 0;
  const place = (): StoreOptions => {
    const root = mkdtempSync(join(tmpdir(), 'shardstash-store-'));
    cleanups.push(() => rmSync(root, { recursive: true, force: true }));
    return { engine, root, name: `suite-${process.pid}-${names++}`, ...options() };
  };
  const open = async <V>(where: StoreOptions = {}): Promise<Store<V>> => {
    const store = await openStore<V>({ ...place(), ...where });
    cleanups.push(async () => {
      await store.clear().catch((error: { code?: string }) => expect(error.code).toBe('STORE_CLOSED'));
      await store.close();
    });
    return store;
  };

  describe(`a store with the engine ${engine}`, () => {
    test('gives back every kind of value under every kind of key, equal and a copy', async () => {
      const store = await open<unknown>();
      for (const [i, key] of STRUCTURED_KEYS.entries()) await store.set(key, i);
      for (const [i, key] of STRUCTURED_KEYS.entries()) expect(await store.get(key)).toBe(i);
      expect(await store.get({ a: [2], b: 1 })).toBe(12);
      expect(await store.size()).toBe(STRUCTURED_KEYS.length);
      const listed: CacheKey[] = [];
      for await (const key of store.keys()) listed.push(key);
      expect(listed.length).toBe(STRUCTURED_KEYS.length);
      for (const key of STRUCTURED_KEYS) expect(listed as unknown[]).toContainEqual(key);
      for (const [i, value] of VALUES.entries()) {
        await store.set(`value ${i}`, value);
        const back = await store.get(`value ${i}`);
        expect(back).toStrictEqual(value);
        if (typeof value === 'object' && value !== null) expect(back).not.toBe(value);
      }
    });

    test('tells a stored undefined or null from nothing', async () => {
      const store = await open<unknown>();
      await store.setMany([
        ['undefined', undefined],
        ['null', null],
      ]);
      expect([await store.has('undefined'), await store.has('null'), await store.has('nothing')]).toEqual([
        true,
        true,
        false,
      ]);
      expect(await store.getOrThrow('null')).toBe(null);
      await expect(store.getOrThrow('nothing')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND', key: 'nothing' });
      expect(await store.getOrSet('undefined', () => 'computed')).toBe(undefined);
    });

    test('adds only what is not there, and updates only what is', async () => {
      const store = await open<number>();
      await store.add('a', 1);
      await expect(store.add('a', 2)).rejects.toMatchObject({ code: 'KEY_EXISTS' });
      await store.update('a', 3);
      await expect(store.update('b', 4)).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
      expect([await store.get('a'), await store.get('b')]).toEqual([3, undefined]);
      const adds = await Promise.allSettled([1, 2, 3, 4].map((value) => store.add('raced', value)));
      expect(adds.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    });

    test('gets, sets and deletes many', async () => {
      const store = await open<number>();
      await store.setMany({ a: 1, b: 2 });
      await store.setMany(
        new Map<CacheKey, number>([
          [3, 3],
          ['b', 4],
        ]),
      );
      expect(await store.getMany(['b', 'none', 3, 'a'])).toEqual(
        new Map<CacheKey, number>([
          ['b', 4],
          [3, 3],
          ['a', 1],
        ]),
      );
      expect(await store.deleteMany(['a', 'none', 3])).toBe(2);
      expect(await store.toMap()).toEqual(new Map([['b', 4]]));
    });

    test('is deleted from once, popped from once, and drained', async () => {
      const store = await open<number>();
      await store.set('a', 1);
      expect([await store.delete('a'), await store.delete('a')]).toEqual([true, false]);
      await store.set('b', 2);
      const popped = await Promise.all(Array.from({ length: 20 }, () => store.pop('b')));
      expect(popped.filter((value) => value !== undefined)).toEqual([2]);
      const entries = Array.from({ length: 30 }, (_, i) => [`key ${i}`, i] as const);
      await store.setMany(entries);
      const drained = new Map<CacheKey, number>();
      for (let item = await store.popItem(); item !== undefined; item = await store.popItem()) drained.set(...item);
      expect(drained).toEqual(new Map(entries));
      expect(await store.size()).toBe(0);
    });

    test('computes a value once for all who ask at the same time', async () => {
      const store = await open<object>();
      let runs = 0;
      const factory = async () => ({ run: ++runs });
      const values = await Promise.all(Array.from({ length: 25 }, () => store.getOrSet('a', factory)));
      expect(runs).toBe(1);
      expect(new Set(values).size).toBe(25);
      await expect(
        store.getOrSet('b', () => {
          throw new RangeError('no');
        }),
      ).rejects.toThrow(RangeError);
      expect(await store.has('b')).toBe(false);
      expect(await store.getOrSet('b', factory)).toEqual({ run: 2 });
    });

    test('is iterated while it changes', async () => {
      const store = await open<number>();
      await store.setMany(Array.from({ length: 300 }, (_, i) => [i, i] as const));
      const seen: number[] = [];
      for await (const [key, value] of store) {
        seen.push(value);
        if ((key as number) >= 150) await store.delete(key);
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.filter((value) => value < 150).length).toBe(150);
      expect(await store.size()).toBe(150);
      const values: number[] = [];
      for await (const value of store.values()) values.push(value);
      expect(values.length).toBe(150);
      expect(await store.clear()).toBe(150);
      expect([await store.size(), (await store.toMap()).size]).toEqual([0, 0]);
    });

    test('lets values expire', async () => {
      const store = await open<string>();
      const now = Date.now();
      vi.useFakeTimers({ toFake: ['Date'], now });
      await store.set('short', 'x', { ttl: '10m' });
      await store.set('long', 'y', { ttl: '2h' });
      await store.set('ever', 'z');
      expect(await store.ttl('short')).toBe(600_000);
      expect([await store.ttl('ever'), await store.ttl('none')]).toEqual([Number.POSITIVE_INFINITY, undefined]);
      vi.setSystemTime(now + 599_999);
      expect(await store.get('short')).toBe('x');
      vi.setSystemTime(now + 600_000);
      expect([await store.get('short'), await store.has('short'), await store.pop('none')]).toEqual([
        undefined,
        false,
        undefined,
      ]);
      await expect(store.getOrThrow('short')).rejects.toMatchObject({ code: 'KEY_EXPIRED' });
      expect([...(await store.toMap()).keys()].sort()).toEqual(['ever', 'long']);
      await store.add('short', 'again', { ttl: 1_000 });
      await store.expire('long', 5_000);
      await store.expire('short', null);
      await expect(store.expire('none', 5)).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
      vi.setSystemTime(now + 660_000);
      expect([await store.cleanup(), await store.cleanup()]).toEqual([1, 0]);
      expect((await store.toMap()).size).toBe(2);
      await expect(store.set('a', 'b', { ttl: -1 })).rejects.toMatchObject({ code: 'INVALID_TTL' });
    });

    test('keeps calls on one key in their order, whatever takes long to compress', async () => {
      const store = await open<string>({ compression: 'zlib' });
      const large = (text: string) => text.repeat(200_000);
      const calls = [
        store.set('a', large('one ')),
        store.set('a', 'two'),
        store.get('a'),
        store.set('a', large('three ')),
      ];
      const [, , two] = await Promise.all(calls);
      expect(two).toBe('two');
      expect(await store.get('a')).toBe(large('three '));
      const before = store.set('b', large('x'));
      expect(await store.delete('b')).toBe(true);
      await before;
      expect(await store.size()).toBe(1);
    });

    test('keeps calls in their order that nobody waits for', async () => {
      const store = await open<number>();
      await store.setMany({ a: 0, b: 0, c: 0 });
      const calls: Promise<unknown>[] = [
        store.update('a', 1),
        store.set('a', 2),
        store.setMany({ b: 1 }),
        store.set('b', 2),
        store.deleteMany(['b', 'c']),
        store.add('c', 3),
      ];
      expect(await store.getMany(['a', 'b', 'c'])).toEqual(
        new Map([
          ['a', 2],
          ['c', 3],
        ]),
      );
      calls.push(
        store.clear().then(() => undefined),
        store.set('a', 4),
      );
      await Promise.all(calls as Promise<unknown>[]);
      expect(await store.toMap()).toEqual(new Map([['a', 4]]));
    });

    test('keeps every version in append mode', async () => {
      const where = { ...place(), appendMode: true };
      const store = await open<number>(where);
      for (const value of [1, 2, 3]) await store.set('a', value);
      await Promise.all([4, 5].map((value) => store.set('a', value)));
      expect(await store.get('a')).toBe(5);
      expect(await store.getAll('a')).toEqual([1, 2, 3, 4, 5]);
      const versions = await store.getAll('a', { withMetadata: true });
      expect(versions.map(({ version, value }) => [version, value])).toEqual([
        [1, 1],
        [2, 2],
        [3, 3],
        [4, 4],
        [5, 5],
      ]);
      expect(versions.every(({ timestamp }) => Math.abs(timestamp - Date.now()) < 60_000)).toBe(true);
      expect(await store.pop('a')).toBe(5);
      expect(await store.getAll('a')).toEqual([]);
    });

    test('refuses what it cannot keep, and goes on', async () => {
      const store = await open<unknown>();
      await expect(store.set('a', () => 1)).rejects.toMatchObject({ code: 'SERIALIZATION_ERROR' });
      await expect(store.set(Symbol('k') as never, 1)).rejects.toMatchObject({ code: 'INVALID_KEY' });
      await expect(
        store.setMany([
          ['a', 1],
          ['b', Symbol('v')],
        ]),
      ).rejects.toMatchObject({ code: 'SERIALIZATION_ERROR' });
      await store.set('a', 'fine');
      expect(await store.get('a')).toBe('fine');
    });

    test('has stores within it that do not know of each other', async () => {
      const store = await open<number>();
      const one = await store.sub<number>('one');
      const other = await store.sub<number>('other');
      cleanups.push(
        () => one.close(),
        () => other.close(),
      );
      await Promise.all([store.set('a', 0), one.set('a', 1), other.set('a', 2)]);
      expect([await store.get('a'), await one.get('a'), await other.get('a')]).toEqual([0, 1, 2]);
      expect(await one.clear()).toBe(1);
      expect([await store.size(), await one.size(), await other.size()]).toEqual([1, 0, 1]);
      await other.clear();
    });

    test('settles what was begun when it is closed, and refuses what comes later', async () => {
      const store = await open<string>({ compression: 'zlib' });
      const begun: Promise<unknown>[] = [store.set('a', 'x'.repeat(300_000)), store.set('b', 'y')];
      begun.push(store.get('a'), store.add('c', 'z'), store.setMany({ a: 'small' }), store.pop('a'), store.size());
      const closed = store.close();
      await Promise.all([...begun, closed, store.close()]);
      await expect(store.get('a')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
      await expect(store.set('a', 'x')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
      await expect(store.keys().next()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    });

    test('is whole, says what it is, and can be opened by what it says', async () => {
      const where = place();
      const store = await open<number>(where);
      await store.setMany({ a: 1, b: 2 });
      await store.flush();
      await store.compact();
      const findings: string[] = [];
      for await (const finding of store.verify()) findings.push(finding);
      expect(findings).toEqual([]);
      expect(await store.facts()).toMatchObject({ entries: 2, engine, name: where.name });
      const config = JSON.parse(JSON.stringify(store)) as StoreOptions;
      expect(config).toMatchObject({ name: where.name, engine, compression: false, base64: false });
      if (!outlives) return;
      await store.close();
      const again = await open<number>(where);
      expect(await again.toMap()).toEqual(
        new Map([
          ['a', 1],
          ['b', 2],
        ]),
      );
    });

    if (outlives) {
      test('is opened as it was made, or not at all', async () => {
        const where = place();
        const store = await open<unknown>({ ...where, compression: 'gzip', serializer: 'v8' });
        await store.set('a', { text: 'x'.repeat(1_000) });
        await store.close();
        for (const [option, value] of Object.entries({
          compression: 'brotli',
          serializer: 'json',
          base64: true,
          appendMode: true,
        })) {
          await expect(openStore({ ...where, [option]: value })).rejects.toMatchObject({
            code: 'INVALID_CONFIG',
            option,
          });
        }
        const again = await open<unknown>(where);
        expect(again.config).toMatchObject({ compression: 'gzip', serializer: 'v8' });
        expect(await again.get('a')).toEqual({ text: 'x'.repeat(1_000) });
      });
    }
  });
}
