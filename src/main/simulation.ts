/**
 * `shardstash/simulation`: how often would a cache hit, without opening one.
 *
 * `simulate` plays recorded requests against many caches, each a policy with a capacity and a number of shards, on the
 * threads of a Piscina pool. The requests are put into shared memory once; a thread that is idle takes the next cell. This
 * is the only file that knows where the simulation's code lies.
 */
import { Piscina } from 'piscina';
import { misuse } from '../protocol/errors.ts';
import { columnBytes, headWords, META_EXPIRES, wordsFor } from '../protocol/memory.ts';
import {
  type CellTask,
  CHUNK_REQUESTS,
  type Counts,
  type Inspection,
  type Played,
  type TraceColumns,
} from '../protocol/simulation.ts';
import type { PolicyName } from '../protocol/spec.ts';
import { policyRefusal } from './eviction.ts';
import { resolveOptions } from './options.ts';
import {
  type Cell,
  checkRequests,
  REQUESTS_MAX,
  resolveCells,
  resolveSimulateOptions,
  type SimulateConfig,
  type SimulatedCache,
  type SimulatedRequests,
  type SimulateOptions,
  simulatedPolicies,
} from './simulation-options.ts';

const TASK = new URL('../worker/simulation/task.js', import.meta.url);

const PROGRESS_INTERVAL_MS = 100;
/** As V8 says that there is no memory for an array, or that none may be so large. */
const OUT_OF_MEMORY = /allocation failed|invalid (typed )?array (buffer )?length/i;

export type { SimulatedCache, SimulatedRequests, SimulateOptions };
export { REQUESTS_MAX, simulatedPolicies };

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

/** The one that a cache has unless told otherwise. */
export const defaultPolicy = resolveOptions().eviction as PolicyName;

/** How many shards a cache has unless told otherwise, on this machine. */
export function defaultShards(maxEntries?: number): number {
  return resolveOptions(maxEntries === undefined ? {} : { maxEntries }).shards;
}

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
  options: SimulateOptions = {},
): Promise<SimulationResult[]> {
  checkRequests(requests);
  const config = resolveSimulateOptions(options);
  const cells = resolveCells(caches, requests.sizes !== undefined);
  config.signal?.throwIfAborted();
  if (cells.length === 0) {
    return [];
  }
  try {
    return await playAll(requests, cells, config);
  } catch (error) {
    // A thread that is ended rejects its task with an error of the pool's.
    config.signal?.throwIfAborted();
    throw isOutOfMemory(error) ? tooLarge(error) : error;
  }
}

async function playAll(
  requests: SimulatedRequests,
  cells: readonly Cell[],
  { threads, requestsPerSecond, signal, onProgress }: SimulateConfig,
): Promise<SimulationResult[]> {
  const trace = share(
    requests,
    cells.some(({ eviction }) => eviction === undefined),
  );
  const most = Math.min(threads, cells.length);
  const chunksPlayed = new Int32Array(new SharedArrayBuffer(4));
  const pool = new Piscina<TraceColumns | CellTask>({ filename: TASK.href, minThreads: most, maxThreads: most });
  const stop = () => void pool.destroy();
  const progress = new Told(
    onProgress,
    chunksPlayed,
    cells.length * Math.floor(trace.ids.length / CHUNK_REQUESTS),
    stop,
  );
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const inspection: Inspection = await pool.run(trace, { name: 'inspect' });
    if ('wrong' in inspection) {
      throw misuse('INVALID_CONFIG', '`requests` that fit together', inspection.wrong, { option: 'requests' });
    }
    const tasks = cells.map((cell) => ({ ...cell, trace, requestsPerSecond, chunksPlayed, ...inspection }));
    const counts = await runAll(pool, tasks, most);
    return counts.map((each) => resultOf(each, trace.sizes !== undefined));
  } catch (error) {
    throw progress.fault === undefined ? error : progress.fault.thrown;
  } finally {
    signal?.removeEventListener('abort', stop);
    progress.end();
    await pool.destroy();
  }
}

/** What an entry takes of `maxBytes`: its key as a string of Latin-1, its value as the serializer wrote it, and the rest. */
export function entryBytes(keyBytes: number, valueBytes: number, expires = false): number {
  const meta = expires ? META_EXPIRES : 0;
  const words = headWords(meta) + wordsFor(keyBytes) + Math.ceil(valueBytes / 4);
  return Math.ceil(words / 2) * 8 + columnBytes(meta);
}

function share({ ids, keys, sizes, ttls }: SimulatedRequests, needsNextUses: boolean): TraceColumns {
  return {
    ids: shared(ids, Int32Array),
    keys,
    sizes: sizes && shared(sizes, Float64Array),
    ttls: ttls && shared(ttls, Float64Array),
    nextUses: needsNextUses ? new Int32Array(new SharedArrayBuffer(ids.length * 4)) : undefined,
  };
}

/** A view of as many elements as there are now: shared memory may grow under a view that follows it. */
function shared<Column extends Int32Array | Float64Array>(
  from: Column,
  Type: new (buffer: SharedArrayBuffer, offset?: number, length?: number) => Column,
): Column {
  if (from.buffer instanceof SharedArrayBuffer) {
    return new Type(from.buffer, from.byteOffset, from.length);
  }
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

/** Tells how far it is, until it ends or the listener throws; then `fault` is what was thrown, and `stop` was called. */
class Told {
  fault: { readonly thrown: unknown } | undefined;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(onProgress: SimulateOptions['onProgress'], chunksPlayed: Int32Array, chunks: number, stop: () => void) {
    const fail = (thrown: unknown) => {
      this.end();
      this.fault ??= { thrown };
      stop();
    };
    const tell = async () => onProgress?.(chunks === 0 ? 0 : Atomics.load(chunksPlayed, 0) / chunks);
    // A listener may be a function that promises: a rejection that nobody hears would end the process, too.
    this.#timer = onProgress && setInterval(() => void tell().catch(fail), PROGRESS_INTERVAL_MS);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

function isOutOfMemory(error: unknown): error is RangeError {
  return error instanceof RangeError && OUT_OF_MEMORY.test(error.message);
}

function tooLarge(cause: RangeError): TypeError {
  const message = `These requests and caches take more memory than there is (${cause.message}). Simulate fewer requests at a time, or use fewer \`threads\``;
  return Object.assign(new TypeError(message, { cause }), { code: 'INVALID_CONFIG', option: 'requests' });
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
