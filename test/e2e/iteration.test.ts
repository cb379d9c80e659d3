/** Going through all entries, while they stay and while they come and go. */
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, isInMemory, isOverTier, pairs, READS, sharedCache } from '../support/caches.ts';
import { difference } from '../support/strict-equal.ts';

const BY_ITS_OWN_CLOCK = isOverTier('its server lets entries expire by its own clock, and tells', 'redis');

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function expectNoDuplicates(keys: readonly unknown[]): void {
  expect(new Set(keys).size).toBe(keys.length);
}

describe.each(READS)('reads: %s', (reads) => {
  const shared = sharedCache({ reads });

  test('keys, values, entries, the cache itself and toMap agree', async () => {
    const { cache } = shared;
    const expected = new Map(pairs(3_000));
    await cache.setMany(expected);
    expect(new Map(await collect(cache.entries()))).toEqual(expected);
    expect(new Map(await collect(cache as AsyncIterable<[string, number]>))).toEqual(expected);
    expect(await cache.toMap()).toEqual(expected);
    expect(new Set(await collect(cache.keys()))).toEqual(new Set(expected.keys()));
    expect((await collect(cache.values())).sort((a, b) => Number(a) - Number(b))).toEqual([...expected.values()]);
    expectNoDuplicates(await collect(cache.keys()));
  });

  test('an empty cache yields nothing', async () => {
    const { cache } = shared;
    expect(await collect(cache.keys())).toEqual([]);
    expect(await collect(cache.values())).toEqual([]);
    expect(await collect(cache)).toEqual([]);
    expect(await cache.toMap()).toEqual(new Map());
  });

  test.skipIf(BY_ITS_OWN_CLOCK)('what has expired is left out, swept or not', async () => {
    const { cache, clock } = shared;
    await cache.setMany(pairs(500, 'short'), { ttl: 10 });
    await cache.setMany(pairs(500, 'long'), { ttl: 1_000 });
    clock.advance(10);
    expect(await cache.toMap()).toEqual(new Map(pairs(500, 'long')));
    expect(await collect(cache.keys())).toHaveLength(500);
  });

  test.skipIf(BY_ITS_OWN_CLOCK)(
    'what expires while a page is being read is left out, unless somebody has kept it alive',
    async () => {
      const { cache, clock } = shared;
      await cache.setMany(pairs(100, 'short'), { ttl: 10 });
      await cache.setMany(pairs(100, 'sliding'), { ttl: 10, sliding: true });
      const entries = cache.entries();
      const keys = cache.keys();
      await entries.next();
      await keys.next();
      clock.advance(5);
      await cache.getMany(pairs(100, 'sliding').map(([key]) => key));
      clock.advance(5);
      const left = [...(await collect(entries)).map(([key]) => key), ...(await collect(keys))] as string[];
      expect(left.filter((key) => key.startsWith('short'))).toEqual([]);
      expect(left.filter((key) => key.startsWith('sliding')).length).toBeGreaterThanOrEqual(2 * 99);
    },
  );

  test('ten thousand keys of which half are deleted meanwhile: no key twice, and those that stay once', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(10_000));
    const seen: string[] = [];
    for await (const key of cache.keys({ pageSize: 100 })) {
      seen.push(key as string);
      const number = Number((key as string).slice(1));
      if (seen.length % 2 === 0) void cache.delete(`k${number % 2 === 1 ? number : number + 1}`);
    }
    expectNoDuplicates(seen);
    const even = pairs(10_000).filter(([, number]) => number % 2 === 0);
    expect(even.filter(([key]) => !seen.includes(key))).toEqual([]);
  });

  test('every entry may be deleted as it comes, and each comes once', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(3_000));
    const seen = new Map<unknown, unknown>();
    for await (const [key, value] of cache.entries({ pageSize: 50 })) {
      expect(seen.has(key)).toBe(false);
      seen.set(key, value);
      expect(await cache.delete(key)).toBe(true);
    }
    expect(seen).toEqual(new Map(pairs(3_000)));
    expect(await cache.size()).toBe(0);
  });

  test('the table may grow thirtyfold meanwhile: what was there before comes exactly once', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(2_000));
    const seen: string[] = [];
    let added = 0;
    for await (const key of cache.keys({ pageSize: 64 })) {
      seen.push(key as string);
      if (seen.length % 50 === 0 && added < 60_000) {
        await cache.setMany(Array.from({ length: 2_000 }, () => [`new${added++}`, 0] as const));
      }
    }
    expectNoDuplicates(seen);
    const there = new Set(seen);
    expect(pairs(2_000).filter(([key]) => !there.has(key))).toEqual([]);
    expect(await cache.size()).toBe(62_000);
  });

  test('overwrites meanwhile bring no key twice', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(2_000));
    const seen: unknown[] = [];
    for await (const key of cache.keys({ pageSize: 10 })) {
      seen.push(key);
      void cache.set(key, 'x'.repeat(seen.length % 200));
    }
    expectNoDuplicates(seen);
    expect(seen).toHaveLength(2_000);
  });

  test('clear ends it soon, without an error', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(5_000));
    const seen: unknown[] = [];
    for await (const key of cache.keys({ pageSize: 10 })) {
      seen.push(key);
      if (seen.length === 20) await cache.clear();
    }
    expectNoDuplicates(seen);
    expect(seen.length).toBeGreaterThanOrEqual(20);
    // A bucket is never cut, so that a page may be a little longer than asked for.
    expect(seen.length).toBeLessThan(100);
  });

  test('two walks at once, and calls between, do not disturb each other', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(2_000));
    const one = cache.keys({ pageSize: 7 });
    const other = cache.entries({ pageSize: 11 });
    const keys: unknown[] = [];
    const entries: (readonly [unknown, unknown])[] = [];
    for (let isDone = false; !isDone; ) {
      const [key, , entry] = await Promise.all([one.next(), cache.get('k5'), other.next()]);
      if (!key.done) keys.push(key.value);
      if (!entry.done) entries.push(entry.value);
      isDone = key.done === true && entry.done === true;
    }
    expect(new Set(keys)).toEqual(new Set(pairs(2_000).map(([key]) => key)));
    expect(new Map(entries)).toEqual(new Map(pairs(2_000)));
    expect([keys.length, entries.length]).toEqual([2_000, 2_000]);
  });

  test('a loop may be left early, and a new one begins at the beginning', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(1_000));
    const first: unknown[] = [];
    for await (const key of cache.keys({ pageSize: 10 })) {
      first.push(key);
      if (first.length === 15) break;
    }
    expect((await collect(cache.keys({ pageSize: 10 }))).slice(0, 15)).toEqual(first);
    const walk = cache.entries();
    await walk.next();
    expect(await walk.return()).toEqual({ done: true, value: undefined });
    expect(await walk.next()).toEqual({ done: true, value: undefined });
  });

  test.each([1, 2, 1_024, 65_536])('pages of %i bring everything', async (pageSize) => {
    const { cache } = shared;
    await cache.setMany(pairs(1_500));
    expect(await cache.toMap({ pageSize })).toEqual(new Map(pairs(1_500)));
  });

  test('a page is one message for each shard', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(1_000));
    const before = (await cache.metrics()).calls;
    await collect(cache.keys());
    expect((await cache.metrics()).calls - before - 2).toBe(2);
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 65_537, '10'])(
    'a pageSize of %o is refused',
    async (given) => {
      const { cache } = shared;
      const pageSize = given as number;
      const invalid = { name: 'TypeError', code: 'INVALID_CONFIG', option: 'pageSize' };
      await expect(cache.keys({ pageSize }).next()).rejects.toMatchObject(invalid);
      await expect(cache.values({ pageSize }).next()).rejects.toMatchObject(invalid);
      await expect(cache.entries({ pageSize }).next()).rejects.toMatchObject(invalid);
      await expect(cache.toMap({ pageSize })).rejects.toMatchObject(invalid);
    },
  );

  test('values of more than a mebibyte come whole, between small ones', async () => {
    const { cache } = shared;
    const sizes = [1, 1_048_576, 1_048_577, 3_000_000, 10, 5_000_001, 0];
    await cache.setMany(sizes.map((size, i) => [`k${i}`, Buffer.alloc(size, i)] as const));
    const map = await cache.toMap();
    for (const [i, size] of sizes.entries()) {
      expect(Buffer.alloc(size, i).equals(map.get(`k${i}`) as Buffer)).toBe(true);
    }
    expect(await collect(cache.keys())).toHaveLength(sizes.length);
  });

  test('a large value that is deleted before its turn is left out', async () => {
    const { cache } = shared;
    const keys = pairs(6).map(([key]) => key);
    await cache.setMany(keys.map((key) => [key, Buffer.alloc(1_100_000)] as const));
    const seen: unknown[] = [];
    for await (const [key] of cache) {
      seen.push(key);
      if (seen.length === 1) await cache.deleteMany(keys.filter((each) => each !== key));
    }
    expect(seen).toHaveLength(1);
  });

  test('keys of every kind come back equal', async () => {
    const { cache } = shared;
    const keys = [
      '',
      'text',
      '\u{1f600}',
      0,
      -1.5,
      Number.NaN,
      5n,
      -(2n ** 100n),
      true,
      null,
      new Date(5),
      [1, [2, null, undefined]],
      { a: 1, b: { c: [new Date(1)] } },
      new Map([['x', 1n]]),
      new Set([1, 'a']),
    ];
    await cache.setMany(keys.map((key, i) => [key, i] as const));
    const found = await collect(cache.entries());
    expect(found).toHaveLength(keys.length);
    for (const [key, index] of found) {
      expect(difference(key, keys[index as number])).toBeUndefined();
      expect(await cache.get(key)).toBe(index);
    }
    await cache.clear();
    await cache.set(new Uint8Array([1, 2, 3]), 'bytes');
    const [[bytes] = []] = await collect(cache);
    expect(Buffer.from(bytes as Uint8Array)).toEqual(Buffer.from([1, 2, 3]));
  });

  test('a key that comes is the caller’s to change', async () => {
    const { cache } = shared;
    await cache.setMany(Array.from({ length: 50 }, (_, i) => [Buffer.alloc(20, i), i] as const));
    const seen: unknown[] = [];
    for await (const [key, value] of cache) {
      expect((key as Uint8Array).every((byte) => byte === value)).toBe(true);
      (key as Uint8Array).fill(0xff);
      seen.push(value);
    }
    expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(await cache.get(Buffer.alloc(20, 3))).toBe(3);
  });

  test('counts nothing and warms nothing', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(100));
    await collect(cache);
    await collect(cache.keys());
    await cache.toMap();
    expect(await cache.metrics()).toMatchObject({ gets: 0, hits: 0, misses: 0 });
  });

  test('unawaited writes before it are in it', async () => {
    const { cache } = shared;
    void cache.setMany(pairs(100));
    void cache.delete('k5');
    const keys = await collect(cache.keys());
    expect(keys).toHaveLength(99);
    expect(keys).not.toContain('k5');
  });

  test('an aborted signal ends it with its reason', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(100));
    const controller = new AbortController();
    const walk = cache.keys({ pageSize: 1, signal: controller.signal });
    await walk.next();
    controller.abort('enough');
    const rest = (async () => {
      for await (const _ of walk);
    })();
    await expect(rest).rejects.toBe('enough');
  });
});

describe.each(READS)('reads: %s', (reads) => {
  const make = cachesOfOneTest();

  test('a walk does not keep an LRU’s entries warm', async () => {
    const cache = await make({ reads, shards: 1, maxEntries: 3, eviction: 'lru' });
    await cache.setMany(pairs(3));
    await cache.get('k0');
    await cache.toMap();
    await cache.set('new', 1);
    expect(['k0', 'k1', 'k2'].map((key) => isInMemory(cache, key))).toEqual([true, false, true]);
  });

  test('a walk of a cache that is closed meanwhile rejects with CACHE_CLOSED', async () => {
    const cache = await make({ reads });
    await cache.setMany(pairs(100));
    const walk = cache.keys({ pageSize: 1 });
    await walk.next();
    await cache.close();
    const rest = (async () => {
      for await (const _ of walk);
    })();
    await expect(rest).rejects.toMatchObject({ code: 'CACHE_CLOSED' });
  });
});
