/**
 * npm run long -- model [--operations 10000000] [--policy name] [--seed n]
 *
 * Does a shard ever answer, evict or expire other than its model, under every policy and every kind of bound?
 */
import { parseArgs } from 'node:util';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { WALK_LIMITS, walk } from '../support/model-walk.ts';
import { SEED } from '../support/random.ts';

export async function model(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      operations: { type: 'string', default: '10000000' },
      policy: { type: 'string' },
      seed: { type: 'string', default: `${SEED}` },
    },
  });
  const seed = Number(values.seed);
  const chosen = (Object.keys(policies) as PolicyName[]).filter((name) => name === (values.policy ?? name));
  const operations = Math.ceil(Number(values.operations) / chosen.length / WALK_LIMITS.length);
  console.log(`${chosen.length * WALK_LIMITS.length} walks of ${operations.toLocaleString('en')} steps, seed ${seed}`);
  let faults = 0;
  for (const policy of chosen) {
    for (const limits of WALK_LIMITS) {
      try {
        const { evictions, expirations } = walk({ policy, limits, operations, seed });
        console.log(
          `${policy.padEnd(8)} ${JSON.stringify(limits).padEnd(40)} ${evictions} evicted, ${expirations} expired`,
        );
      } catch (error) {
        console.error(error);
        faults++;
      }
    }
  }
  return chosen.length > 0 && faults === 0;
}
