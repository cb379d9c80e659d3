/**
 * npm run long -- keys [--pairs 1000000] [--seed n]
 *
 * Are two keys the same bytes exactly when they are equal by structure? Most pairs differ by one small change that an
 * encoding could miss: a border moved, a kind swapped, a property added with nothing in it. See test/support/key-maker.ts.
 */
import { parseArgs } from 'node:util';
import { comparePairs } from '../support/key-pairs.ts';
import { SEED } from '../support/random.ts';

export async function keys(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: { pairs: { type: 'string', default: '1000000' }, seed: { type: 'string', default: `${SEED}` } },
  });
  const options = { pairs: Number(values.pairs), seed: Number(values.seed) };
  console.log(`${options.pairs} pairs, seed ${options.seed}`);
  const { equal, different, equalHashes, faults } = comparePairs(options);
  console.log(
    `${equal} equal, ${different} different, ${equalHashes} of those with equal hashes, ${faults.length} faults`,
  );
  for (const fault of faults) {
    console.error(fault);
  }
  return faults.length === 0 && equalHashes === 0;
}
