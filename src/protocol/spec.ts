/** What a shard's thread is told at birth. Plain data: it crosses a thread boundary once. */
import type { FilterSpec } from './filter.ts';
import type { ShardLimits, ShardRegions } from './memory.ts';
import type { HitMode, PolicyOptions } from './policy.ts';

export type PolicyName =
  | 's3-fifo-adaptive'
  | 's3-fifo'
  | 'w-tinylfu'
  | 'arc'
  | 'sieve'
  | 'clock'
  | 'lru'
  | 'lfu'
  | 'mfu'
  | 'fifo'
  | 'random'
  | 'none';

/** A policy and its settings. */
export interface EvictionSpec {
  readonly name: PolicyName;
  readonly options: PolicyOptions;
}

export interface ShardSpec {
  readonly shard: number;
  readonly limits: ShardLimits;
  readonly eviction: EvictionSpec;
  /** The region of the filter was reserved for this one. */
  readonly filter: FilterSpec | false;
  /** For what draws lots; the same seed and the same calls give the same victims. */
  readonly seed: number;
  /** What has expired is swept this often at most; Infinity for never. */
  readonly sweepIntervalMs: number;
}

/** `workerData` of a shard's thread. */
export interface ShardBirth {
  readonly spec: ShardSpec;
  readonly regions: ShardRegions;
  /** The hands of a clock that is turned by hand. */
  readonly time?: SharedArrayBuffer;
}

/** First message of the shard's thread: it is ready, and its policy wants hits this way. */
export interface ShardReady {
  readonly ready: true;
  readonly hits: HitMode;
}

/** Opener to shard: a client that will call through this port and counts in this memory. */
export interface ConnectMessage {
  readonly connect: MessagePortLike;
  readonly client: SharedArrayBuffer;
}

type MessagePortLike = import('node:worker_threads').MessagePort;
