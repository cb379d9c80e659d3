import { describe, expect, test } from 'vitest';
import { combineAdvice, noAdvice } from '../../src/main/advice.ts';
import type { Difference, ShardAdvice } from '../../src/protocol/advice.ts';

const CACHE = { maxEntries: 1_000, maxBytes: 4_000_000, eviction: 'lru' };

function by(hits: number, variance = 0): Difference {
  return { hits, variance };
}

function shardOf(over: Partial<ShardAdvice> = {}): ShardAdvice {
  return {
    requests: 10_000,
    hits: 5_000,
    sampleRate: 1,
    followed: 10_000,
    miniatureEntries: 500,
    sizes: [by(-1_000), by(0), by(50), by(80)],
    policies: [],
    drift: 0,
    looked: 100,
    hotKeys: [],
    ...over,
  };
}

function said(over: Partial<ShardAdvice>): string {
  return combineAdvice([shardOf(over)], CACHE).recommendation;
}

describe('what shards say, put together', () => {
  test('differences and variances add up; bounds are those of the whole cache', () => {
    const advice = combineAdvice(
      [
        shardOf({ sizes: [by(-1_000, 900), by(0), by(500), by(600)], drift: 60 }),
        shardOf({ requests: 30_000, hits: 25_000, sizes: [by(-3_000, 700), by(0), by(100), by(200)], drift: -20 }),
      ],
      CACHE,
    );
    expect(advice).toMatchObject({ requests: 40_000, hitRatio: 0.75, ready: true, enabled: true });
    expect(advice.sizes[0]).toEqual({
      factor: 0.5,
      maxEntries: 500,
      maxBytes: 2_000_000,
      hitRatio: 26_000 / 40_000,
      // Two deviations, and what the miniatures are off by all together.
      margin: expect.closeTo((2 * 40 + 40) / 40_000, 10),
    });
    expect(advice.sizes.map(({ hitRatio }) => hitRatio)).toEqual([0.65, 0.75, 0.765, 0.77]);
    expect(advice.shards).toEqual([
      { shard: 0, requests: 10_000, share: 0.25 },
      { shard: 1, requests: 30_000, share: 0.75 },
    ]);
    expect(advice.skew).toBe(1.5);
  });

  test('no prediction is below 0 or above 1, and a cache without bound of entries has none in any size', () => {
    const { sizes } = combineAdvice([shardOf({ sizes: [by(-9_000), by(0), by(9_000), by(9_000)] })], {
      ...CACHE,
      maxEntries: Number.POSITIVE_INFINITY,
    });
    expect(sizes.map(({ hitRatio }) => hitRatio)).toEqual([0, 0.5, 1, 1]);
    expect(sizes.every(({ maxEntries }) => maxEntries === Number.POSITIVE_INFINITY)).toBe(true);
  });

  test('hot keys come in order of their share of all gets, ten at most', () => {
    const key = (text: string, count: number) => ({
      encoding: 0,
      key: Buffer.from(text, 'latin1').toString('base64'),
      count,
    });
    const { hotKeys } = combineAdvice(
      [
        shardOf({ hotKeys: [key('a', 50), ...Array.from({ length: 9 }, (_, i) => key(`a${i}`, 9))] }),
        shardOf({ requests: 30_000, hotKeys: [key('é', 40), key('z', 1)] }),
      ],
      CACHE,
    );
    expect(hotKeys).toHaveLength(10);
    expect(hotKeys.slice(0, 2)).toEqual([
      { key: 'é', share: 0.4 * 0.75 },
      { key: 'a', share: 0.5 * 0.25 },
    ]);
  });

  test('policies come best first', () => {
    const { policies } = combineAdvice(
      [
        shardOf({
          policies: [
            { name: 'fifo', ...by(-10) },
            { name: 'sieve', ...by(10) },
          ],
        }),
      ],
      CACHE,
    );
    expect(policies.map(({ eviction }) => eviction)).toEqual(['sieve', 'fifo']);
  });
});

describe('the recommendation', () => {
  test.each<[string, Partial<ShardAdvice>, string]>([
    ['too little was followed', { followed: 1_999 }, 'Ask again later: 1999 gets were followed so far'],
    ['a policy failed', { failure: 'The policy threw' }, 'simulation of a small cache, the policy threw.'],
    ['more room gains', { sizes: [by(-900), by(0), by(300), by(400)] }, 'Twice the size would hit 53.0 %'],
    [
      'more room gains less than it may be off',
      { sizes: [by(-900), by(0), by(300, 200 ** 2), by(400, 200 ** 2)] },
      'Keep the size',
    ],
    [
      'both gain, and another policy costs nothing',
      { sizes: [by(-900), by(0), by(900), by(990)], policies: [{ name: 'arc', ...by(200) }] },
      "Use `eviction: 'arc'`",
    ],
    ['another policy gains', { policies: [{ name: 'arc', ...by(200) }] }, "Use `eviction: 'arc'`: it would hit 52.0 %"],
    ['half would do', { sizes: [by(-20), by(0), by(10), by(10)] }, 'Half the size would do: it would hit 49.8 %'],
    ['half would cost', {}, 'Keep the size: half of it would hit 40.0 % of these gets, twice as much 50.5 %'],
  ])('where %s', (_, over, sentence) => {
    expect(said(over)).toContain(sentence);
    expect(said(over)).toMatch(/\.$/);
  });

  test('where one shard has most of the load', () => {
    const { recommendation } = combineAdvice([shardOf(), shardOf({ requests: 90_000, hits: 45_000 })], CACHE);
    expect(recommendation).toContain('Shard 1 gets 1.8 times its share of the requests');
  });

  test('of a cache without advise says how to have one', () => {
    expect(noAdvice().recommendation).toContain('`advise: true`');
  });
});
