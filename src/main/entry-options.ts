/** What a caller may ask for of a value that is to be stored, and what a record carries of that. */
import { FLAG_SLIDING } from '../protocol/operations.ts';
import type { CallOptions } from './call.ts';
import type { TaskModule } from './compute.ts';
import type { LeaseWish } from './flights.ts';
import { optionError } from './option-errors.ts';
import { type CacheConfig, flagOr, resolveTimeout, resolveTtl } from './options.ts';
import { EVER, parseDuration } from './units.ts';

export interface SetOptions extends CallOptions {
  /** Milliseconds, '30s', or null for ever; overrides the cache's `ttl`. */
  ttl?: number | string | null;
  /** Whether every read lets the entry live for its ttl again; overrides the cache's `sliding`. */
  sliding?: boolean;
}

export interface UpdateOptions extends SetOptions {
  /** The new value lives as long as the old one would have. */
  keepTtl?: boolean;
}

export interface IncrementOptions extends SetOptions {
  /** What to begin with where there is no entry, default 0. `ttl` and `sliding` are for the entry that is born then. */
  initial?: number;
}

export interface ComputeOptions extends SetOptions {
  /**
   * For how long after its ttl the value may still be served by `getOrSet`, while one caller computes it anew behind
   * everybody's back, and when that fails: milliseconds, '10m'. For every other method it has expired. Default 0.
   */
  grace?: number | string;
  /** The share of the ttl, from 0 to 1, that is taken off by lot, so that what was stored together expires apart. Default 0. */
  jitter?: number;
  /** How long the computation may hold the key before the next who asks may try; overrides the cache's `leaseTimeout`. */
  leaseTimeout?: number | string;
}

export interface TaskOptions extends ComputeOptions {
  /** The function that makes the value, run with `args` in a thread of the cache's `compute` pool. */
  task: TaskModule;
}

/** The ttl in ms as a record carries it: 0 for ever. Throws INVALID_TTL. */
export function ttlOf(config: CacheConfig, options: SetOptions | undefined): number {
  const ttlMs = options === undefined ? config.ttl : resolveTtl(options.ttl, config.ttl);
  return ttlMs === EVER ? 0 : ttlMs;
}

/** FLAG_SLIDING or 0. */
export function slidingFlag(config: CacheConfig, options: SetOptions | undefined): number {
  return flagOr('sliding', options?.sliding, config.sliding) ? FLAG_SLIDING : 0;
}

/** What `getOrSet` asks a shard for. Throws INVALID_CONFIG or INVALID_TTL. */
export function leaseWishOf(config: CacheConfig, options: ComputeOptions | undefined): LeaseWish {
  const ttlMs = ttlOf(config, options);
  const flags = slidingFlag(config, options);
  if (options === undefined) {
    return { ttlMs, flags, leaseMs: config.leaseTimeout, graceMs: 0 };
  }
  const { grace, jitter = 0, leaseTimeout } = options;
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1)) {
    throw optionError('jitter', 'a number from 0 to 1', jitter);
  }
  return {
    // Not to nothing, which would be for ever.
    ttlMs: ttlMs === 0 || jitter === 0 ? ttlMs : Math.max(1, ttlMs * (1 - jitter * Math.random())),
    flags,
    leaseMs: resolveTimeout(leaseTimeout, config.leaseTimeout, 'leaseTimeout'),
    graceMs: resolveGrace(grace),
  };
}

function resolveGrace(grace: unknown): number {
  const ms = grace === undefined ? 0 : parseDuration(grace);
  if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) {
    throw optionError('grace', "a number of milliseconds of at least 0, or a duration like '10m'", grace);
  }
  return ms;
}
