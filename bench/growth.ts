/**
 * How do a get that hits, a get that misses and a set grow from ten thousand entries to ten million?
 *
 * What grows is not the work but the memory that it is spread over: first out of the first-level cache, then out of
 * them all. So each is measured beside lru-cache of as many entries, and beside a walk through a plain typed array of as
 * many places, which is one cache miss a step and nothing else.
 *
 * Every key is asked for once before any is asked for again, in random order. Sets overwrite any of them, 1,024 in flight.
 * One size after the other: what the entries of one weigh on the garbage collector, another would pay for.
 */
import { getHeapStatistics } from 'node:v8';
import type { Peer } from './peers/index.ts';
import { LruCachePeer } from './peers/lru-cache.ts';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { askedKeys, Draws, keyOf, shuffled } from './support/keys.ts';
import { inFlight, type Load, measureLoads } from './support/load.ts';
import { freshLookups, type Lookup, warmLookups } from './support/lookups.ts';
import { measureMicro } from './support/micro.ts';
import { compare, type Ratio } from './support/ratio.ts';
import { type Pace, paceOf } from './support/rounds.ts';
import { formatCount } from './support/table.ts';
import { type SmallObject, smallObject } from './support/values.ts';
import { Walk } from './support/walk.ts';

const SIZES = [10_000, 100_000, 1_000_000, 10_000_000];
const QUICK_SIZES = [10_000, 100_000];
/** Above this the strings of all keys, held to be asked for, would outweigh the caches: only fresh keys are asked for. */
const WARM_ENTRIES_MAX = 1_000_000;
const FILL_ENTRIES = 1_000_000;
/** Ids that nothing is stored under, and no more than these: one more digit would make a string of another kind. */
const ABSENT_FROM = -900_000;
/** What an entry may take without one being evicted: it takes about 110. */
const ENTRY_BYTES_MAX = 192;
const BYTES_MIN = 64 * 1024 * 1024;
/** What an entry of this size takes, columns included, rounded up to a power of two: the step of the walk. */
const WALK_ENTRY_BYTES = 128;
/** Measured: 211 bytes of heap at ten million, and the copy that its Map makes when it grows. */
const LRU_ENTRY_BYTES = 280;
const IN_FLIGHT = 1_024;

const HIT_FRESH = 'hit, fresh key';
const HIT_WARM = 'hit, warm key';
const MISS_FRESH = 'miss, fresh key';
const MISS_WARM = 'miss, warm key';
const SET = 'set';
const WALK = 'plain typed-array walk';
const FRESH = [HIT_FRESH, MISS_FRESH, SET];
const OURS = 'shardstash';
const LRU = 'lru-cache';

export const growth: Bench = {
  question: 'How do a get that hits, a get that misses and a set grow from ten thousand entries to ten million?',

  async run(options: RunOptions): Promise<Report> {
    const sizes = options.quick ? QUICK_SIZES : SIZES;
    const figures: Figure[] = [];
    for (const entries of sizes) {
      options.progress(`filling with ${formatCount(entries)} entries`);
      figures.push(...(await measureSize(entries, paceOf(options))));
    }
    const without = sizes.filter((entries) => !fitsHeap(entries)).map(formatCount);
    return {
      setup: {
        entries: sizes.map(formatCount).join('; '),
        gets: 'every key once, shuffled',
        sets: 'uniform, overwriting, 1,024 in flight',
        values: '{ id, name, active }',
      },
      figures,
      ratios: [...sizes.flatMap((entries) => peerRatios(figures, entries)), ...growthRatios(figures, sizes)],
      notes: [
        'The walk makes one dependent load a step; a get that hits makes two, and a set in the owner several.',
        ...(without.length === 0 ? [] : [`lru-cache of ${without.join(', ')} entries does not fit the heap: skipped.`]),
      ],
    };
  },
};

