/**
 * npm run long -- near [--reads 10000000] [--copy decode] [--seed n]
 *
 * Does a thread with a near cache ever read what is stale, while two others write and the threads of shards die?
 */
import { parseArgs } from 'node:util';
import type { NearCacheConfig } from 'shardstash';
import { runNear } from '../support/near.ts';
import { Random, SEED } from '../support/random.ts';

export async function near(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      reads: { type: 'string', default: '10000000' },
      copy: { type: 'string', default: 'decode' },
      seed: { type: 'string', default: `${SEED}` },
    },
  });
  const copy = values.copy as NearCacheConfig['copy'];
  console.log(`${values.reads} reads, 2 writers, copy '${copy}', seed ${values.seed}`);
  const report = await runNear(Number(values.reads), { copy }, new Random(Number(values.seed)));
  const { reads, kept, writes, unknown, crashes, busy, faults, faultCount } = report;
  console.log(`reads:  ${reads}, of which ${kept} from the near cache, ${busy} busy`);
  console.log(`writes: ${writes}, ${unknown} of unknown outcome`);
  console.log(`deaths: ${crashes}`);
  console.log(`stale:  ${faultCount}`);
  for (const fault of faults) {
    console.error(fault);
  }
  return faultCount === 0;
}
