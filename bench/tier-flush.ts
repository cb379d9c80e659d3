/**
 * How long do reads of what memory has take, one at a time, while a gigabyte that was written behind is on its way to the engine?
 * It waits in the queue as a whole first, so that this thread does nothing but read meanwhile; then the same reads again, with
 * nothing to flush.
 */
import type { TierOptions } from 'shardstash';
import { Shardstash } from './peers/shardstash.ts';
import type { RunOptions } from './support/bench.ts';
import { DisturbedReads } from './support/disturbed-reads.ts';
import type { Figure } from './support/figure.ts';
import { keysOf } from './support/keys.ts';
import type { Ratio } from './support/ratio.ts';
import { smallObject } from './support/values.ts';

const FULL = { rounds: 3, bytes: 2 ** 30 };
const QUICK = { rounds: 1, bytes: 2 ** 26 };
const VALUE_BYTES = 100_000;
const HOT_ENTRIES = 5_000;
const SETS_AT_ONCE = 100;
/** Longer than the writing takes: the flush begins when the queue is half full, with the last of the values. */
const FLUSH_INTERVAL = '20s';
/** When less than this part of the bytes waits, the flush is over: what is read is written last, and waits for the next one. */
const REST_SHARE = 1 / 64;

export async function readsDuringFlush(
  place: TierOptions,
  { quick }: RunOptions,
): Promise<{ figures: Figure[]; ratios: Ratio[] }> {
  const { rounds, bytes } = quick ? QUICK : FULL;
  const queue = { bytes: bytes * 2, entries: 2 ** 20 };
  const cache = await Shardstash.open<unknown>({
    maxBytes: bytes / 4,
    tier: { ...place, write: 'behind', flushInterval: FLUSH_INTERVAL, queue },
  });
  const reads = new DisturbedReads(cache, HOT_ENTRIES);
  try {
    for (let round = 0; round < rounds; round++) {
      await writeBehind(cache, bytes, round);
      // After the values, so that they do not drive it out.
      await cache.fill(keysOf(HOT_ENTRIES), smallObject);
      await reads.round(async () => (await queuedBytes(cache)) > bytes * REST_SHARE);
    }
  } finally {
    await cache.close();
  }
  return reads.report(`during a flush of ${place.engine}`, 'no flush', { p99: 2, 'p99.9': 2 });
}

async function writeBehind({ cache }: Shardstash<unknown>, bytes: number, round: number): Promise<void> {
  const value = Buffer.alloc(VALUE_BYTES, round);
  for (let id = 0; id < bytes / VALUE_BYTES; id += SETS_AT_ONCE) {
    const entries = Array.from({ length: SETS_AT_ONCE }, (_, i) => [`large ${id + i}`, value] as const);
    await cache.setMany(entries);
  }
}

async function queuedBytes({ cache }: Shardstash<unknown>): Promise<number> {
  return (await cache.metrics()).tier?.queuedBytes ?? 0;
}