async function measureSize(entries: number, pace: Pace): Promise<Figure[]> {
  const ours = await Shardstash.open<SmallObject>({ maxBytes: Math.max(BYTES_MIN, entries * ENTRY_BYTES_MAX) });
  const theirs = fitsHeap(entries) ? [new LruCachePeer<SmallObject>(entries)] : [];
  try {
    const ids = shuffled(entries);
    const warm = entries <= WARM_ENTRIES_MAX ? askedKeys(entries) : undefined;
    for (const peer of [ours, ...theirs]) {
      await fill(peer, entries, warm?.keysById);
    }
    const kept = await ours.cache.size();
    if (kept !== entries) {
      throw new Error(`${kept} of ${entries} entries fit: raise ENTRY_BYTES_MAX`);
    }
    const absent = askedKeys(Math.min(entries, -ABSENT_FROM), ABSENT_FROM);
    const gets: Lookup[] = [ours.inPlace(), ...theirs];
    const named = (what: string, index: number) => nameOf(entries, what, index === 0 ? OURS : LRU);
    const groups = [
      gets.map((peer, i) => freshLookups(named(HIT_FRESH, i), peer, { ids }, 'hits')),
      gets.map((peer, i) => freshLookups(named(MISS_FRESH, i), peer, absent, 'misses')),
      warm === undefined ? [] : gets.map((peer, i) => warmLookups(named(HIT_WARM, i), peer, warm, 'hits')),
      warm === undefined ? [] : gets.map((peer, i) => warmLookups(named(MISS_WARM, i), peer, absent, 'misses')),
      [new Walk(nameOf(entries, WALK), entries, WALK_ENTRY_BYTES)],
    ];
    const figures: Figure[] = [];
    for (const tasks of groups) {
      figures.push(...(await measureMicro(tasks, pace)));
    }
    const sets = [ours, ...theirs].map((peer, i) => setsOf(named(SET, i), peer, entries));
    return [...figures, ...(await measureLoads(sets, pace))];
  } finally {
    await ours.close();
    for (const peer of theirs) peer.close();
  }
}

/** Stores every entry; the keys are built in passing where they are not given. */
async function fill(peer: Peer<SmallObject>, entries: number, keysById?: readonly string[]): Promise<void> {
  if (keysById !== undefined) {
    return await peer.fill(keysById, smallObject);
  }
  for (let from = 0; from < entries; from += FILL_ENTRIES) {
    const keys = Array.from({ length: Math.min(FILL_ENTRIES, entries - from) }, (_, i) => keyOf(from + i));
    await peer.fill(keys, (index) => smallObject(from + index));
  }
}

function setsOf(name: string, peer: Peer<SmallObject>, entries: number): Load {
  const draws = new Draws();
  return {
    name,
    run: (operations) =>
      inFlight(IN_FLIGHT, operations, () => {
        const id = draws.below(entries);
        return peer.set(keyOf(id), smallObject(id));
      }),
  };
}

function peerRatios(figures: readonly Figure[], entries: number): Ratio[] {
  const kinds = entries <= WARM_ENTRIES_MAX ? [...FRESH, HIT_WARM, MISS_WARM] : FRESH;
  return (fitsHeap(entries) ? kinds : []).map((kind) =>
    compare(pick(figures, nameOf(entries, kind, OURS)), pick(figures, nameOf(entries, kind, LRU)), {
      what: nameOf(entries, kind),
      against: LRU,
    }),
  );
}

/** Each size beside the smallest; the walk beside those says what the machine's memory makes of it. */
function growthRatios(figures: readonly Figure[], sizes: readonly number[]): Ratio[] {
  const [least, ...more] = sizes as [number, ...number[]];
  const against = `itself at ${formatCount(least)}`;
  const contenders = [...FRESH.map((kind) => [kind, OURS] as const), ...FRESH.map((kind) => [kind, LRU] as const)];
  return more.flatMap((entries) =>
    [...contenders.filter(([, peer]) => peer === OURS || fitsHeap(entries)), [WALK] as const].map(([what, peer]) =>
      compare(pick(figures, nameOf(entries, what, peer)), pick(figures, nameOf(least, what, peer)), {
        what: nameOf(entries, what, peer),
        against,
      }),
    ),
  );
}

function fitsHeap(entries: number): boolean {
  return entries * LRU_ENTRY_BYTES < getHeapStatistics().heap_size_limit;
}

function nameOf(entries: number, what: string, peer?: string): string {
  return `${formatCount(entries)} entries, ${what}${peer === undefined ? '' : `: ${peer}`}`;
}
