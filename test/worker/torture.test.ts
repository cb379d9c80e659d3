import { expect, test } from 'vitest';
import { SEED } from '../support/random.ts';
import { torture } from '../support/torture.ts';

/** `npm run long -- torture` does the same for five minutes. */
const SECONDS = 20;

test(`${SECONDS} seconds of reads beside an owner at work: nothing torn, foreign, stale, expired or missed`, async () => {
  console.info(`torture: SEED=${SEED}`);
  const { owner, readers, violations, faults } = await torture({ seconds: SECONDS, readers: 1, seed: SEED });
  expect(faults).toEqual([]);
  expect(Object.values(violations).every((count) => count === 0)).toBe(true);
  // A torture in which one of these did not happen would prove nothing.
  const { evictions, expirations, deletes, splits, moves, increments, expires } = owner;
  for (const count of [evictions, expirations, deletes, splits, moves, increments, expires]) {
    expect(count).toBeGreaterThan(1_000);
  }
  for (const count of [readers.counters, readers.settled, readers.slid]) {
    expect(count).toBeGreaterThan(1_000);
  }
  expect(readers.hits).toBeGreaterThan(100_000);
  expect(readers.contended).toBeGreaterThan(100);
});
