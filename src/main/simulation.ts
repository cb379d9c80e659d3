/**
 * `shardstash/simulation`: how often would a cache hit, without opening one.
 *
 * `simulate` plays recorded requests against many caches, each a policy with a capacity and a number of shards, on the
 * threads of a Piscina pool. The requests are put into shared memory once; a thread that is idle takes the next cell. This
 * is the only file that knows where the simulation's code lies.
 */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { misuse } from '../protocol/errors.ts';
import { columnBytes, headWords, META_EXPIRES, wordsFor } from '../protocol/memory.ts';
import {
  type CellTask,
  CHUNK_REQUESTS,
  type Counts,
  type Inspection,
  type Played,
  type Share,
  type TraceColumns,
} from '../protocol/simulation.ts';
import type { EvictionSpec, PolicyName } from '../protocol/spec.ts';
import { BUILT_IN, evictionSpecOf, policyRefusal } from './eviction.ts';
import { type CacheOptions, optionError, resolveOptions, shareLimits } from './options.ts';
import { EVER } from './units.ts';

const TASK = new URL('../worker/simulation/task.js', import.meta.url);

/** Each thread holds one cell's state; more of them than any machine has cores only take memory. */
const THREADS_MAX = 256;
const CELLS_MAX = 100_000;
/** Positions are 32-bit integers, and a gigabyte of them is enough for one process. */
export const REQUESTS_MAX = 2 ** 28;
const PROGRESS_INTERVAL_MS = 100;

/** Requests, each of which is a get and, on a miss, a set. Columns in shared memory are used as they are, others copied. */
export interface SimulatedRequests {
  /** The key of each, as a number from 0 to `keys` - 1; 2^28 requests at most. */
  readonly ids: Int32Array;
  readonly keys: number;
  /** What each would take of `maxBytes` if it were stored, as `entryBytes` says. Needed where a cell has `maxBytes`. */
  readonly sizes?: Float64Array | undefined;
  /** Seconds that each would live if it were stored, NaN for ever. Without them nothing expires. */
  readonly ttls?: Float64Array | undefined;
}

/** A cache to simulate, in the words of `openCache`. One bound at least. */
export interface SimulatedCache {
  /** A policy, or 'belady': the optimum, that knows the future; with `maxBytes` only a good guess at it. */
  readonly eviction: CacheOptions['eviction'] | 'belady';
  readonly maxEntries?: number | undefined;
  readonly maxBytes?: number | string | undefined;
  /** Default 1. */
  readonly shards?: number | undefined;
  /** For policies that draw lots. Default 0. */
  readonly seed?: number | undefined;
}

export interface SimulateOptions {
  /** Default: one for each core. */
  readonly threads?: number | undefined;
  /** How fast the clock goes that `ttls` are on. Default: as if all requests came at once. */
  readonly requestsPerSecond?: number | undefined;
  /** Ends the threads; the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told ten times a second which share of all the work is done. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

export interface SimulationResult {
  readonly requests: number;
  readonly hits: number;
  readonly misses: number;
  /** 0 of no requests. */
  readonly hitRatio: number;
  /** The same of the bytes that were requested; undefined without `sizes`. */
  readonly byteHitRatio: number | undefined;
  readonly evictions: number;
  readonly expirations: number;
  /** Misses that the policy did not let in. */
  readonly refused: number;
  /** Misses that were larger than a shard, and so not stored. */
  readonly tooLarge: number;
  /** What is in the cache at the end. */
  readonly entries: number;
  readonly bytes: number | undefined;
}

/** The built-in policies that can be simulated: all that evict. */
export const simulatedPolicies: readonly PolicyName[] = BUILT_IN.filter((name) => name !== 'none');

/** The one that a cache has unless told otherwise. */
export const defaultPolicy = resolveOptions().eviction as PolicyName;

