/** What a shard's thread is told at birth. Plain data: it crosses a thread boundary once. */
import type { ShardLimits, ShardRegions } from './memory.ts';

export type PolicyName = 'lru' | 'fifo' | 'random' | 'sieve' | 'none';

/** How a policy learns of hits: not at all, from the byte that readers store, or in order from their rings. */
export type HitMode = 'none' | 'byte' | 'ring';

export interface ShardSpec {
  readonly shard: number;
  readonly limits: ShardLimits;
  readonly eviction: PolicyName;
}

/** `workerData` of a shard's thread. */
export interface ShardBirth {
  readonly spec: ShardSpec;
  readonly regions: ShardRegions;
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
