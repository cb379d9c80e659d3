/**
 * Threads with a client each work on a few keys at once, and every history is judged key by key: is the cache linearizable?
 * Runs on the built package: Node cannot start a thread from TypeScript. Keys are renamed by history, so that batches of
 * them run in the same threads; there is room for all of them, and nothing expires. Over a tier there is room for hardly any: what
 * leaves memory comes back from the tier, by an engine that takes its time (slow-engines.mjs).
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Cache, type CacheOptions, openCache, type TierOptions } from 'shardstash';
import { crashShard } from 'shardstash/testing';
import type { Operation } from './key-history.ts';
import { explain, judge } from './linearizability.ts';
import { packageRoot } from './package-root.ts';
import { Random } from './random.ts';
import { type TierEngine, Tiers } from './tiers.ts';

export type Bug = 'acknowledge-before-publish' | 'stale-read' | 'revive';
/** An engine of slow-engines.mjs that is wrong. */
export type TierBug = 'stale' | 'hasty' | 'forgetful';

export interface HistoriesOptions {
  /** At most; with a bug planted it ends when that is found. */
  readonly histories: number;
  readonly seed: number;
  /** About so long after all shards have owners again, one of these is ended; undefined for never. */
  readonly crashEveryMs?: number | undefined;
  readonly bug?: Bug | undefined;
  /** Whether computations are judged as if leases could be lost, as they can where shards crash. */
  readonly lossy?: boolean;
  readonly reads?: CacheOptions['reads'];
  /** What every thread keeps of what it reads. */
  readonly nearCache?: CacheOptions['nearCache'];
  readonly lane?: CacheOptions['lane'];
  /** What lies under the cache, behind a delay before each call. */
  readonly tier?: TierEngine | undefined;
  readonly tierBug?: TierBug;
  readonly write?: TierOptions['write'];
  readonly onBatch?: (report: HistoriesReport) => void;
}

export interface HistoriesReport {
  readonly histories: number;
  readonly operations: number;
  /** By kind. */
  readonly kinds: Record<string, number>;
  readonly crashes: number;
  readonly unknown: number;
  readonly notSent: number;
  readonly evictions: number;
  /** Reads of a tier that found an entry. */
  readonly promotions: number;
  /** Histories of one key that no order makes legal. */
  readonly violations: number;
  /** The first few of them. */
  readonly stories: string[];
}

const CLIENTS = 4;
const SHARDS = 2;
const KEYS = 3;
const OPERATIONS = 200;
/** Of which most wait for the tier. */
const TIER_OPERATIONS = 120;
/** Histories that are played before they are judged. */
const BATCH = 10;
const STORIES_MAX = 3;
/** Owners that die younger than this are replaced later each time, and a history would wait for them. */
const YOUNG_MS = 100;
/** One crash in so many is followed by that of the owner to be. */
const CRASH_AGAIN_ONE_IN = 5;
/** Far more than the keys of a long run weigh: nothing is evicted, and memory that is not touched costs nothing. */
const MAX_BYTES = '512mb';
/** Over a tier: less than there are keys, so that they drive each other out. */
const TIER_ENTRIES = SHARDS;
const TIER_FLUSH_MS = 20;
const CLOSE_MS = 5_000;

/** As a thread records it, with the place of its key. */
type Recorded = Operation & { readonly place: number };

export async function runHistories(options: HistoriesOptions): Promise<HistoriesReport> {
  const { reads = 'shared', lane = 'comlink' } = options;
  const tiers = tiersOf(options);
  const cache = await openCache({
    shards: SHARDS,
    maxBytes: MAX_BYTES,
    reads,
    lane,
    crashBudget: Number.POSITIVE_INFINITY,
    ...(tiers && { maxEntries: TIER_ENTRIES, tier: await tiers.fresh() }),
  });
  const threads = startThreads(options);
  try {
    await Promise.all(threads.map((thread) => attach(thread, cache)));
    return await new HistoryRun(cache, threads, options).run();
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
    await cache.close({ timeout: CLOSE_MS });
    await tiers?.end();
  }
}

/** Undefined for memory alone. */
function tiersOf({ tier, tierBug, write = 'through' }: HistoriesOptions): Tiers | undefined {
  const name = tierBug ?? tier;
  if (name === undefined) {
    return undefined;
  }
  const engine = { module: new URL('test/support/slow-engines.mjs', packageRoot()), export: name };
  return new Tiers(tier ?? 'log', { engine, write, ...(write === 'behind' && { flushInterval: TIER_FLUSH_MS }) });
}

