import { expect, test } from 'vitest';
import { runKills } from '../support/kills.ts';
import { seededRandom } from '../support/random.ts';

/** `npm run long -- kills` does a thousand. */
const DEATHS = 50;

test(`${DEATHS} deaths under three clients lose nothing that was acknowledged, and leave nothing behind`, async () => {
  const { faults, deaths, restarts, acknowledged, left } = await runKills(DEATHS, seededRandom('kills'));
  expect(faults).toEqual([]);
  expect(restarts).toBe(DEATHS);
  expect(Object.values(deaths).reduce((a, b) => a + b)).toBeGreaterThanOrEqual(DEATHS);
  expect(acknowledged).toBeGreaterThan(1_000);
  expect(left.resources).toEqual([]);
}, 120_000);
