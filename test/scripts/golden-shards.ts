/**
 * npm run long -- golden-shards [--trace name]
 *
 * Does a cache that is split over shards by the hash of its keys hit as often as one that is not, while each shard has 256
 * entries or more? Judged are the cells of golden_shards.csv. In others, of short traces and loops, a few keys decide, and
 * another draw of the hash moves some by half a point either way: they are printed, and not judged.
 */
import { parseArgs } from 'node:util';
import { GOLDEN, type Golden } from '../support/golden.ts';
import { ENTRIES_PER_SHARD_MIN, LOSS_MAX, shardedHitRatio } from '../support/golden-shards.ts';
import { goldenCells, goldenShardSizes, hasTraces, keysOf, NO_TRACES } from '../support/traces.ts';

const POLICIES = ['LRU', 'S3-FIFO 10 %', 'S3-FIFO', 'AS3-FIFO'];
const SHARDS = [2, 4, 8, 16];

export async function goldenShards(args: string[]): Promise<boolean> {
  const { values } = parseArgs({ args, options: { trace: { type: 'string' } } });
  if (!hasTraces()) {
    console.error(NO_TRACES);
    return false;
  }
  const judged = goldenShardSizes();
  let cells = 0;
  let lost = 0;
  for (const { trace, entries } of goldenCells(['LRU']).filter((cell) => cell.trace === (values.trace ?? cell.trace))) {
    const shardCounts = SHARDS.filter((shards) => entries / shards >= ENTRIES_PER_SHARD_MIN);
    if (shardCounts.length === 0) {
      continue;
    }
    const ids = keysOf(trace);
    const traffic = { ids, keys: ids.reduce((most, id) => Math.max(most, id + 1), 0) };
    for (const name of POLICIES) {
      const golden = GOLDEN[name] as Golden;
      const whole = shardedHitRatio(golden, traffic, entries, 1);
      const losses = shardCounts.map((shards) => whole - shardedHitRatio(golden, traffic, entries, shards));
      cells += losses.length;
      lost += judged.has(`${trace},${entries}`) ? losses.filter((loss) => loss > LOSS_MAX).length : 0;
      const told = losses.map((loss, i) => `${shardCounts[i]}: ${(-100 * loss).toFixed(3)}`);
      console.log(`${name.padEnd(13)} ${trace.padEnd(14)} ${`${entries}`.padStart(6)}  ${told.join('  ')}`);
    }
  }
  console.log(`${cells} cells, ${lost} lose more than ${100 * LOSS_MAX} points of those judged`);
  return cells > 0 && lost === 0;
}
