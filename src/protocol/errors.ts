/**
 * Every error a user can meet, by code. Misuse of the API is a TypeError with a `code`; what the world does to a cache
 * is a CacheError. The shards report theirs as plain records in a reply, since a thread hop would strip class and code.
 */

import type { CacheKey } from './cache-key.ts';
import { describe } from './describe.ts';

export type MisuseCode =
  | 'INVALID_CONFIG'
  | 'INVALID_KEY'
  | 'INVALID_TTL'
  | 'SERIALIZATION_ERROR'
  | 'REENTRANT_CALL'
  | 'UNKNOWN_PLUGIN'
  | 'DUPLICATE_PLUGIN';

export type CacheErrorCode =
  | 'KEY_NOT_FOUND'
  | 'KEY_EXPIRED'
  | 'KEY_EXISTS'
  | 'VALUE_TOO_LARGE'
  | 'CACHE_FULL'
  | 'OVERLOADED'
  | 'TIMEOUT'
  | 'BUSY'
  | 'SHARD_DOWN'
  | 'SHARD_FAILED'
  | 'CACHE_CLOSED'
  | 'POLICY_ERROR'
  | 'COMPUTE_ERROR'
  | 'FILTER_ERROR'
  | 'CACHE_SAVE_ERROR'
  | 'CACHE_LOAD_ERROR'
  | 'CACHE_METRICS_SAVE_ERROR'
  | 'PROTOCOL_ERROR'
  | StoreErrorCode;

/** What a store can meet: its medium fails, its bytes are damaged or somebody else's, or it is in use. */
export type StoreErrorCode =
  | 'ENGINE_ERROR'
  | 'STORE_CORRUPT'
  | 'STORE_FOREIGN'
  | 'STORE_CLOSED'
  | 'LOCKED'
  | 'MISSING_DEPENDENCY';

/** Whether a failed write may have been applied: `not-sent` certainly was not. */
export type Outcome = 'unknown' | 'not-sent';

export interface CacheErrorDetails {
  readonly key?: CacheKey | undefined;
  readonly shard?: number | undefined;
  readonly outcome?: Outcome | undefined;
  /** Of the file, folder or server that the error of a store or of a snapshot is about. */
  readonly path?: string | undefined;
  readonly cause?: unknown;
}

/**
 * A fault that correct code can meet. `code` is stable; `shard`, `key`, `outcome` and `path` are there where they are known.
 */
export class CacheError extends Error {
  readonly code: CacheErrorCode;
  // Declared only: what is not known is no property, and does not show when an error is printed.
  declare readonly key?: CacheKey;
  declare readonly shard?: number;
  declare readonly outcome?: Outcome;
  declare readonly path?: string;

  constructor(code: CacheErrorCode, message: string, details: CacheErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    if (details.key !== undefined) this.key = details.key;
    if (details.shard !== undefined) this.shard = details.shard;
    if (details.outcome !== undefined) this.outcome = details.outcome;
    if (details.path !== undefined) this.path = details.path;
  }

  /** The same as `path`. */
  get filepath(): string | undefined {
    return this.path;
  }

  static {
    CacheError.prototype.name = 'CacheError';
  }
}

/** An error as a reply frame carries it. */
export interface ErrorRecord {
  readonly code: CacheErrorCode;
  readonly message: string;
}

/** A programmer's mistake: what was expected, and what came. */
export function misuse(code: MisuseCode, expected: string, got: unknown, extra: object = {}): TypeError {
  return Object.assign(new TypeError(`Expected ${expected}, got ${describe(got)}`), { code }, extra);
}
