/**
 * The checker of linearizability.test.ts over tiers: memory has room for one entry a shard, so keys drive each other out and come
 * back all the time, and 5 ms pass before each call of the engine. `npm run long -- linearizability --tier` does so for longer.
 */
import { describe, expect, test } from 'vitest';
import { runHistories, type TierBug } from '../support/histories.ts';
import { SEED } from '../support/random.ts';
import { TIER_ENGINES } from '../support/tiers.ts';

const HISTORIES = 4;
const HISTORIES_TO_FIND = 40;

test.each([
  ...TIER_ENGINES.map((tier) => ({ tier, write: 'through' as const })),
  { tier: 'log', write: 'behind' } as const,
])('every key is linearizable while the threads of shards die: %o', async ({ tier, write }) => {
  console.info(`histories over ${tier}: SEED=${SEED}`);
  const options = { histories: HISTORIES, tier, write, crashEveryMs: 30, seed: SEED };
  const { stories, violations, promotions, evictions, crashes } = await runHistories(options);
  expect(stories.join('\n')).toBe('');
  expect(violations).toBe(0);
  // Histories in which these did not happen would prove nothing.
  for (const count of [promotions, evictions]) expect(count).toBeGreaterThan(HISTORIES);
  expect(crashes).toBeGreaterThan(0);
});

describe('a bug planted in the tier is found', () => {
  test.each<[TierBug, string]>([
    ['stale', 'what was read before a newer write comes into memory'],
    ['hasty', 'a write is acknowledged before the engine has it'],
    ['forgetful', 'a delete is acknowledged that is not made'],
  ])('%s: %s', async (tierBug) => {
    const { violations, stories } = await runHistories({ histories: HISTORIES_TO_FIND, tierBug, lossy: true, seed: 1 });
    expect(violations).toBeGreaterThan(0);
    expect(stories[0]).toContain('<- cannot be placed');
  });
});
