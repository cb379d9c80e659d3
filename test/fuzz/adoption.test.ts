/** Owners that die at any store of any call, again and again, under every policy, every filter and every bound. */
import { describe, expect, test } from 'vitest';
import type { FilterName } from '../../src/protocol/filter.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { filters } from '../../src/worker/filter/index.ts';
import { MORTAL_LIMITS, MortalWalk } from '../support/mortal-walk.ts';
import { SEED } from '../support/random.ts';

/** `npm run long -- adopt` walks further. */
const OPERATIONS = 1_500;
const FILTERS = [false, ...(Object.keys(filters) as FilterName[])] as const;

describe.each(Object.keys(policies) as PolicyName[])('%s', (policy) => {
  // Every policy under every bound, and between them under every filter.
  const at = Object.keys(policies).indexOf(policy);
  const cases = MORTAL_LIMITS.map((limits, i) => ({ limits, type: FILTERS[(at + i) % FILTERS.length] ?? false }));
  test.each(cases)('loses nothing that was acknowledged: %o', ({ limits, type }) => {
    console.info(`${policy} adoption: SEED=${SEED}`);
    const filter = type && { type, falsePositiveRate: 0.01 };
    const walk = new MortalWalk({ policy, filter, limits, operations: OPERATIONS, seed: SEED });
    walk.run();
    expect(walk.deaths).toBeGreaterThan(0);
  });
});
