import { expect, test } from 'vitest';
import { runKills } from '../support/kills.ts';
import { seededRandom } from '../support/random.ts';

/** `npm run long -- kills` does a thousand. */
const DEATHS = [
  ['comlink', 35],
  ['wake', 15],
] as const;

test.each(DEATHS)(
  "deaths under three clients lose nothing that was acknowledged, and leave nothing behind: lane '%s', %i deaths",
  async (lane, count) => {
    const { faults, deaths, restarts, acknowledged, left } = await runKills(
      count,
      seededRandom('kills'),
      () => {},
      lane,
    );
    expect(faults).toEqual([]);
    expect(restarts).toBe(count);
    expect(Object.values(deaths).reduce((a, b) => a + b)).toBeGreaterThanOrEqual(count);
    expect(acknowledged).toBeGreaterThan(500);
    expect(left.resources).toEqual([]);
  },
  120_000,
);
