/**
 * What does a tier cost a cache, and what does its filter save?
 *
 * Small objects under random keys. A key that is in no tier is ruled out by the filter in shared memory, without a hop; without a
 * filter the owner asks the tier each time. What memory has is read as if there was no tier, also while a gigabyte is being written
 * behind. The rest is for information: a read that comes from the tier, a write into it, and opening a tier that is full.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TierOptions } from 'shardstash';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, figure, pick } from './support/figure.ts';
import { askedKeys, at, keysOf, uniformIds } from './support/keys.ts';
import { awaitedLookups, warmLookups } from './support/lookups.ts';
import { measureMicro } from './support/micro.ts';
import { compare, type Ratio } from './support/ratio.ts';
import { measureInRounds, type Pace, paceOf } from './support/rounds.ts';
import { type SmallObject, smallObject } from './support/values.ts';
import { readsDuringFlush } from './tier-flush.ts';

const ENGINES = ['log', 'lmdb', 'sqlite'] as const;
const FULL = { entries: 100_000, opened: 1_000_000 };
const QUICK = { entries: 5_000, opened: 50_000 };
/** What memory holds where reads are to come from the tier: one key in so many. */
const MEMORY_SHARE = 50;
const NS_PER_MS = 1e6;
/** A filter that covers the tier lets no more than a few of so many keys pass that are nowhere. */
const PROBES = 200;
const PASSED_MAX = 20;
const PROBE_ROUNDS_MAX = 100_000;
/** Calls between two looks at the time. */
const CALLS_A_LOOK = 32;

