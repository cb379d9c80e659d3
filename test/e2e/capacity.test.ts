/** How much a cache holds, and what leaves when it is full. */
import { type Cache, type CacheOptions, openCache } from 'shardstash';
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, outcomeOf, pairs, READS } from '../support/caches.ts';
import { SEED, seededRandom } from '../support/random.ts';
import { withThreads } from '../support/threads.ts';

describe.each(READS)('reads: %s', (reads) => {
  const make = cachesOfOneTest();

  describe('the bounds', () => {
    test('of entries hold at every acknowledgement, awaited one by one or not', async () => {
      const cache = await make({ reads, maxEntries: 100 });
      for (let i = 0; i < 300; i++) {
        await cache.set(`k${i}`, i);
        if (i % 10 === 0) expect(await cache.size()).toBeLessThanOrEqual(100);
      }
      await Promise.all(
        pairs(3_000, 'many').map(async ([key, value]) => {
          await cache.set(key, value);
          if (value % 100 === 0) expect(await cache.size()).toBeLessThanOrEqual(100);
        }),
      );
      const metrics = await cache.metrics();
      expect(metrics.peakTotalKeys).toBeLessThanOrEqual(100);
      expect(metrics.evictions).toBe(3_300 - metrics.currentTotalKeys);
    });

    test('of bytes hold at every acknowledgement, whatever the sizes of values', async () => {
      const maxBytes = 256 * 1024;
      const cache = await make({ reads, maxBytes });
      const random = seededRandom('bytes within bounds');
      for (let i = 0; i < 400; i++) {
        const key = `k${random.below(80)}`;
        const call = random.oneIn(6)
          ? cache.getOrSet(key, () => Buffer.alloc(random.below(9_000)))
          : cache.set(key, Buffer.alloc(random.logUniform(1, 40_000)), random.oneIn(3) ? { ttl: '1h' } : {});
        await call;
        const { memoryBytes, payloadBytes } = await cache.metrics();
        expect({ SEED, i, isWithin: memoryBytes <= maxBytes && payloadBytes <= memoryBytes }).toMatchObject({
          isWithin: true,
        });
      }
      expect((await cache.metrics()).evictions).toBeGreaterThan(0);
    });

    test('of a single entry and of one byte are bounds like any other', async () => {
      const one = await make({ reads, shards: 1, maxEntries: 1 });
      await one.setMany(pairs(10));
      expect(await one.toMap()).toEqual(new Map([['k9', 9]]));
      for (const shards of [1, 2]) {
        const none = await make({ reads, shards, maxBytes: 1 });
        expect(await outcomeOf(none.set('k', 1))).toBe('VALUE_TOO_LARGE');
        expect(await none.getOrSet('k', () => 1)).toBe(1);
        expect(await none.size()).toBe(0);
      }
    });

    test('are shared by the shards: 10 entries on 3 shards are 4, 3 and 3', async () => {
      const cache = await make({ reads, shards: 3, maxEntries: 10, eviction: 'fifo' });
      await cache.setMany(pairs(1_000));
      const { perShard, currentTotalKeys } = await cache.metrics();
      expect(perShard.map(({ shard, currentTotalKeys: keys }) => [shard, keys])).toEqual([
        [0, 4],
        [1, 3],
        [2, 3],
      ]);
      expect(currentTotalKeys).toBe(10);
    });
  });

  test('a value larger than its shard is refused, and nothing leaves for it', async () => {
    const cache = await make({ reads, maxBytes: '256kb' });
    await cache.setMany(pairs(100));
    await cache.set('big', 'small');
    for (const size of [129_000, 1_000_000]) {
      const value = Buffer.alloc(size);
      const refused = { name: 'CacheError', code: 'VALUE_TOO_LARGE', key: 'big' };
      await expect(cache.set('big', value)).rejects.toMatchObject(refused);
      await expect(cache.update('big', value)).rejects.toMatchObject(refused);
      await expect(cache.setMany({ big: value })).rejects.toMatchObject(refused);
      await expect(cache.add('new', value)).rejects.toMatchObject({ ...refused, key: 'new' });
    }
    expect(await cache.size()).toBe(101);
    expect([await cache.get('big'), cache.getSync('big')]).toEqual(['small', 'small']);
    await cache.set('big', Buffer.alloc(100_000));
    expect(await cache.get('big')).toHaveLength(100_000);
  });

  describe('LRU', () => {
    const uses: [string, (cache: Cache) => unknown][] = [
      ['get', (c) => c.get('a')],
      ['getSync', (c) => c.getSync('a')],
      ['getOrThrow', (c) => c.getOrThrow('a')],
      ['lookup', (c) => c.lookup('a')],
      ['touch', (c) => c.touch('a')],
      ['getMany', (c) => c.getMany(['a'])],
      ['getOrSet', (c) => c.getOrSet('a', () => 'no')],
      ['set', (c) => c.set('a', 'again')],
      ['update', (c) => c.update('a', 'again')],
      ['setMany', (c) => c.setMany({ a: 'again' })],
      ['expire', (c) => c.expire('a', '1h')],
    ];
    const looks: [string, (cache: Cache) => unknown][] = [
      ['peek', (c) => c.peek('a')],
      ['has', (c) => c.has('a')],
      ['ttl', (c) => c.ttl('a')],
      ['size', (c) => c.size()],
      ['toMap', (c) => c.toMap()],
      ['metrics', (c) => c.metrics()],
      ['a failed add', (c) => outcomeOf(c.add('a', 'no'))],
    ];

    test.each([...uses.map((use) => [...use, true] as const), ...looks.map((look) => [...look, false] as const)])(
      '%s: does it keep an entry?',
      async (_name, act, keeps) => {
        const cache = await make({ reads, shards: 1, maxEntries: 2, eviction: 'lru' });
        await cache.set('a', 'a');
        await cache.set('b', 'b');
        await act(cache);
        await cache.set('c', 'c');
        expect([await cache.has('a'), await cache.has('b')]).toEqual([keeps, !keeps]);
      },
    );
  });

  test('FIFO keeps what came last, whatever was read or overwritten', async () => {
    const cache = await make({ reads, shards: 1, maxEntries: 2, eviction: 'fifo' });
    await cache.set('a', 1);
    await cache.set('b', 1);
    await cache.set('a', 2);
    await cache.get('a');
    await cache.set('c', 1);
    expect([await cache.has('a'), await cache.has('b')]).toEqual([false, true]);
  });

  test('SIEVE keeps what was used since its hand came by', async () => {
    const cache = await make({ reads, shards: 1, maxEntries: 3, eviction: 'sieve' });
    for (const key of ['a', 'b', 'c']) await cache.set(key, key);
    await cache.get('a');
    expect(cache.getSync('b')).toBe('b');
    await cache.has('c');
    await cache.peek('c');
    await cache.set('d', 'd');
    expect([await cache.has('a'), await cache.has('b'), await cache.has('c')]).toEqual([true, true, false]);
    cache.getSync('a');
    await cache.set('e', 'e');
    expect([...(await cache.getMany(['a', 'b', 'd', 'e'])).keys()]).toEqual(['a', 'd', 'e']);
  });

  describe('random', () => {
    async function survivors(options: CacheOptions): Promise<unknown[]> {
      const cache = await make({ reads, shards: 1, maxEntries: 50, eviction: 'random', ...options });
      for (const [key, value] of pairs(500)) await cache.set(key, value);
      const keys: unknown[] = [];
      for await (const key of cache.keys()) keys.push(key);
      return keys;
    }

    test('with the same seed has the same victims, and lists them in the same order', async () => {
      const [first, second, other] = [
        await survivors({ seed: 7 }),
        await survivors({ seed: 7 }),
        await survivors({ seed: 8 }),
      ];
      expect(first).toHaveLength(50);
      expect(second).toEqual(first);
      expect(new Set(other)).not.toEqual(new Set(first));
    });

    test('without one has others every time', async () => {
      expect(new Set(await survivors({}))).not.toEqual(new Set(await survivors({})));
    });
  });

  describe("a full cache with eviction 'none'", () => {
    test('refuses new keys with CACHE_FULL and keeps the old', async () => {
      const cache = await make({ reads, shards: 1, maxBytes: '1mb', maxEntries: 2, eviction: 'none' });
      await cache.set('a', 1);
      await cache.set('b', 1);
      const full = { name: 'CacheError', code: 'CACHE_FULL', key: 'c', shard: 0 };
      await expect(cache.set('c', 1)).rejects.toMatchObject(full);
      await expect(cache.add('c', 1)).rejects.toMatchObject(full);
      await expect(cache.increment('c')).rejects.toMatchObject(full);
      await expect(cache.setMany({ c: 1 })).rejects.toMatchObject(full);
      await cache.set('a', Buffer.alloc(900_000));
      await expect(cache.set('b', Buffer.alloc(900_000))).rejects.toMatchObject({ code: 'CACHE_FULL', key: 'b' });
      expect([await cache.get('b'), cache.getSync('b'), await cache.has('c')]).toEqual([1, 1, false]);
      expect(await cache.increment('b')).toBe(2);
      await cache.delete('a');
      await cache.set('c', 1);
      expect(await cache.metrics()).toMatchObject({ evictions: 0, currentTotalKeys: 2, failedOps: 5 });
    });

    test('takes a new key again after pop, popItem and clear', async () => {
      const cache = await make({ reads, shards: 1, maxEntries: 1, eviction: 'none' });
      for (const free of [() => cache.pop('a'), () => cache.popItem(), () => cache.clear()]) {
        await cache.set('a', 1);
        expect(await outcomeOf(cache.set('b', 1))).toBe('CACHE_FULL');
        await free();
        await cache.set('b', 1);
        await cache.clear();
      }
    });
  });

  test.each(['lru', 'fifo', 'random', 'sieve', 'none'] as const)(
    'with %s a full cache that is cleared fills up again, and an overwrite evicts nobody',
    async (eviction) => {
      const cache = await make({ reads, shards: 1, maxEntries: 3, eviction });
      await cache.setMany(pairs(3));
      await cache.get('k0');
      expect(await cache.clear()).toBe(3);
      await cache.setMany(pairs(3, 'new'));
      for (let i = 0; i < 50; i++) await cache.set('new0', i);
      expect(await cache.metrics()).toMatchObject({ evictions: 0, currentTotalKeys: 3 });
      if (eviction !== 'none') {
        await cache.set('one more', 1);
        expect(await cache.metrics()).toMatchObject({ evictions: 1, currentTotalKeys: 3 });
      }
    },
  );
});

test('each shard lives in a thread of its own, one shard in one, too', async () => {
  const make = async (shards: number) => {
    const { result, threads } = await withThreads(() => openCache({ shards }));
    const ids = threads.map(({ threadId }) => threadId);
    await result.close();
    return ids;
  };
  const three = await make(3);
  expect(new Set(three).size).toBe(3);
  expect(three).not.toContain(0);
  expect(await make(1)).toHaveLength(1);
});
