/**
 * Four threads, each with a client of its own, do what they like to a few keys at once, and a checker looks for an order
 * that explains what they saw: see test/support/linearizability.ts. `npm run long -- linearizability` does so for longer.
 */
import { describe, expect, test } from 'vitest';
import { type Bug, type HistoriesReport, runHistories } from '../support/histories.ts';
import { SEED } from '../support/random.ts';

const KINDS = ['get', 'getSync', 'set', 'delete', 'add', 'increment', 'getOrSet'];

function expectLegal(report: HistoriesReport): void {
  expect(report.stories.join('\n')).toBe('');
  expect(report.violations).toBe(0);
  // Histories in which one of these did not happen would prove nothing.
  for (const kind of KINDS) {
    expect(report.kinds[kind]).toBeGreaterThan(report.histories);
  }
}

test.each([
  { reads: 'shared', histories: 150 },
  { nearCache: true, histories: 80 },
  { reads: 'owner', histories: 50 },
  { reads: 'owner', lane: 'wake', histories: 50 },
] as const)('every key is linearizable, and keeps the order of each client: %o', async (options) => {
  console.info(`histories: SEED=${SEED}`);
  expectLegal(await runHistories({ ...options, seed: SEED }));
});

test.each([{ nearCache: false }, { nearCache: true }])(
  'every key stays linearizable while the threads of shards die: %o',
  async ({ nearCache }) => {
    console.info(`histories and crashes: SEED=${SEED}`);
    const report = await runHistories({ histories: 30, crashEveryMs: 30, nearCache, seed: SEED });
    expectLegal(report);
    expect(report.crashes).toBeGreaterThan(2);
  },
);

/** Two hundred times as many pass without one. */
const HISTORIES_TO_FIND = 40;

describe('a bug planted in the clients is found', () => {
  test.each<[Bug, string]>([
    ['acknowledge-before-publish', 'a set that resolves before anybody can read it'],
    ['stale-read', 'a get that now and then answers what an earlier one saw'],
    ['revive', 'a getOrSet that stores what it computed, whoever wrote meanwhile'],
  ])('%s: %s', async (bug) => {
    // Judged as if leases could be lost: that it is computed twice at once is not what shall give it away.
    const report = await runHistories({ histories: HISTORIES_TO_FIND, bug, lossy: true, seed: 1 });
    expect(report.violations).toBeGreaterThan(0);
    expect(report.stories[0]).toContain('<- cannot be placed');
  });
});