function startThreads({ seed, bug, nearCache, tier, tierBug }: HistoriesOptions): Worker[] {
  const arrivals = new Int32Array(new SharedArrayBuffer(4));
  const isOverTier = (tier ?? tierBug) !== undefined;
  const operations = isOverTier ? TIER_OPERATIONS : OPERATIONS;
  const facts = { clients: CLIENTS, seed, bug, nearCache, arrivals, keys: KEYS, operations, isOverTier };
  return Array.from({ length: CLIENTS }, (_, client) => {
    const file = new URL('test/support/history-thread.mjs', packageRoot());
    return new Worker(file, { workerData: { ...facts, client } });
  });
}

async function attach(thread: Worker, cache: Cache): Promise<void> {
  const handle = cache.handle();
  thread.postMessage({ handle }, handle.transfer);
  await once(thread, 'message');
}

/** By history, what the thread's client did. Rejects when the thread fails. */
async function partOf(thread: Worker, first: number, count: number): Promise<Recorded[][]> {
  thread.postMessage({ first, count });
  const [part] = await once(thread, 'message');
  return part;
}

/** Whether all shards did; those whose owners have just died may not. */
function answers(cache: Cache): Promise<boolean> {
  return cache.size().then(
    () => true,
    (error) => {
      if (error.code !== 'SHARD_DOWN') throw error;
      return false;
    },
  );
}

class HistoryRun {
  readonly #cache: Cache;
  readonly #threads: readonly Worker[];
  readonly #options: HistoriesOptions;
  readonly #random: Random;
  readonly #report = {
    histories: 0,
    operations: 0,
    kinds: {} as Record<string, number>,
    crashes: 0,
    unknown: 0,
    notSent: 0,
    evictions: 0,
    promotions: 0,
    violations: 0,
    stories: [] as string[],
  };

  constructor(cache: Cache, threads: readonly Worker[], options: HistoriesOptions) {
    this.#cache = cache;
    this.#threads = threads;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  async run(): Promise<HistoriesReport> {
    const ended = { is: false };
    const playing = this.#playAll().finally(() => {
      ended.is = true;
    });
    await Promise.all([playing, this.#crashUntil(ended)]);
    const { evictions, tier } = await this.#cache.metrics();
    this.#report.evictions = evictions;
    this.#report.promotions = tier?.readHits ?? 0;
    if (evictions > 0 && tier === undefined) {
      throw new Error(`${evictions} evictions, and the model knows of none: open the cache with more room`);
    }
    return this.#report;
  }

  async #playAll(): Promise<void> {
    const { histories, bug, tierBug, onBatch } = this.#options;
    const isBuggy = (bug ?? tierBug) !== undefined;
    const report = this.#report;
    while (report.histories < histories && (!isBuggy || report.violations === 0)) {
      const first = report.histories;
      const count = Math.min(BATCH, histories - first);
      const parts = await Promise.all(this.#threads.map((thread) => partOf(thread, first, count)));
      for (let i = 0; i < count; i++) {
        this.#judge(parts.flatMap((part) => part[i] as Recorded[]));
      }
      onBatch?.(report);
    }
  }

  async #crashUntil(ended: { readonly is: boolean }): Promise<void> {
    const { crashEveryMs } = this.#options;
    while (crashEveryMs !== undefined && !ended.is) {
      await new Promise((resolve) => setTimeout(resolve, YOUNG_MS + this.#random.fraction() * 2 * crashEveryMs));
      const shard = this.#random.below(SHARDS);
      if (ended.is) {
        return;
      }
      await this.#crash(shard);
      if (this.#random.oneIn(CRASH_AGAIN_ONE_IN)) {
        await this.#crash(shard);
      }
      while (!ended.is && !(await answers(this.#cache))) {}
    }
  }

  async #crash(shard: number): Promise<void> {
    await crashShard(this.#cache, shard);
    this.#report.crashes++;
  }

  #judge(history: readonly Recorded[]): void {
    const report = this.#report;
    const { crashEveryMs, lossy = crashEveryMs !== undefined } = this.#options;
    report.histories++;
    report.operations += history.length;
    for (const { kind, outcome } of history) {
      report.kinds[kind] = (report.kinds[kind] ?? 0) + 1;
      report.unknown += outcome === 'unknown' ? 1 : 0;
      report.notSent += outcome === 'not-sent' ? 1 : 0;
    }
    for (let place = 0; place < KEYS; place++) {
      const ofKey = history.filter((each) => each.place === place);
      if (!judge(ofKey, { lossy }).isLegal && ++report.violations <= STORIES_MAX) {
        report.stories.push(`history ${report.histories - 1}, key ${place}: ${explain(ofKey, { lossy })}`);
      }
    }
  }
}
