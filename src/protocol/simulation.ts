/** What the thread that asks for simulations and the threads that run them agree on. Plain data and shared memory. */
import type { EvictionSpec, ShardRefusal } from './spec.ts';

/** What a simulation counts, whatever decides there what leaves. */
export interface Counts {
  readonly requests: number;
  readonly hits: number;
  /** The sizes of all requests, and of those that hit. */
  readonly bytesRequested: number;
  readonly bytesHit: number;
  readonly evictions: number;
  readonly expirations: number;
  /** Misses that were not stored because the policy would not have it, and because they are larger than the cache. */
  readonly refused: number;
  readonly tooLarge: number;
  /** What is in the cache at the end. */
  readonly entries: number;
  readonly bytes: number;
}

/** What became of a cell: its counts, or that a user's policy would not do. */
export type Played = Counts | ShardRefusal;

/** The requests of a trace as columns in shared memory, one element a request. */
export interface TraceColumns {
  /** Which key, from 0 to `keys` - 1. */
  readonly ids: Int32Array;
  readonly keys: number;
  /** What each would take if it were stored; undefined where every entry counts as 1. */
  readonly sizes: Float64Array | undefined;
  /** Seconds to live if it were stored, NaN for ever; undefined where nothing expires. */
  readonly ttls: Float64Array | undefined;
  /** Where each key is requested next. Written by the first task, if anybody wants it. */
  readonly nextUses: Int32Array | undefined;
}

/** What the first task found in the columns: the smallest size, or what is wrong with them. */
export type Inspection = { readonly sizeMin: number } | { readonly wrong: string };

/** What a part of the cache may hold. */
export interface Share {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** One policy at one capacity over the whole trace. */
export interface CellTask {
  readonly trace: TraceColumns;
  /** Undefined for the optimum. */
  readonly eviction: EvictionSpec | undefined;
  /** One for each shard. */
  readonly shares: readonly Share[];
  readonly sizeMin: number;
  readonly seed: number;
  /** How fast the clock goes that entries expire on. */
  readonly requestsPerSecond: number;
  /** One word of shared memory that counts the chunks of CHUNK_REQUESTS that any task has played. */
  readonly chunksPlayed: Int32Array;
}

/** Progress is told this often: a few milliseconds of work. */
export const CHUNK_REQUESTS = 65_536;
