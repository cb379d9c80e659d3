import { expect, test } from 'vitest';
import { seededRandom } from '../support/random.ts';
import { runSnapshotKills } from '../support/snapshot-kills.ts';

/** One for each cache of each process. `npm run long -- snapshot-kills` does a thousand. */
const DEATHS = 50;

test('a process that is killed while it saves leaves a whole snapshot, not older than what was acknowledged, and nothing else', async () => {
  const { faults, deaths, acknowledged } = await runSnapshotKills(DEATHS, seededRandom('snapshot kills'));
  expect(faults).toEqual([]);
  expect(deaths).toBeGreaterThanOrEqual(DEATHS);
  expect(acknowledged).toBeGreaterThan(DEATHS);
}, 60_000);
