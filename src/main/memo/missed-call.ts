/** A call that memory has not answered, and what comes of it. */
import type { CacheKey } from '../../protocol/cache-key.ts';

export interface MissedCall {
  readonly self: unknown;
  readonly args: readonly unknown[];
  /** As they were when the call came; undefined where there is no copy, or nobody to keep one. */
  readonly ownArgs: readonly unknown[] | undefined;
  /** What it is kept under, and in memory. */
  readonly text: string;
  readonly key: CacheKey;
  /** What tells it from all calls of all memos of this thread. */
  readonly id: string;
  /** The computations that it is part of. */
  readonly chain: readonly string[];
  /** Who has made it, where the log is to say so. */
  readonly stack: string | undefined;
}

/** Where a result came from: 'miss' for one that was computed. */
export type MemoStatus = 'memory' | 'disk' | 'miss';

/** What has come of a call. */
export interface Found {
  /** What the caller gets. */
  readonly value: unknown;
  readonly status: MemoStatus;
  /** What is kept. */
  readonly stored: unknown;
  readonly expiresAtMs: number;
}
