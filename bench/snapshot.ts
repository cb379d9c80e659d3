/**
 * How long does it take to save a cache to a file and to load it, and what do reads notice of it?
 *
 * Small objects under string keys, the default options but for the shards; the file is flushed to the disk before a save counts.
 * Beside it what one writes without a cache that saves: the entries of an `lru-cache`, through `v8.serialize`, into a file that is
 * flushed and renamed; that holds up the thread from begin to end, which ours does not. (Its own `dump` takes minutes for a million
 * entries: each goes to the front of an array.)
 */
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { LRUCache } from 'lru-cache';
import { Shardstash } from './peers/shardstash.ts';
import { askedTime } from './support/asked.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { DisturbedReads } from './support/disturbed-reads.ts';
import { type Figure, figure } from './support/figure.ts';
import { keysOf } from './support/keys.ts';
import { compare, type Ratio } from './support/ratio.ts';
import { type SmallObject, smallObject } from './support/values.ts';

/** How many entries, and how many ms a save and a load were asked to take. */
const SIZES = [
  { entries: 100_000, askedMs: 100 },
  { entries: 1_000_000, askedMs: 1_000 },
] as const;
const QUICK_SIZES = [{ entries: 10_000, askedMs: 100 }] as const;
const ROUNDS = 5;
const QUICK_ROUNDS = 2;
const SHARDS = 2;
const NS_PER_MS = 1e6;

export const snapshot: Bench = {
  question: 'How long does it take to save a cache to a file and to load it, and what do reads notice of it?',

  async run(options: RunOptions): Promise<Report> {
    const sizes = options.quick ? QUICK_SIZES : SIZES;
    const rounds = options.quick ? QUICK_ROUNDS : ROUNDS;
    const directory = mkdtempSync(join(tmpdir(), 'shardstash-snapshot-bench-'));
    const figures: Figure[] = [];
    const ratios: Ratio[] = [];
    const take = (measured: Measured) => {
      figures.push(...measured.figures);
      ratios.push(...measured.ratios);
    };
    try {
      for (const { entries, askedMs } of sizes) {
        options.progress(`${entries} entries`);
        take(await measureBoth(directory, entries, askedMs, rounds));
      }
      options.progress('reads during a save');
      take(await readsDuringSaves(directory, (sizes.at(-1) ?? SIZES[0]).entries, rounds));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    return {
      setup: { shards: SHARDS, values: '{ id, name, active }', durability: 'flushed to the disk, ours and theirs' },
      figures,
      ratios,
      notes: ['Each save replaces the file of the one before; each load empties the cache first.'],
    };
  },
};

type Measured = { readonly figures: Figure[]; readonly ratios: Ratio[] };

async function measureBoth(directory: string, entries: number, askedMs: number, rounds: number): Promise<Measured> {
  const path = join(directory, 'ours.snapshot');
  const theirPath = join(directory, 'theirs');
  const keys = keysOf(entries);
  const ours = await Shardstash.open<SmallObject>({ shards: SHARDS, maxBytes: '1gb' });
  const theirs = new LRUCache<string, SmallObject>({ max: entries });
  const names = ['save', 'load', 'save: lru-cache, v8', 'load: lru-cache, v8'] as const;
  const times: Record<(typeof names)[number], number[]> = {
    save: [],
    load: [],
    'save: lru-cache, v8': [],
    'load: lru-cache, v8': [],
  };
  try {
    await ours.fill(keys, smallObject);
    for (const [id, key] of keys.entries()) theirs.set(key, smallObject(id));
    // The first round only warms up.
    for (let round = 0; round <= rounds; round++) {
      const taken = {
        save: await timed(() => ours.cache.save(path)),
        load: await timed(() => ours.cache.load(path)),
        'save: lru-cache, v8': await timed(() => saveEntries(theirs, theirPath)),
        'load: lru-cache, v8': await timed(() => loadEntries(theirPath, entries)),
      };
      if (round > 0) for (const name of names) times[name].push(taken[name]);
    }
  } finally {
    await ours.close();
  }
  const [save, load, saveTheirs, loadTheirs] = names.map((name) =>
    figure(`${name}, ${entries} entries`, 'ns', times[name]),
  ) as [Figure, Figure, Figure, Figure];
  return {
    figures: [save, load, saveTheirs, loadTheirs],
    ratios: [
      compare(save, askedTime(askedMs, save), { what: save.name, reach: 1 }),
      compare(load, askedTime(askedMs, load), { what: load.name, reach: 1 }),
      compare(save, saveTheirs, { what: save.name }),
      compare(load, loadTheirs, { what: load.name }),
    ],
  };
}

async function timed(work: () => unknown): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) * NS_PER_MS;
}

function saveEntries(cache: LRUCache<string, SmallObject>, path: string): void {
  const bytes = serialize([...cache.rentries()]);
  const fd = openSync(`${path}.tmp`, 'w');
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(`${path}.tmp`, path);
}

function loadEntries(path: string, entries: number): void {
  const cache = new LRUCache<string, SmallObject>({ max: entries });
  for (const [key, value] of deserialize(readFileSync(path)) as [string, SmallObject][]) cache.set(key, value);
}

async function readsDuringSaves(directory: string, entries: number, rounds: number): Promise<Measured> {
  const cache = await Shardstash.open<unknown>({ shards: SHARDS, maxBytes: '1gb' });
  const reads = new DisturbedReads(cache, entries);
  try {
    await cache.fill(keysOf(entries), smallObject);
    for (let round = 0; round < rounds; round++) {
      let isSaving = true;
      const saving = cache.cache.save(join(directory, 'reads.snapshot')).finally(() => {
        isSaving = false;
      });
      await reads.round(() => isSaving);
      await saving;
    }
  } finally {
    await cache.close();
  }
  return reads.report(`during a save of ${entries} entries`, 'no save', { p99: 2 });
}
