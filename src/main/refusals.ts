/** What a lane rejects calls with, beside what a shard answers. */
import { CacheError, type CacheErrorCode, type Outcome } from '../protocol/errors.ts';
import type { Backlog } from './backlog.ts';
import type { Call } from './call.ts';

/** Why nobody will answer. */
export interface End {
  readonly code: CacheErrorCode;
  readonly message: string;
  readonly cause: unknown;
}

export function ended(shard: number, { key }: Call, outcome: Outcome, { code, message, cause }: End): CacheError {
  return new CacheError(code, `Shard ${shard} ${message}`, { key, shard, outcome, cause });
}

export function timedOut(shard: number, { key }: Call, timeoutMs: number, outcome: Outcome): CacheError {
  const rest = outcome === 'unknown' ? 'a write may still be applied' : 'the call was not sent';
  const message = `Shard ${shard} did not answer within ${timeoutMs} ms; ${rest}`;
  return new CacheError('TIMEOUT', message, { key, shard, outcome });
}

export function overloaded(shard: number, { key }: Call, { calls, bytes }: Backlog): CacheError {
  const message =
    `Shard ${shard} has ${calls} calls of ${bytes} bytes waiting. ` +
    'Await earlier calls first, or raise `maxPendingCalls` and `maxPendingBytes`';
  return new CacheError('OVERLOADED', message, { key, shard, outcome: 'not-sent' });
}
