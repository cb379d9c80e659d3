import { expect, test } from 'vitest';
import { seededRandom } from '../support/random.ts';
import { MORTAL_STORES, runStoreKills } from '../support/store-kills.ts';

/** One for each store of each process. `npm run long -- store-kills` does a thousand. */
const DEATHS = 50;

test('processes that are killed while they write leave stores that are whole, with all that was acknowledged', async () => {
  const { faults, deaths, acknowledged } = await runStoreKills(DEATHS, seededRandom('store kills'));
  expect(faults).toEqual([]);
  expect(deaths).toBeGreaterThanOrEqual(DEATHS);
  expect(acknowledged).toBeGreaterThan(Object.keys(MORTAL_STORES).length * 20);
}, 60_000);
