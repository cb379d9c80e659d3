import { describe, expect, test } from 'vitest';
import { differenceMax, GOLDEN_NAMES, replayCell } from '../support/golden.ts';
import { replayTtlCell, TTL_DIFFERENCE_MAX } from '../support/golden-ttl.ts';
import { goldenCells, goldenTtlCells, hasTraces, keysOf, NO_TRACES, requestsOf } from '../support/traces.ts';

/** Traces of fewer than 200,000 requests; `npm run long -- golden` takes all. */
const SHORT = ['web07', 'adaptsize_web', 'corda', 'lirs_gli', 'lirs_multi2', 'lirs_sprite'];

describe.skipIf(!hasTraces())(`the hit ratio at one shard (skipped where ${NO_TRACES})`, () => {
  test.each(SHORT)('agrees with golden.csv on %s, but for chance to six decimals', (trace) => {
    const keys = keysOf(trace);
    const cells = goldenCells(Object.keys(GOLDEN_NAMES)).filter((cell) => cell.trace === trace);
    expect(cells.length).toBeGreaterThan(0);
    for (const cell of cells) {
      const difference = Math.abs(replayCell(cell, keys) - cell.hitRatio);
      expect(difference, `${cell.policy} at ${cell.entries} entries`).toBeLessThanOrEqual(
        differenceMax(cell, keys.length),
      );
    }
  });

  test('agrees with golden_ttl.csv where entries expire and the cache is small, swept or not', () => {
    const cells = goldenTtlCells().filter(({ expiry, entries }) => expiry === 'eager' && entries <= 2_000);
    expect(cells.length).toBeGreaterThan(0);
    for (const cell of cells) {
      const requests = requestsOf(cell.trace);
      for (const sweeps of [true, false]) {
        const difference = Math.abs(replayTtlCell(cell, requests, sweeps) - cell.hitRatio);
        expect(difference).toBeLessThanOrEqual(TTL_DIFFERENCE_MAX);
      }
    }
  });
});
