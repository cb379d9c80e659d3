import { expect, test } from 'vitest';
import { MODES, runMemoRounds } from '../support/memo-processes.ts';
import { seededRandom } from '../support/random.ts';

test('processes that share a memo file compute each key once, whoever is killed or compacts it meanwhile', async () => {
  // `npm run long -- memo-processes` does hundreds.
  const { faults, computed } = await runMemoRounds(MODES.length, seededRandom('memo processes'));
  expect(faults).toEqual([]);
  expect(computed).toBeGreaterThanOrEqual(MODES.length * 100);
});
