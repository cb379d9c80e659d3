/** What a shard's thread is told at birth. Plain data: it crosses a thread boundary once. */
import type { ThrownText } from './describe.ts';
import type { FilterSpec } from './filter.ts';
import type { HashSeed } from './key.ts';
import type { ShardLimits, ShardRegions } from './memory.ts';
import type { HitMode, PolicyOptions } from './policy.ts';
import type { SnapshotReply, SnapshotRequest } from './snapshot/tasks.ts';

export type PolicyName =
  | 'as3-fifo'
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

/** A policy and its settings: a built-in one, or a user's, which every shard's thread loads for itself. */
export type EvictionSpec = BuiltInEviction | CustomEviction;

export interface BuiltInEviction {
  readonly name: PolicyName;
  readonly options: PolicyOptions;
}

export interface CustomEviction {
  /** The URL of its module. */
  readonly module: string;
  /** The name of its export there. */
  readonly export: string;
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
  /** The share of keys that is followed at most, for `advise()`; false for none. */
  readonly advise: AdviseSpec | false;
  readonly tier: TierSpec | false;
}

/** The tier under the memory of all shards. */
export interface TierSpec {
  /** Whether others write to it, too. */
  readonly isShared: boolean;
  /** Whether it was empty when the cache was opened; false for owners after the first. */
  readonly isEmpty: boolean;
  /** What the wall's clock says when a clock that is turned by hand is at 0. */
  readonly wallOriginMs: number;
  readonly hashSeed: HashSeed;
  readonly shards: number;
}

export interface AdviseSpec {
  readonly sampleRate: number;
}

/** `workerData` of a shard's thread. */
export interface ShardBirth {
  /** An owner takes the memory as it is, new or left by a dead one. A mender only mends it for readers, and ends. */
  readonly role: 'owner' | 'mender';
  readonly spec: ShardSpec;
  readonly regions: ShardRegions;
  /** The hands of a clock that is turned by hand. */
  readonly time?: SharedArrayBuffer;
  /** The way to the keeper of the tier, where there is one. */
  readonly tier?: { readonly port: MessagePortLike };
}

/** What a shard's thread tells its opener. `loading` comes first where there is a user's code to load. */
export type ShardMessage = ShardLoading | ShardReady | ShardRefusal | FaultReport | ShardHere | SnapshotReply;

/** From now on it is a user's code that takes its time. */
export interface ShardLoading {
  readonly is: 'loading';
}

/** It is ready, and its policy wants hits this way. */
export interface ShardReady {
  readonly is: 'ready';
  readonly hits: HitMode;
}

/** It was hailed. */
export interface ShardHere {
  readonly is: 'here';
}

/** It never will be: the user's policy is none, INVALID_CONFIG, or failed while it was made, POLICY_ERROR. */
export interface ShardRefusal {
  readonly is: 'refusal';
  readonly code: 'INVALID_CONFIG' | 'POLICY_ERROR';
  readonly message: string;
  /** What was thrown, where anything was. */
  readonly cause?: ThrownText | undefined;
}

/** The user's policy has failed. */
export interface FaultReport {
  readonly is: 'fault';
  readonly message: string;
  readonly cause?: ThrownText | undefined;
}

/** What an owner's thread hears from the opener. */
export type OpenerMessage = ConnectMessage | HailMessage | TierMessage | SnapshotRequest;

/** The keeper of the tier was started again: this leads to it. */
export interface TierMessage {
  readonly tier: MessagePortLike;
}

/** Are you there? */
export interface HailMessage {
  readonly hail: true;
}

/** Opener to shard: a client that will call through this port and counts in this memory. */
export interface ConnectMessage {
  readonly connect: MessagePortLike;
  readonly client: SharedArrayBuffer;
  /** Where the cache gives advice: the ring of its samples. */
  readonly samples: SharedArrayBuffer | undefined;
  /** Where the lane is 'wake': what it calls in. */
  readonly wake: SharedArrayBuffer | undefined;
}

type MessagePortLike = import('node:worker_threads').MessagePort;