/**
 * Plays the requests against each of the caches and resolves to what each did, in their order.
 *
 * The rule is that of a cold cache: every request is a get, and on a miss a set of the same key, one after the other. An
 * entry is charged the size it had when it was stored; what is larger than a shard is not stored. An entry that has expired
 * leaves when it is asked for or has to make room.
 *
 * A policy of your own is simulated like any other; one that breaks its contract ends the simulation with POLICY_ERROR.
 *
 * Throws INVALID_CONFIG and UNKNOWN_PLUGIN as `openCache` does.
 *
 * @example
 * const ids = Int32Array.of(0, 1, 0, 2, 0, 1); // user:1, user:2, user:1, ...
 * const [lru, best] = await simulate({ ids, keys: 3 }, [
 *   { eviction: 'lru', maxEntries: 2 },
 *   { eviction: 'belady', maxEntries: 2 },
 * ]);
 * console.log(lru.hitRatio <= best.hitRatio); // true
 */
export async function simulate(
  requests: SimulatedRequests,
  caches: readonly SimulatedCache[],
  {
    threads = Math.min(THREADS_MAX, availableParallelism()),
    requestsPerSecond = EVER,
    signal,
    onProgress,
  }: SimulateOptions = {},
): Promise<SimulationResult[]> {
  checkRequests(requests);
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= THREADS_MAX)) {
    throw optionError('threads', `an integer from 1 to ${THREADS_MAX}`, threads);
  }
  if (!(requestsPerSecond > 0)) {
    throw optionError('requestsPerSecond', 'a positive number', requestsPerSecond);
  }
  if (caches.length > CELLS_MAX) {
    throw optionError('caches', `at most ${CELLS_MAX} caches`, caches.length);
  }
  const cells = caches.map((cache) => resolveCell(cache, requests.sizes !== undefined));
  signal?.throwIfAborted();
  if (cells.length === 0) {
    return [];
  }
  const trace = share(
    requests,
    cells.some(({ eviction }) => eviction === undefined),
  );
  const most = Math.min(threads, cells.length);
  const chunksPlayed = new Int32Array(new SharedArrayBuffer(4));
  const pool = new Piscina<TraceColumns | CellTask>({ filename: TASK.href, minThreads: most, maxThreads: most });
  const told = tellProgress(onProgress, chunksPlayed, cells.length * Math.floor(requests.ids.length / CHUNK_REQUESTS));
  const abort = () => void pool.destroy();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const inspection: Inspection = await pool.run(trace, { name: 'inspect' });
    if ('wrong' in inspection) {
      throw misuse('INVALID_CONFIG', '`requests` that fit together', inspection.wrong, { option: 'requests' });
    }
    const tasks = cells.map((cell) => ({ ...cell, trace, requestsPerSecond, chunksPlayed, ...inspection }));
    const counts = await runAll(pool, tasks, most);
    return counts.map((each) => resultOf(each, trace.sizes !== undefined));
  } catch (error) {
    // A thread that is ended rejects its task with an error of the pool's.
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    clearInterval(told);
    await pool.destroy();
  }
}

/** What an entry takes of `maxBytes`: its key as a string of Latin-1, its value as the serializer wrote it, and the rest. */
export function entryBytes(keyBytes: number, valueBytes: number, expires = false): number {
  const meta = expires ? META_EXPIRES : 0;
  const words = headWords(meta) + wordsFor(keyBytes) + Math.ceil(valueBytes / 4);
  return Math.ceil(words / 2) * 8 + columnBytes(meta);
}

interface Cell {
  readonly eviction: EvictionSpec | undefined;
  readonly shares: readonly Share[];
  readonly seed: number;
}

function checkRequests({ ids, keys, sizes, ttls }: SimulatedRequests): void {
  if (!(ids instanceof Int32Array) || ids.length > REQUESTS_MAX) {
    throw optionError('ids', `an Int32Array of at most ${REQUESTS_MAX} requests`, ids);
  }
  if (!Number.isInteger(keys) || keys < 0 || keys > 2 ** 31) {
    throw optionError('keys', 'a number of different keys', keys);
  }
  for (const [name, column] of Object.entries({ sizes, ttls })) {
    if (column !== undefined && !(column instanceof Float64Array && column.length === ids.length)) {
      throw optionError(name, `a Float64Array of ${ids.length} elements, one for each request`, column);
    }
  }
}

