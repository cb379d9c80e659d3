/** Until when a stored value lives: a deadline by the wall clock, since it outlives the process that set it. */
import { misuse } from '../../protocol/errors.ts';
import { deadlineOf } from '../../protocol/record.ts';
import { EVER, parseDuration } from '../units.ts';

export interface StoreSetOptions {
  /** Milliseconds, or text like '30s', '10m', '7d'. Default: for ever. */
  readonly ttl?: number | string | undefined;
}

/** Milliseconds since 1970, Infinity for ever. Throws INVALID_TTL. */
export function deadlineFor(ttl: unknown): number {
  if (ttl === undefined || ttl === EVER) {
    return EVER;
  }
  const ms = parseDuration(ttl);
  if (!(ms > 0)) {
    throw misuse('INVALID_TTL', "`ttl` to be a positive number of milliseconds, or text like '30s'", ttl);
  }
  return Date.now() + ms;
}

export function hasExpired(record: Uint8Array): boolean {
  const deadline = deadlineOf(record);
  // No clock is read for what lives for ever.
  return deadline !== EVER && Date.now() >= deadline;
}
