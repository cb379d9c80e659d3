/** Counters: numbers that the shard adds to, so that nothing comes between. */
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, isInMemory, READS, sharedCache } from '../support/caches.ts';

/** Keeps numbers in a form of its own, which no shard can count in. */
const custom = {
  name: 'decimal',
  binary: false,
  encode: (value: unknown) => String(value),
  decode: (text: string) => Number(text),
} as const;

describe.each(READS)('reads: %s', (reads) => {
  const shared = sharedCache({ reads });

  test('begins at 0, or at `initial`, and returns the sum', async () => {
    const { cache } = shared;
    expect(await cache.increment('a')).toBe(1);
    expect(await cache.increment('a')).toBe(2);
    expect(await cache.increment('a', 40)).toBe(42);
    expect(await cache.increment('b', 5, { initial: 100 })).toBe(105);
    expect(await cache.increment('b', 5, { initial: 100 })).toBe(110);
    expect(await cache.increment('c', -3)).toBe(-3);
    expect(await cache.increment('d', 0)).toBe(0);
    expect(await cache.increment('e', 0.5, { initial: -0.25 })).toBe(0.25);
    expect([await cache.get('a'), cache.getSync('b'), await cache.peek('c')]).toEqual([42, 110, -3]);
  });

  test('adds to a number that was set, and the sum is a number like any other', async () => {
    const { cache } = shared;
    await cache.set('k', 1.5);
    expect(await cache.increment('k', 2)).toBe(3.5);
    expect(await cache.pop('k')).toBe(3.5);
    await cache.setMany({ k: Number.MAX_SAFE_INTEGER - 1 });
    expect(await cache.increment('k')).toBe(Number.MAX_SAFE_INTEGER);
    await cache.update('k', 7);
    expect(await cache.increment('k', -7)).toBe(0);
    expect(Object.is(await cache.get('k'), 0)).toBe(true);
    expect((await cache.toMap()).get('k')).toBe(0);
    expect(await cache.getOrSet('k', () => 'not needed')).toBe(0);
  });

  test('ten thousand at once lose none, and each has its own sum', async () => {
    const { cache } = shared;
    const sums = await Promise.all(Array.from({ length: 10_000 }, () => cache.increment('k')));
    expect(sums.sort((a, b) => a - b)).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1));
    expect(await cache.get('k')).toBe(10_000);
  });

  test('an entry that is there keeps its ttl; one that is born has the one given, or the cache’s', async () => {
    const { cache, clock } = shared;
    await cache.increment('born', 1, { ttl: 1_000 });
    await cache.increment('for ever');
    clock.advance(400);
    await cache.increment('born', 1, { ttl: 9_000 });
    await cache.increment('for ever', 1, { ttl: 9_000 });
    expect(await cache.ttl('born')).toBe(600);
    expect(await cache.ttl('for ever')).toBe(Number.POSITIVE_INFINITY);
    clock.advance(600);
    expect(await cache.get('born')).toBeUndefined();
    expect(await cache.increment('born', 1, { initial: 10, ttl: 500 })).toBe(11);
    expect(await cache.ttl('born')).toBe(500);
  });

  test('one that slides goes on sliding', async () => {
    const { cache, clock } = shared;
    await cache.increment('k', 1, { ttl: 100, sliding: true });
    clock.advance(90);
    await cache.get('k');
    clock.advance(90);
    expect(await cache.increment('k')).toBe(2);
    expect(await cache.get('k')).toBe(2);
  });

  test.each([
    ['a text', '5'],
    ['null', null],
    ['undefined', undefined],
    ['a bigint', 5n],
    ['true', true],
    ['eight bytes', Buffer.alloc(8)],
    ['an array', [5]],
    ['an object', { n: 5 }],
  ])('%s is no number: SERIALIZATION_ERROR, and the value is unharmed', async (_what, value) => {
    const { cache } = shared;
    await cache.set('k', value, { ttl: 1_000 });
    await expect(cache.increment('k')).rejects.toMatchObject({
      name: 'TypeError',
      code: 'SERIALIZATION_ERROR',
      key: 'k',
    });
    expect(await cache.get('k')).toEqual(value);
    expect(await cache.ttl('k')).toBe(1_000);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, '5', 5n, null, {}, [1]])(
    'to add %o, or to begin with it, is refused, and nothing happens',
    async (given) => {
      const { cache } = shared;
      const bad = given as number;
      await expect(cache.increment('k', bad)).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'by' });
      expect(await cache.has('k')).toBe(false);
      if (bad !== null) {
        const call = cache.increment('k', 1, { initial: bad });
        await expect(call).rejects.toMatchObject({ name: 'TypeError', code: 'INVALID_CONFIG', option: 'initial' });
      }
      await cache.set('k', 1);
      await expect(cache.increment('k', bad)).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
      expect(await cache.get('k')).toBe(1);
    },
  );

  test('a reader between the sums never sees anything but a sum', async () => {
    const { cache } = shared;
    const calls = Array.from({ length: 2_000 }, () => cache.increment('k', 3));
    const all = Promise.all(calls).then(() => true);
    let last = 0;
    for (let isDone = false; !isDone; ) {
      isDone = await Promise.race([all, new Promise<false>((resolve) => setImmediate(() => resolve(false)))]);
      const seen = (cache.getSync('k') ?? 0) as number;
      expect(seen % 3).toBe(0);
      expect(seen).toBeGreaterThanOrEqual(last);
      last = seen;
    }
    expect(await cache.get('k')).toBe(6_000);
  });
});

describe.each(READS)('reads: %s', (reads) => {
  const make = cachesOfOneTest();

  test.each(['msgpack', 'json', 'v8'] as const)(
    'with the serializer %s numbers that were set can be counted',
    async (serializer) => {
      const cache = await make({ reads, shards: 1, serializer });
      await cache.set('set', 5);
      expect(await cache.increment('set')).toBe(6);
      expect(await cache.increment('born', 2, { initial: 10 })).toBe(12);
      expect([await cache.get('set'), cache.getSync('born')]).toEqual([6, 12]);
      await cache.set('text', '5');
      await expect(cache.increment('text')).rejects.toMatchObject({ code: 'SERIALIZATION_ERROR' });
      expect(await cache.get('text')).toBe('5');
    },
  );

  test.each([['raw', 'raw'] as const, ['of one’s own', custom] as const])(
    'with a serializer %s counters that increment began can be counted, values that were set cannot',
    async (_name, serializer) => {
      const cache = await make({ reads, shards: 1, serializer });
      expect(await cache.increment('born', 2, { initial: 10 })).toBe(12);
      expect(await cache.increment('born')).toBe(13);
      expect([await cache.get('born'), cache.getSync('born'), (await cache.toMap()).get('born')]).toEqual([13, 13, 13]);
      const value = serializer === 'raw' ? Buffer.alloc(8) : 5;
      await cache.set('set', value);
      await expect(cache.increment('set')).rejects.toMatchObject({ code: 'SERIALIZATION_ERROR', key: 'set' });
      expect(await cache.get('set')).toEqual(value);
    },
  );

  test('an LRU takes it for use', async () => {
    const cache = await make({ reads, shards: 1, maxEntries: 2, eviction: 'lru' });
    await cache.increment('a');
    await cache.increment('b');
    await cache.increment('a');
    await cache.increment('c');
    expect(['a', 'b', 'c'].map((key) => isInMemory(cache, key))).toEqual([true, false, true]);
  });
});
