/** What may be a key, and which keys are one. */
import type { Cache, CacheKey } from 'shardstash';
import { describe, expect, test } from 'vitest';
import { READS, sharedCache } from '../support/caches.ts';

/** Each row is one key, written in several ways; no two rows are. */
const KEYS: CacheKey[][] = [
  ['1'],
  [1, 1.0],
  [1n],
  [true],
  [false],
  [null],
  [''],
  ['null'],
  [0, -0],
  [Number.NaN, 0 / 0],
  [Number.POSITIVE_INFINITY],
  [new Date(1), new Date(1)],
  [[], []],
  [[1], [1]],
  [['1']],
  [[1n]],
  [[[1]]],
  [{}, {}],
  [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
  ],
  [{ a: 1 }],
  [{ a: 1, b: undefined }],
  [[undefined]],
  [[null]],
  [
    { a: { c: [1], b: new Date(2) }, d: 3n },
    { d: 3n, a: { b: new Date(2), c: [1] } },
  ],
  [new Set([1, 2]), new Set([2, 1])],
  [new Set(['1', 2])],
  [
    new Map<CacheKey, CacheKey>([
      ['a', 1],
      [2, 'b'],
    ]),
    new Map<CacheKey, CacheKey>([
      [2, 'b'],
      ['a', 1],
    ]),
  ],
  [new Uint8Array([1, 2]), Buffer.from([1, 2])],
  [Buffer.from([1])],
  [
    [0, -0],
    [-0, 0],
  ],
  [2n ** 200n],
  [-(2n ** 200n)],
  ['\u00e9'],
  ['e\u0301'],
  ['\u0000'],
  ['a\u0000'],
  ['\u7f13\u5b58'],
  ['\u{1f600}'],
  ['x'.repeat(65_535)],
];

const cyclic: unknown[] = [];
cyclic.push(cyclic);

const REFUSED: [string, unknown][] = [
  ['undefined', undefined],
  ['an error', new Error('e')],
  ['a function', () => {}],
  ['an array with holes', new Array(2)],
  ['a symbol', Symbol('s')],
  ['half a surrogate pair', '\ud800'],
  ['text that ends in half a surrogate pair', 'a\udc00'],
  ['65,536 characters', 'x'.repeat(65_536)],
  ['32,768 wide characters', '\u7f13'.repeat(32_768)],
  ['an instance of a class', new (class Point {})()],
  ['a class instance inside', { a: [new (class Point {})()] }],
  ['a cycle', cyclic],
  ['an invalid date', new Date(Number.NaN)],
  ['a float array', new Float64Array(2)],
  ['a regular expression', /a/],
];

describe.each(READS)('reads: %s', (reads) => {
  const shared = sharedCache({ reads });

  test('keys are one if they are equal by structure, and else are not', async () => {
    const { cache } = shared;
    await cache.setMany(KEYS.map(([first], i) => [first as CacheKey, i] as const));
    expect(await cache.size()).toBe(KEYS.length);
    for (const [i, row] of KEYS.entries()) {
      for (const key of row) {
        expect({ key, get: await cache.get(key), sync: cache.getSync(key) }).toEqual({ key, get: i, sync: i });
        expect(await cache.has(key)).toBe(true);
        expect((await cache.getMany([key])).get(key)).toBe(i);
      }
    }
    for (const [i, row] of KEYS.entries()) {
      expect(await cache.pop(row.at(-1) as CacheKey)).toBe(i);
    }
    expect(await cache.size()).toBe(0);
  });

  test('getMany answers under the very keys that it was given', async () => {
    const { cache } = shared;
    const key = { user: 1 };
    await cache.set({ user: 1 }, 'v');
    const found = await cache.getMany([key, { user: 2 }]);
    expect(found.get(key)).toBe('v');
    expect(found.size).toBe(1);
  });

  test('a key that is changed after the call was the key that it was', async () => {
    const { cache } = shared;
    const key: number[] = [1];
    const calls = [cache.set(key, 'v'), cache.get(key), cache.increment([...key, 9])];
    key.push(2);
    expect(await Promise.all(calls)).toEqual([undefined, 'v', 1]);
    expect([await cache.get([1]), await cache.get([1, 2])]).toEqual(['v', undefined]);
  });

  test.each(REFUSED)('%s is refused as a key by every method, and stores nothing', async (_what, given) => {
    const { cache } = shared;
    const bad = given as string;
    const calls: ((cache: Cache) => Promise<unknown>)[] = [
      (c) => c.get(bad),
      (c) => c.set(bad, 1),
      (c) => c.delete(bad),
      (c) => c.has(bad),
      (c) => c.peek(bad),
      (c) => c.getMany(['fine', bad]),
      (c) => c.setMany([[bad, 1]]),
      (c) => c.setMany([['fine', 1] as const, [bad, 1] as const]),
      (c) => c.deleteMany([bad]),
      (c) => c.getOrThrow(bad),
      (c) => c.lookup(bad),
      (c) => c.add(bad, 1),
      (c) => c.update(bad, 1),
      (c) => c.pop(bad),
      (c) => c.increment(bad),
      (c) => c.expire(bad, 1),
      (c) => c.ttl(bad),
      (c) => c.touch(bad),
      (c) => c.getOrSet(bad, () => 1),
    ];
    for (const outcome of await Promise.allSettled(calls.map((call) => call(cache)))) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_KEY' } });
      expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(TypeError);
    }
    expect(() => cache.getSync(bad)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }));
    expect(await cache.size()).toBe(0);
  });
});
