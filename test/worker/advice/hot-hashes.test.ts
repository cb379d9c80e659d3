import { describe, expect, test } from 'vitest';
import { COUNTERS, HotHashes } from '../../../src/worker/advice/hot-hashes.ts';
import { seededRandom } from '../../support/random.ts';

describe('Space-Saving', () => {
  test('counts exactly while there are as many hashes as counters', () => {
    const hot = new HotHashes();
    for (let hash = 0; hash < COUNTERS; hash++) {
      for (let i = 0; i <= hash; i++) hot.meet(-hash, 2_047 - hash);
    }
    expect(hot.total).toBe((COUNTERS * (COUNTERS + 1)) / 2);
    expect(hot.top(3)).toEqual(
      [COUNTERS - 1, COUNTERS - 2, COUNTERS - 3].map((hash) => ({
        hashLow: -hash,
        hashHigh: 2_047 - hash,
        count: hash + 1,
      })),
    );
    expect(hot.top(10_000)).toHaveLength(COUNTERS);
  });

  test('tells hashes with one low word apart by the high one', () => {
    const hot = new HotHashes();
    for (const high of [1, 2, 2, 2, 1]) hot.meet(-1, high);
    expect(hot.top(5)).toEqual([
      { hashLow: -1, hashHigh: 2, count: 3 },
      { hashLow: -1, hashHigh: 1, count: 2 },
    ]);
  });

  test('whatever is met more often than once in COUNTERS cases is there, and never counted too often', () => {
    const random = seededRandom('heavy hitters');
    const hot = new HotHashes();
    const met = new Map<number, number>();
    for (let i = 0; i < 200_000; i++) {
      // One case in three is one of twenty, the others are of a million.
      const hash = random.oneIn(3) ? random.below(20) : 1_000 + random.below(1_000_000);
      met.set(hash, (met.get(hash) ?? 0) + 1);
      hot.meet(hash, 0);
    }
    const top = hot.top(20);
    expect(top.map(({ hashLow }) => hashLow).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    for (const { hashLow, count } of hot.top(COUNTERS)) {
      expect(count).toBeLessThanOrEqual(met.get(hashLow) as number);
      expect(count).toBeGreaterThanOrEqual((met.get(hashLow) as number) - 200_000 / COUNTERS);
    }
  });

  test('forgets all', () => {
    const hot = new HotHashes();
    for (let i = 0; i < 10 * COUNTERS; i++) hot.meet(i, 0);
    hot.clear();
    expect([hot.total, hot.top(5)]).toEqual([0, []]);
    for (let i = 0; i < COUNTERS; i++) hot.meet(i, 0);
    hot.meet(0, 0);
    expect(hot.top(1)).toEqual([{ hashLow: 0, hashHigh: 0, count: 2 }]);
    expect(hot.top(10_000)).toHaveLength(COUNTERS);
  });
});