export const tier: Bench = {
  question: 'What does a tier cost a cache, and what does its filter save?',

  async run(options: RunOptions): Promise<Report> {
    const { entries, opened } = options.quick ? QUICK : FULL;
    const root = mkdtempSync(join(tmpdir(), 'shardstash-tier-bench-'));
    const figures: Figure[] = [];
    const ratios: Ratio[] = [];
    const take = (measured: { figures: readonly Figure[]; ratios: readonly Ratio[] }) => {
      figures.push(...measured.figures);
      ratios.push(...measured.ratios);
    };
    try {
      for (const engine of ENGINES) {
        options.progress(`keys that are nowhere, over ${engine}`);
        take(await measureNowhere(engine, root, entries, options));
      }
      options.progress('memory hits');
      take(await measureHits(root, entries, options));
      for (const engine of ENGINES) {
        options.progress(`reads while ${engine} flushes`);
        take(await readsDuringFlush({ engine, name: `flush-${engine}`, root }, options));
      }
      for (const engine of ENGINES) {
        options.progress(`reads and writes of ${engine}`);
        figures.push(...(await measureThrough(engine, root, entries, options)));
        options.progress(`opening ${engine}`);
        figures.push(...(await measureOpening({ engine, name: `open-${engine}`, root }, opened)));
      }
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
    return {
      setup: { entries, 'entries of a tier that is opened': opened, values: '{ id, name, active }' },
      figures,
      ratios,
      notes: ['Opening: until `openCache` resolves, and until the filter of a restarted cache rules keys out.'],
    };
  },
};

type Measured = { readonly figures: Figure[]; readonly ratios: Ratio[] };

async function measureNowhere(engine: string, root: string, entries: number, options: RunOptions): Promise<Measured> {
  const [kept, none] = [`nowhere: ${engine}, with its filter`, `nowhere: ${engine}, without`];
  const caches = [
    await Shardstash.open<SmallObject>({ tier: { engine, name: `kept-${engine}`, root } }, kept),
    await Shardstash.open<SmallObject>({ tier: { engine, name: `none-${engine}`, root }, filter: false }, none),
  ];
  const absent = askedKeys(entries, entries);
  try {
    for (const cache of caches) await cache.fill(keysOf(entries), smallObject);
    const calls = caches.map((cache) => ({
      name: cache.name,
      call: (i: number) => cache.get(absent.keys[i % entries] as string),
    }));
    const figures = await measureCalls(calls, paceOf(options));
    const ratio = compare(pick(figures, kept), pick(figures, none), {
      what: `awaited get of a key in no tier, ${engine}`,
      against: 'without a filter',
      reach: 1 / 20,
    });
    return { figures, ratios: [ratio] };
  } finally {
    for (const cache of caches) await cache.close();
  }
}

async function measureHits(root: string, entries: number, options: RunOptions): Promise<Measured> {
  const present = askedKeys(entries);
  const over = await Shardstash.open<SmallObject>({ tier: { engine: 'log', name: 'hits', root } }, 'over a tier');
  const plain = await Shardstash.open<SmallObject>({}, 'no tier');
  const peers = [over, plain];
  try {
    for (const peer of peers) await peer.fill(present.keysById, smallObject);
    const pace = paceOf(options);
    const inPlace = peers.map((peer) => warmLookups(`getSync: ${peer.name}`, peer.inPlace(), present, 'hits'));
    const awaited = peers.map((peer) => awaitedLookups(`awaited get: ${peer.name}`, peer, present, 'hits'));
    const figures = [...(await measureMicro(inPlace, pace)), ...(await measureMicro(awaited, pace))];
    const ratios = ['getSync', 'awaited get'].map((what) =>
      compare(pick(figures, `${what}: ${over.name}`), pick(figures, `${what}: ${plain.name}`), {
        what: `memory hit, ${what}`,
        against: plain.name,
        reach: 1,
      }),
    );
    return { figures, ratios };
  } finally {
    for (const peer of peers) await peer.close();
  }
}

interface Calls {
  readonly name: string;
  /** Makes the call of that number. */
  call(i: number): Promise<unknown>;
}

/** One at a time, each awaited, of calls that take from a microsecond to milliseconds. */
async function measureCalls(calls: readonly Calls[], { rounds, sliceMs }: Pace): Promise<Figure[]> {
  let made = 0;
  return await measureInRounds(calls, rounds, async ({ call }) => {
    const [first, startMs] = [made, performance.now()];
    let nowMs = startMs;
    while (nowMs - startMs < sliceMs) {
      for (let i = 0; i < CALLS_A_LOOK; i++) await call(made++);
      nowMs = performance.now();
    }
    return ((nowMs - startMs) * NS_PER_MS) / (made - first);
  });
}

/** One at a time: reads of what memory has no room for, and writes. */
async function measureThrough(engine: string, root: string, entries: number, options: RunOptions): Promise<Figure[]> {
  const maxEntries = Math.ceil(entries / MEMORY_SHARE);
  const open = (write: 'through' | 'behind') =>
    Shardstash.open<SmallObject>({ maxEntries, tier: { engine, name: `${write}-${engine}`, root, write } });
  const [through, behind] = [await open('through'), await open('behind')];
  const { keysById } = askedKeys(entries);
  const ids = uniformIds(entries);
  const keyAt = (i: number) => keysById[at(ids, i)] as string;
  const set = (cache: Shardstash<SmallObject>) => (i: number) => cache.set(keyAt(i), smallObject(at(ids, i)));
  try {
    await through.fill(keysById, smallObject);
    const calls = [
      { name: `get from the tier: ${engine}`, call: (i: number) => through.get(keyAt(i)) },
      { name: `set through: ${engine}`, call: set(through) },
      { name: `set behind: ${engine}`, call: set(behind) },
    ];
    return await measureCalls(calls, paceOf(options));
  } finally {
    await through.close();
    await behind.close();
  }
}

async function measureOpening(place: TierOptions, entries: number): Promise<Figure[]> {
  const maxEntries = Math.ceil(entries / MEMORY_SHARE);
  const filling = await Shardstash.open<SmallObject>({ maxEntries, tier: { ...place, write: 'behind' } });
  await filling.fill(keysOf(entries), smallObject);
  await filling.close();
  const startMs = performance.now();
  const cache = await Shardstash.open<SmallObject>({ tier: place });
  const openMs = performance.now() - startMs;
  try {
    await whenCovered(cache);
    const coveredMs = performance.now() - startMs;
    return [
      figure(`opened: ${place.engine}`, 'ns', [openMs * NS_PER_MS]),
      figure(`opened and covered by the filter: ${place.engine}`, 'ns', [coveredMs * NS_PER_MS]),
    ];
  } finally {
    await cache.close();
  }
}

/** Until a miss of memory need not ask the tier. */
async function whenCovered({ cache }: Shardstash<SmallObject>): Promise<void> {
  let asked = 0;
  for (let round = 0; round < PROBE_ROUNDS_MAX; round++) {
    for (let i = 0; i < PROBES; i++) await cache.get(`nobody ${asked++}`);
    const { tier } = await cache.metrics();
    if (tier !== undefined && tier.reads <= PASSED_MAX) {
      return;
    }
    await cache.resetMetrics();
  }
  throw new Error(`The filter did not cover the tier within ${asked} misses`);
}
