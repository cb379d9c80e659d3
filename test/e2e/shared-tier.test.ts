/** Three processes, one tier on a Redis that dies and comes back. `npm run long -- shared-tier` does a million operations. */
import { expect, test } from 'vitest';
import { SEED } from '../support/random.ts';
import { runSharedTier, type SharedTierReport } from '../support/shared-tier.ts';

const OPERATIONS = 8_000;
/** Ten times what a machine with nothing else to do needs. What nobody tells stays old for ever. */
const STALE_MS = 1_000;

function expectFresh(report: SharedTierReport): void {
  expect(report.stale).toEqual([]);
  expect(report.examples.filter((text) => !/^CacheError: [A-Z_]+: /.test(text))).toEqual([]);
  expect(report.operations).toBeGreaterThanOrEqual(OPERATIONS);
  expect(report.judged).toBeGreaterThan(OPERATIONS / 4);
}

test('no process reads what another overwrote long ago, also when the server dies and comes back', async ({ skip }) => {
  console.info(`shared tier: SEED=${SEED}`);
  const report = await runSharedTier({
    cluster: false,
    operations: OPERATIONS,
    staleMs: STALE_MS,
    kills: 1,
    awayMs: 300,
    seed: SEED,
  });
  if (report === undefined) {
    skip('redis-server is not installed');
    return;
  }
  expectFresh(report);
  expect(report.servedAway).toBeGreaterThan(0);
  expect(report.afterwards).toBeGreaterThan(0);
});
