import { describe, expect, test } from 'vitest';
import { broken, differenceMax, GOLDEN, type Outcome, replayCell } from '../support/golden.ts';
import { replayTtlCell, TTL_DIFFERENCE_MAX } from '../support/golden-ttl.ts';
import { goldenCells, goldenTtlCells, hasTraces, keysOf, NO_TRACES, requestsOf } from '../support/traces.ts';

/** Traces of fewer than 200,000 requests; `npm run long -- golden` takes all. */
const SHORT = ['web07', 'adaptsize_web', 'corda', 'lirs_gli', 'lirs_multi2', 'lirs_sprite'];

const shortTraces = new Map(hasTraces() ? SHORT.map((trace) => [trace, keysOf(trace)]) : []);

describe.skipIf(!hasTraces())(`the hit ratio at one shard (skipped where ${NO_TRACES})`, () => {
  describe.each(Object.entries(GOLDEN))('of %s', (name, golden) => {
    test('is that of golden.csv on short traces, or keeps its margins', () => {
      const cells = goldenCells([golden.reference]).filter(({ trace }) => SHORT.includes(trace));
      const outcomes: Outcome[] = [];
      for (const cell of cells) {
        const keys = shortTraces.get(cell.trace) as Int32Array;
        const ours = replayCell(golden, cell.entries, keys);
        outcomes.push({ cell, ours });
        const difference = Math.abs(ours - cell.hitRatio);
        expect(difference, `${cell.trace} at ${cell.entries} entries`).toBeLessThanOrEqual(
          differenceMax(golden, cell.entries, keys.length),
        );
      }
      expect(outcomes.length).toBeGreaterThan(20);
      expect(broken(name, outcomes, goldenCells(['LRU']))).toEqual([]);
    });
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
