/**
 * How long do reads of what memory has take, one at a time, while a gigabyte that was written behind is on its way to the engine?
 * It waits in the queue as a whole first, so that this thread does nothing but read meanwhile; then the same reads again, with
 * nothing to flush.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { TierOptions } from 'shardstash';
import { Shardstash } from './peers/shardstash.ts';
import type { RunOptions } from './support/bench.ts';
import { type Figure, figure } from './support/figure.ts';
import { at, keyOf, keysOf, uniformIds } from './support/keys.ts';
import { compare, type Ratio } from './support/ratio.ts';
import { smallObject } from './support/values.ts';

const FULL = { rounds: 3, bytes: 2 ** 30 };
const QUICK = { rounds: 1, bytes: 2 ** 26 };
const VALUE_BYTES = 100_000;
const HOT_ENTRIES = 5_000;
const SETS_AT_ONCE = 100;
/** Reads between two turns of the event loop, and between two looks at the queue. */
const READS_A_TURN = 500;
const TURNS_A_LOOK = 20;
/** Of one run: what is more is not kept. */
const READS_MAX = 5_000_000;
/** Longer than the writing takes: the flush begins when the queue is half full, with the last of the values. */
const FLUSH_INTERVAL = '20s';
/** When less than this part of the bytes waits, the flush is over: what is read is written last, and waits for the next one. */
const REST_SHARE = 1 / 64;
const NS_PER_MS = 1e6;
const PERCENTILES = { p99: 0.99, 'p99.9': 0.999 } as const;

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
  const flushing: Float64Array[] = [];
  const still: Float64Array[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      await writeBehind(cache, bytes, round);
      // After the values, so that they do not drive it out.
      await cache.fill(keysOf(HOT_ENTRIES), smallObject);
      const times = await readWhile(cache, async () => (await queuedBytes(cache)) > bytes * REST_SHARE);
      flushing.push(times);
      let looks = times.length / (READS_A_TURN * TURNS_A_LOOK);
      still.push(await readWhile(cache, async () => --looks > 0));
    }
  } finally {
    await cache.close();
  }
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  for (const [name, share] of Object.entries(PERCENTILES)) {
    const during = figureOf(`${name} of memory hits while ${place.engine} flushes`, flushing, share);
    const otherwise = figureOf(`${name} of memory hits, ${place.engine} still`, still, share);
    figures.push(during, otherwise);
    const what = `memory hit during a flush, ${name}, ${place.engine}`;
    ratios.push(compare(during, otherwise, { what, against: 'no flush', reach: 2 }));
  }
  return { figures, ratios };
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

/** How long each read took, in ms, ascending. */
async function readWhile({ cache }: Shardstash<unknown>, goesOn: () => Promise<boolean>): Promise<Float64Array> {
  const times = new Float64Array(READS_MAX);
  const ids = uniformIds(HOT_ENTRIES);
  let reads = 0;
  for (let turns = 0; turns % TURNS_A_LOOK !== 0 || turns === 0 || (await goesOn()); turns++) {
    for (let i = 0; i < READS_A_TURN; i++) {
      const key = keyOf(at(ids, reads));
      const startMs = performance.now();
      await cache.get(key);
      times[reads++ % READS_MAX] = performance.now() - startMs;
    }
    await turn();
  }
  return times.slice(0, Math.min(reads, READS_MAX)).sort();
}

function figureOf(name: string, runs: readonly Float64Array[], share: number): Figure {
  const rounds = runs.map((times) => (times[Math.ceil(times.length * share) - 1] as number) * NS_PER_MS);
  return figure(name, 'ns', rounds);
}
