/** What `simulate` may be told, and every mistake in it: all are told by a TypeError with a code, before a thread starts. */
import { availableParallelism } from 'node:os';
import type { Share } from '../protocol/simulation.ts';
import type { EvictionSpec, PolicyName } from '../protocol/spec.ts';
import { BUILT_IN, evictionSpecOf } from './eviction.ts';
import { optionError, unknownOption } from './option-errors.ts';
import { type CacheOptions, resolveOptions, shareLimits } from './options.ts';
import { EVER } from './units.ts';

/** Each thread holds one cell's state; more of them than any machine has cores only take memory. */
const THREADS_MAX = 256;
const CELLS_MAX = 100_000;
/** Positions are 32-bit integers, and a gigabyte of them is enough for one process. */
export const REQUESTS_MAX = 2 ** 28;
const KEYS_MAX = 2 ** 31;

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
  /** Told ten times a second which share of all the work is done. What it throws ends the simulation. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

const KNOWN_REQUESTS = ['ids', 'keys', 'sizes', 'ttls'];
const KNOWN_CACHE = ['eviction', 'maxEntries', 'maxBytes', 'shards', 'seed'];
const KNOWN_OPTIONS = ['threads', 'requestsPerSecond', 'signal', 'onProgress'];

/** The built-in policies that can be simulated: all that evict. */
export const simulatedPolicies: readonly PolicyName[] = BUILT_IN.filter((name) => name !== 'none');

/** A cache as the threads are told of it. */
export interface Cell {
  /** Undefined for the optimum. */
  readonly eviction: EvictionSpec | undefined;
  readonly shares: readonly Share[];
  readonly seed: number;
}

export interface SimulateConfig {
  readonly threads: number;
  readonly requestsPerSecond: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: SimulateOptions['onProgress'];
}

/** Throws INVALID_CONFIG where the columns do not fit together. What is in them is for a thread to see. */
export function checkRequests(requests: SimulatedRequests): void {
  checkNames('requests', requests, KNOWN_REQUESTS);
  const { ids, keys, sizes, ttls } = requests;
  if (!(ids instanceof Int32Array) || ids.length > REQUESTS_MAX || isDetached(ids)) {
    throw optionError('ids', `an Int32Array of at most ${REQUESTS_MAX} requests`, ids);
  }
  if (!Number.isInteger(keys) || keys < 0 || keys > KEYS_MAX) {
    throw optionError('keys', 'a number of different keys', keys);
  }
  for (const [name, column] of Object.entries({ sizes, ttls })) {
    const fits = column instanceof Float64Array && column.length === ids.length && !isDetached(column);
    if (column !== undefined && !fits) {
      throw optionError(name, `a Float64Array of ${ids.length} elements, one for each request`, column);
    }
  }
}

/** The defaults, and what is given. Throws INVALID_CONFIG. */
export function resolveSimulateOptions(options: SimulateOptions = {}): SimulateConfig {
  checkNames('options', options, KNOWN_OPTIONS);
  const { threads = Math.min(THREADS_MAX, availableParallelism()), requestsPerSecond = EVER } = options;
  const { signal, onProgress } = options;
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= THREADS_MAX)) {
    throw optionError('threads', `an integer from 1 to ${THREADS_MAX}`, threads);
  }
  if (!(typeof requestsPerSecond === 'number' && requestsPerSecond > 0)) {
    throw optionError('requestsPerSecond', 'a positive number', requestsPerSecond);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw optionError('signal', 'an AbortSignal', signal);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw optionError('onProgress', 'a function', onProgress);
  }
  return { threads, requestsPerSecond, signal, onProgress };
}

/** Throws INVALID_CONFIG and UNKNOWN_PLUGIN. */
export function resolveCells(caches: readonly SimulatedCache[], sized: boolean): Cell[] {
  if (!Array.isArray(caches) || caches.length > CELLS_MAX) {
    throw optionError('caches', `an array of at most ${CELLS_MAX} caches`, caches);
  }
  // A hole is no cache: `map` would pass it over.
  return Array.from(caches as readonly SimulatedCache[], (cache) => resolveCell(cache, sized));
}

function resolveCell(cache: SimulatedCache, sized: boolean): Cell {
  checkNames('caches', cache, KNOWN_CACHE);
  const { eviction, maxEntries, maxBytes, shards = 1, seed = 0 } = cache;
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

function checkNames(option: string, given: unknown, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw optionError(option, `an object of ${known.map((name) => `\`${name}\``).join(', ')}`, given);
  }
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw unknownOption(unknown, known);
  }
}

/** Of memory that was given away nothing can be read, though it looks like none. */
function isDetached({ buffer }: Int32Array | Float64Array): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}
