import { describe, expect, test } from 'vitest';
import { GOLDEN_DIFFERENCE_MAX, GOLDEN_NAMES, hitRatio } from '../support/golden.ts';
import { goldenCells, hasTraces, keysOf, NO_TRACES } from '../support/traces.ts';

/** Traces of fewer than 200,000 requests; `npm run long -- golden` takes all. */
const SHORT = ['web07', 'adaptsize_web', 'corda', 'lirs_gli', 'lirs_multi2', 'lirs_sprite'];

describe.skipIf(!hasTraces())(`the hit ratio at one shard (skipped where ${NO_TRACES})`, () => {
  test.each(SHORT)('agrees with golden.csv to six decimals on %s', (trace) => {
    const keys = keysOf(trace);
    const cells = goldenCells(Object.keys(GOLDEN_NAMES)).filter((cell) => cell.trace === trace);
    expect(cells.length).toBeGreaterThan(0);
    for (const { policy, entries, hitRatio: reference } of cells) {
      const ours = hitRatio(GOLDEN_NAMES[policy as keyof typeof GOLDEN_NAMES], entries, keys);
      expect(Math.abs(ours - reference), `${policy} at ${entries} entries`).toBeLessThanOrEqual(GOLDEN_DIFFERENCE_MAX);
    }
  });
});
