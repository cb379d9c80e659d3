/**
 * What does a memoised call cost: when memory has its result, when only the file has, and when it must be computed and kept?
 *
 * One string argument and a small object as the result; the function itself does next to nothing, so what is measured is the memo.
 * Beside a hit in memory the few lines that one writes without: a Map under the argument, which copies nothing. What is stored
 * survives the end of the process, not of the machine.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCache } from 'shardstash';
import { memoizeSync, openMemo } from 'shardstash/memo';
import { askedRate } from './support/asked.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, figure, pick } from './support/figure.ts';
import { askedKeys } from './support/keys.ts';
import { LOOP_OPERATIONS, measureMicro } from './support/micro.ts';
import { compare, type Ratio } from './support/ratio.ts';
import { type Pace, paceOf } from './support/rounds.ts';
import { type SmallObject, smallObject } from './support/values.ts';

const FULL = { hot: 10_000, cold: 20_000 };
const QUICK = { hot: 2_000, cold: 1_000 };
const NS_PER_MS = 1e6;
/** A second, as asked for. */
const MEMORY_HITS = 1_000_000;
const DISK_HITS = 100_000;
const MISSES = 50_000;

export const memo: Bench = {
  question: 'What does a memoised call cost: a hit in memory, a hit in the file, a miss?',

  async run(options: RunOptions): Promise<Report> {
    const { hot, cold } = options.quick ? QUICK : FULL;
    const directory = mkdtempSync(join(tmpdir(), 'shardstash-memo-bench-'));
    try {
      options.progress('hits in memory');
      const hits = await measureHits(directory, hot, paceOf(options));
      options.progress('hits in the file, and misses');
      const rest = await measureFile(directory, cold, paceOf(options).rounds);
      return {
        setup: { 'calls that are hot': hot, 'calls of a file': cold, results: '{ id, name, active }' },
        figures: [...hits.figures, ...rest.figures],
        ratios: [...hits.ratios, ...rest.ratios],
        notes: ['Hits in the file and misses are made one by one; a hit in the file is stored in memory, too.'],
      };
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

type Measured = { readonly figures: Figure[]; readonly ratios: Ratio[] };

const compute = (key: string): SmallObject => smallObject(key.length);

async function measureHits(directory: string, hot: number, pace: Pace): Promise<Measured> {
  const { keys } = askedKeys(hot);
  const cache = await openCache();
  const sync = memoizeSync(compute, { cache });
  const awaited = await openMemo(compute, join(directory, 'hits.log'));
  const map = new Map<string, SmallObject>();
  const plain = (key: string) => {
    const kept = map.get(key);
    if (kept !== undefined) return kept;
    const result = compute(key);
    map.set(key, result);
    return result;
  };
  try {
    for (const key of keys) {
      plain(key);
      await awaited(key);
      sync(key);
    }
    await cache.size();
    let next = 0;
    const keyAt = () => keys[next++ % hot] as string;
    const figures = await measureMicro(
      [
        {
          name: 'memory hit, memoizeSync',
          loop: () => {
            for (let i = 0; i < LOOP_OPERATIONS; i++) sync(keyAt());
          },
        },
        {
          name: 'memory hit, awaited',
          loop: async () => {
            for (let i = 0; i < LOOP_OPERATIONS; i++) await awaited(keyAt());
          },
        },
        {
          name: 'a Map under the argument',
          loop: () => {
            for (let i = 0; i < LOOP_OPERATIONS; i++) plain(keyAt());
          },
        },
      ],
      pace,
    );
    const [hit, later] = [pick(figures, 'memory hit, memoizeSync'), pick(figures, 'memory hit, awaited')];
    return {
      figures,
      ratios: [
        compare(hit, askedRate(MEMORY_HITS, hit), { what: hit.name, reach: 1 }),
        compare(later, askedRate(MEMORY_HITS, later), { what: later.name }),
        compare(hit, pick(figures, 'a Map under the argument'), { what: hit.name }),
      ],
    };
  } finally {
    await awaited.close();
    await cache.close();
  }
}

/** Each round has new files: first all are misses, then a memo that is opened anew finds them there. */
async function measureFile(directory: string, cold: number, rounds: number): Promise<Measured> {
  const { keys } = askedKeys(cold);
  const kinds = ['hit in the file', 'miss and store', 'miss and store, allowRace'] as const;
  const ways = { awaited: timedCalls, memoizeSync: timedSyncCalls };
  const times = new Map<string, number[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const [way, timed] of Object.entries(ways)) {
      const path = (name: string) => join(directory, `${way}-${round}${name}.log`);
      const taken = {
        'miss and store, allowRace': await timed(keys, path('-race'), { allowRace: true }),
        'miss and store': await timed(keys, path('')),
        'hit in the file': await timed(keys, path('')),
      };
      for (const kind of kinds) {
        const name = `${kind}, ${way}`;
        // The first round only warms up.
        if (round > 0) times.set(name, [...(times.get(name) ?? []), taken[kind]]);
      }
    }
  }
  const figures = [...times].map(([name, rounds]) => figure(name, 'ns an operation', rounds));
  const ratios = figures.map((ours) => {
    const perSecond = ours.name.startsWith('hit') ? DISK_HITS : MISSES;
    return compare(ours, askedRate(perSecond, ours), { what: ours.name, reach: 1 });
  });
  return { figures, ratios };
}

async function timedCalls(keys: readonly string[], path: string, options: object = {}): Promise<number> {
  const called = await openMemo(compute, path, options);
  try {
    const startMs = performance.now();
    for (const key of keys) await called(key);
    return ((performance.now() - startMs) * NS_PER_MS) / keys.length;
  } finally {
    await called.close();
  }
}

async function timedSyncCalls(keys: readonly string[], filename: string, options: object = {}): Promise<number> {
  const cache = await openCache({ shards: 1 });
  const called = memoizeSync(compute, { cache, filename, ...options });
  try {
    const startMs = performance.now();
    for (const key of keys) called(key);
    return ((performance.now() - startMs) * NS_PER_MS) / keys.length;
  } finally {
    await called.close();
    await cache.close();
  }
}
