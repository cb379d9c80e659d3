/** Until when a stored value lives: a deadline by the wall clock, since it outlives the process that set it. */
import { misuse } from '../../protocol/errors.ts';
import { deadlineOf, openRecord } from '../../protocol/record.ts';
import { assertOptions } from '../codec/known-options.ts';
import { EVER, parseDuration } from '../units.ts';

export interface StoreSetOptions {
  /** Milliseconds, or text like '30s', '10m', '7d'; null for ever, which is the default. */
  readonly ttl?: number | string | null | undefined;
}

const KNOWN = ['ttl'];

/** Milliseconds since 1970, Infinity for ever. Throws INVALID_TTL, or INVALID_CONFIG for other options. */
export function deadlineFor(options: StoreSetOptions | undefined): number {
  if (options === undefined) {
    return EVER;
  }
  assertOptions(options, KNOWN);
  return options.ttl === undefined ? EVER : deadlineIn(options.ttl);
}

/** The same, of a ttl. */
export function deadlineIn(ttl: unknown): number {
  if (ttl === null || ttl === EVER) {
    return EVER;
  }
  const ms = parseDuration(ttl);
  if (!(ms > 0)) {
    throw misuse('INVALID_TTL', "`ttl` to be a positive number of milliseconds, text like '30s', or null", ttl);
  }
  return Date.now() + ms;
}

/** What is damaged has not: its deadline may be what was damaged, and whoever reads it is to be told. */
export function hasExpired(record: Uint8Array): boolean {
  const deadline = deadlineOf(record);
  // No clock is read for what lives for ever.
  return deadline !== EVER && Date.now() >= deadline && isWhole(record);
}

function isWhole(record: Uint8Array): boolean {
  try {
    openRecord(record);
    return true;
  } catch {
    // Told by the call that decodes it.
    return false;
  }
}