function resolveCell({ eviction, maxEntries, maxBytes, shards = 1, seed = 0 }: SimulatedCache, sized: boolean): Cell {
  if (maxEntries === undefined && maxBytes === undefined) {
    throw optionError('maxEntries', 'given, or `maxBytes`', maxEntries);
  }
  if (maxBytes !== undefined && !sized) {
    throw optionError('sizes', 'given where a cache has `maxBytes`', undefined);
  }
  const isOptimum = eviction === 'belady';
  const config = resolveOptions({
    shards,
    seed,
    ...(maxEntries === undefined ? {} : { maxEntries }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(isOptimum || eviction === undefined ? {} : { eviction }),
  });
  const spec = evictionSpecOf(config.eviction);
  if (!isOptimum && 'name' in spec && !simulatedPolicies.includes(spec.name)) {
    throw optionError('eviction', 'a policy that evicts', spec.name);
  }
  return {
    eviction: isOptimum ? undefined : spec,
    shares: shareLimits(config).map((limits) => (maxBytes === undefined ? { ...limits, bytesMax: EVER } : limits)),
    seed,
  };
}

function share({ ids, keys, sizes, ttls }: SimulatedRequests, needsNextUses: boolean): TraceColumns {
  return {
    ids: isShared(ids) ? ids : copied(ids, Int32Array),
    keys,
    sizes: sizes === undefined || isShared(sizes) ? sizes : copied(sizes, Float64Array),
    ttls: ttls === undefined || isShared(ttls) ? ttls : copied(ttls, Float64Array),
    nextUses: needsNextUses ? new Int32Array(new SharedArrayBuffer(ids.length * 4)) : undefined,
  };
}

function isShared({ buffer }: Int32Array | Float64Array): boolean {
  return buffer instanceof SharedArrayBuffer;
}

function copied<Column extends Int32Array | Float64Array>(
  from: Column,
  Type: new (buffer: SharedArrayBuffer) => Column,
): Column {
  const column = new Type(new SharedArrayBuffer(from.byteLength));
  column.set(from);
  return column;
}

/** As many tasks at a time as there are threads, so that the pool never queues. Those of the largest caches come first. */
async function runAll(
  pool: Piscina<TraceColumns | CellTask>,
  tasks: readonly CellTask[],
  most: number,
): Promise<Counts[]> {
  const results = new Array<Counts>(tasks.length);
  const order = tasks.map((_, i) => i).sort((one, other) => capacityOf(tasks[other]) - capacityOf(tasks[one]));
  let next = 0;
  const work = async () => {
    for (let at = order[next++]; at !== undefined; at = order[next++]) {
      const played: Played = await pool.run(tasks[at] as CellTask);
      if ('is' in played) {
        throw policyRefusal(played);
      }
      results[at] = played;
    }
  };
  await Promise.all(Array.from({ length: most }, work));
  return results;
}

/** Entries that fit at most. */
function capacityOf(task: CellTask | undefined): number {
  const { shares = [], sizeMin = 1 } = task ?? {};
  return shares.reduce(
    (sum, { entriesMax, bytesMax }) => sum + Math.min(entriesMax, bytesMax / Math.max(1, sizeMin)),
    0,
  );
}

function tellProgress(
  onProgress: SimulateOptions['onProgress'],
  chunksPlayed: Int32Array,
  chunks: number,
): NodeJS.Timeout | undefined {
  return (
    onProgress &&
    setInterval(() => onProgress(chunks === 0 ? 0 : Atomics.load(chunksPlayed, 0) / chunks), PROGRESS_INTERVAL_MS)
  );
}

function resultOf(counts: Counts, sized: boolean): SimulationResult {
  const { requests, hits, bytesRequested, bytesHit, bytes, ...rest } = counts;
  return {
    requests,
    hits,
    misses: requests - hits,
    hitRatio: requests === 0 ? 0 : hits / requests,
    byteHitRatio: sized ? (bytesRequested === 0 ? 0 : bytesHit / bytesRequested) : undefined,
    ...rest,
    bytes: sized ? bytes : undefined,
  };
}
