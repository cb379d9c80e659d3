/** A near cache answers as the cache would, from whoever is asked, and nobody can tell but by the time it takes. */
import { type CacheOptions, type NearCacheConfig, openCache } from 'shardstash';
import { crashShard, manualClock } from 'shardstash/testing';
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, outcomeOf, pairs, sharedCache } from '../support/caches.ts';
import { clientThreadsOfOneTest } from '../support/client-thread.ts';
import { runNear } from '../support/near.ts';
import { Random, SEED } from '../support/random.ts';

const COPIES = ['decode', 'freeze', 'share'] as const;
const VALUE = { id: 1, tags: ['a', 'b'], deep: { list: [{ x: 1 }] } };

/** Three gets: the third is the first that is answered with what was kept. */
async function warm(cache: { get(key: string): Promise<unknown> }, key: string): Promise<unknown> {
  await cache.get(key);
  await cache.get(key);
  return cache.get(key);
}

describe.each(COPIES)("copy '%s'", (copy) => {
  const shared = sharedCache({ nearCache: { copy }, eviction: 'lru' });

  async function nearHits(): Promise<number> {
    return (await shared.cache.metrics()).nearHits;
  }

  test('the third read of a key is answered with what was kept, and is a hit like any other', async () => {
    const { cache } = shared;
    await cache.set('k', VALUE);
    expect(await warm(cache, 'k')).toEqual(VALUE);
    expect(cache.getSync('k')).toEqual(VALUE);
    expect(await cache.getOrSet('k', () => 'other')).toEqual(VALUE);
    expect(await cache.getOrThrow('k')).toEqual(VALUE);
    expect(await cache.metrics()).toMatchObject({ hits: 6, misses: 0, nearHits: 4 });
  });

  test.each([undefined, null, 0, -0, Number.NaN, '', false, 2n ** 70n])('keeps %s', async (value) => {
    const { cache } = shared;
    const key = `${typeof value} ${value}`;
    await cache.set(key, value);
    expect(await warm(cache, key)).toBe(value);
    expect(await nearHits()).toBeGreaterThan(0);
  });

  test('an overwrite, an increment, another ttl, a delete and a clear show in the next read', async () => {
    const { cache, clock } = shared;
    await cache.set('k', 1);
    expect(await warm(cache, 'k')).toBe(1);
    await cache.set('k', 2);
    expect(cache.getSync('k')).toBe(2);
    expect(await warm(cache, 'k')).toBe(2);
    await cache.increment('k', 5);
    expect(cache.getSync('k')).toBe(7);
    expect(await warm(cache, 'k')).toBe(7);
    await cache.expire('k', 100);
    expect(await warm(cache, 'k')).toBe(7);
    clock.advance(99);
    expect(cache.getSync('k')).toBe(7);
    clock.advance(1);
    expect(cache.getSync('k')).toBeUndefined();
    await cache.set('k', 3);
    expect(await warm(cache, 'k')).toBe(3);
    await cache.delete('k');
    expect(cache.getSync('k')).toBeUndefined();
    await cache.set('k', 4);
    expect(await warm(cache, 'k')).toBe(4);
    await cache.clear();
    expect(await cache.get('k')).toBeUndefined();
  });

  test('a write of its own shows at once, acknowledged or not', async () => {
    const { cache } = shared;
    await cache.set('k', 'old');
    await warm(cache, 'k');
    const written = cache.set('k', 'new');
    expect(cache.getSync('k')).toBe('new');
    expect(await cache.get('k')).toBe('new');
    await written;
    const deleted = cache.delete('k');
    expect(cache.getSync('k')).toBeUndefined();
    await deleted;
  });

  test('other writes to the stripe cost a look, and not what was kept', async () => {
    const { cache } = shared;
    await cache.set('k', VALUE);
    await warm(cache, 'k');
    const before = await nearHits();
    for (let i = 0; i < 20; i++) {
      await cache.setMany(pairs(2_000, `round ${i} `));
      expect(await cache.get('k')).toEqual(VALUE);
    }
    expect((await nearHits()) - before).toBe(20);
  });

  test('an entry that slides lives on with every read', async () => {
    const { cache, clock } = shared;
    await cache.set('k', 1, { ttl: 100, sliding: true });
    for (let i = 0; i < 10; i++) {
      clock.advance(60);
      expect(await cache.get('k')).toBe(1);
    }
    expect(await nearHits()).toBe(0);
    clock.advance(100);
    expect(await cache.get('k')).toBeUndefined();
  });

  test('a string and a number, and keys of other kinds, are told apart', async () => {
    const { cache } = shared;
    const keys = [1, '1', 1n, ['1'], true, null] as const;
    for (const [i, key] of keys.entries()) await cache.set(key, i);
    for (let round = 0; round < 4; round++) {
      expect(await Promise.all(keys.map((key) => cache.get(key)))).toEqual([0, 1, 2, 3, 4, 5]);
    }
    expect(await nearHits()).toBe(4);
  });

  test('a signal that was aborted rejects, whatever is kept', async () => {
    const { cache } = shared;
    await cache.set('k', 1);
    await warm(cache, 'k');
    await expect(cache.get('k', { signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
  });
});

describe('what a caller gets', () => {
  const open = cachesOfOneTest();

  test("'decode': a value of his own, that he may change", async () => {
    const cache = await open({ nearCache: true });
    await cache.set('k', VALUE);
    const values = [await warm(cache, 'k'), await cache.get('k'), cache.getSync('k')] as (typeof VALUE)[];
    (values[0] as typeof VALUE).deep.list.push({ x: 2 });
    expect(values.slice(1)).toEqual([VALUE, VALUE]);
    expect(await cache.get('k')).toEqual(VALUE);
    expect(new Set(values).size).toBe(3);
    expect((await cache.metrics()).nearHits).toBe(4);
  });

  test("'freeze': one frozen object for all; what cannot be frozen is copied", async () => {
    const cache = await open({ nearCache: { copy: 'freeze' } });
    await cache.setMany([
      ['k', VALUE],
      ['date', new Date(0)],
    ]);
    const value = (await warm(cache, 'k')) as typeof VALUE;
    expect(cache.getSync('k')).toBe(value);
    expect(() => value.deep.list.push({ x: 2 })).toThrow(TypeError);
    const date = await warm(cache, 'date');
    expect(await cache.get('date')).toEqual(date);
    expect(await cache.get('date')).not.toBe(date);
  });

  test("'share': one object for all, of any kind", async () => {
    const cache = await open({ nearCache: { copy: 'share' } });
    await cache.setMany([
      ['k', VALUE],
      ['map', new Map([[1, new Date(0)]])],
    ]);
    const value = (await warm(cache, 'k')) as typeof VALUE;
    expect(cache.getSync('k')).toBe(value);
    const map = await warm(cache, 'map');
    expect(map).toEqual(new Map([[1, new Date(0)]]));
    expect(await cache.getOrThrow('map')).toBe(map);
  });

  test('a serializer that reads the very key that is being decoded', async () => {
    const inner = { read: (): unknown => undefined };
    const cache = await open({
      nearCache: { copy: 'share' },
      serializer: {
        name: 'curious',
        binary: false,
        encode: String,
        decode: (text) => {
          const read = inner.read;
          inner.read = () => undefined;
          read();
          return text;
        },
      },
    });
    await cache.setMany([
      ['k', 'mine'],
      ['other', 'not mine'],
    ]);
    for (let i = 0; i < 6; i++) {
      inner.read = () => [cache.getSync('other'), cache.getSync('k')];
      expect(cache.getSync('k')).toBe('mine');
      inner.read = () => [cache.getSync('k'), cache.getSync('other')];
      expect(await cache.get('other')).toBe('not mine');
    }
  });
});

describe('the policy hears of every read', () => {
  const open = cachesOfOneTest();

  test.each(['lru', 'sieve', 'as3-fifo', 'lfu'] as const)(
    '%s: what only a near cache is asked for stays',
    async (eviction) => {
      const cache = await open({ shards: 1, maxEntries: 512, eviction, nearCache: true });
      for (let i = 0; i < 3; i++) {
        await cache.set('hot', 1);
        await warm(cache, 'hot');
      }
      for (let i = 0; i < 5_000; i++) {
        await cache.set(`cold ${i}`, i);
        if (i % 20 === 0) expect(cache.getSync('hot')).toBe(1);
      }
      const { nearHits, evictions } = await cache.metrics();
      expect(nearHits).toBeGreaterThan(240);
      expect(evictions).toBeGreaterThan(4_000);
    },
  );

  test('advice is given by these reads, too', async () => {
    // With this hash no two of the keys share a mark, where two that are read in turn keep each other out.
    const cache = await open({ shards: 1, advise: true, nearCache: true, seed: 1 });
    await cache.setMany(pairs(50));
    for (let i = 0; i < 30_000; i++) {
      cache.getSync(i % 2 === 0 ? 'k7' : `k${i % 50}`);
      if (i % 500 === 0) await cache.has('k7');
    }
    const { hotKeys } = await cache.advise();
    expect(hotKeys[0]?.key).toBe('k7');
    expect((await cache.metrics()).nearHits).toBeGreaterThan(29_000);
  });

  test('a ring without room: a getSync that cannot be told is counted, a get asks the owner', async () => {
    const cache = await open({ shards: 1, eviction: 'lru', nearCache: true });
    await cache.set('k', 1);
    await warm(cache, 'k');
    await cache.resetMetrics();
    for (let i = 0; i < 10_000; i++) cache.getSync('k');
    expect(await cache.get('k')).toBe(1);
    const { hits, droppedTouches } = await cache.metrics();
    expect(hits).toBe(10_001);
    expect(droppedTouches).toBeGreaterThan(5_000);
  });
});

describe('clients', () => {
  const open = cachesOfOneTest();
  const clientOf = clientThreadsOfOneTest();

  test("another thread's write is seen by the next read, and each client has what it asked for", async () => {
    const cache = await open({ nearCache: true });
    const other = await clientOf(cache);
    expect(await other.run((theirs) => theirs.config.nearCache)).toBe(false);
    for (let i = 0; i < 50; i++) {
      await other.run((theirs, value) => theirs.set('k', value), i);
      expect(cache.getSync('k')).toBe(i);
      expect(await warm(cache, 'k')).toBe(i);
    }
    expect(cache.config.nearCache).toMatchObject({ copy: 'decode' });
    expect((await cache.metrics()).nearHits).toBeGreaterThanOrEqual(50);
  });

  test('what is kept can be read while there is no owner, and the next one is heard of', async () => {
    const cache = await open({ shards: 1, nearCache: true });
    await cache.set('k', 1);
    await warm(cache, 'k');
    const died = crashShard(cache, 0);
    for (let i = 0; i < 100; i++) expect(cache.getSync('k')).toBe(1);
    await died;
    await cache.set('k', 2);
    expect(cache.getSync('k')).toBe(2);
  });

  test('closed is closed', async () => {
    const cache = await openCache({ nearCache: true });
    await cache.set('k', 1);
    await warm(cache, 'k');
    await cache.close();
    expect(() => cache.getSync('k')).toThrow(expect.objectContaining({ code: 'CACHE_CLOSED' }));
    expect(await outcomeOf(cache.get('k'))).toBe('CACHE_CLOSED');
  });

  test.each<CacheOptions['nearCache'] | string>([{ maxEntries: -1 }, 'yes'])('%o is refused', async (nearCache) => {
    const option = nearCache as NearCacheConfig;
    expect(await outcomeOf(openCache({ nearCache: option }))).toBe('INVALID_CONFIG');
  });
});

test.each(['decode', 'share'] as const)(
  "two writers, and owners that die: no read through '%s' is stale",
  async (copy) => {
    console.info(`near cache: SEED=${SEED}`);
    const { kept, writes, crashes, faults } = await runNear(100_000, { copy }, new Random(SEED));
    expect(faults).toEqual([]);
    expect(kept).toBeGreaterThan(10_000);
    expect(writes).toBeGreaterThan(2_000);
    expect(crashes).toBeGreaterThan(0);
  },
);

test('the time may be turned by hand', async () => {
  const clock = manualClock();
  const cache = await openCache({ clock, nearCache: { copy: 'share' }, ttl: '1m' });
  await cache.set('k', 1);
  await warm(cache, 'k');
  clock.advance('59s');
  expect(cache.getSync('k')).toBe(1);
  clock.advance('1s');
  expect(cache.getSync('k')).toBeUndefined();
  await cache.close();
});
