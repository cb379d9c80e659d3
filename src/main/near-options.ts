/** What a user may ask of a near cache, and what it becomes. */
import { misuse } from '../protocol/errors.ts';
import { parseSize } from './units.ts';

export interface NearCacheOptions {
  /** Entries that are kept at most. Default 10,000. */
  maxEntries?: number;
  /** Bytes of keys and values that are kept at most, as they are in the cache: a number or '64mb', the default. */
  maxBytes?: number | string;
  /**
   * What a caller gets of what is kept. 'decode' (default): a copy of his own each time, as if it had been decoded. 'freeze':
   * one frozen object for all. 'share': one object for all, which nobody should change.
   */
  copy?: 'decode' | 'freeze' | 'share';
}

export interface NearCacheConfig {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly copy: 'decode' | 'freeze' | 'share';
}

const DEFAULT_ENTRIES = 10_000;
const DEFAULT_BYTES = 64 * 1024 * 1024;
/** A Map of V8 holds no more. */
const ENTRIES_MAX = 2 ** 24;
const COPIES = ['decode', 'freeze', 'share'] as const;

/** The option `nearCache` of a client of a cache with such `reads`, checked; false for none. Throws INVALID_CONFIG. */
export function resolveNearCache(value: unknown, reads: 'shared' | 'owner'): NearCacheConfig | false {
  if (reads === 'owner' && value !== false) {
    throw nearError("false in a cache with `reads: 'owner'`, where every get is to ask the owner", value);
  }
  if (typeof value === 'boolean') {
    return value && Object.freeze({ maxEntries: DEFAULT_ENTRIES, maxBytes: DEFAULT_BYTES, copy: COPIES[0] });
  }
  if (typeof value !== 'object' || value === null) {
    throw nearError('true, false, or an object with `maxEntries`, `maxBytes` and `copy`', value);
  }
  const {
    maxEntries = DEFAULT_ENTRIES,
    maxBytes = DEFAULT_BYTES,
    copy = COPIES[0],
    ...rest
  } = value as Record<string, unknown>;
  if (!Number.isInteger(maxEntries) || (maxEntries as number) < 1 || (maxEntries as number) > ENTRIES_MAX) {
    throw nearError(`an object whose \`maxEntries\` is an integer from 1 to ${ENTRIES_MAX}`, maxEntries);
  }
  const bytes = parseSize(maxBytes);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw nearError("an object whose `maxBytes` is a whole number of bytes, or a size like '64mb'", maxBytes);
  }
  const known = COPIES.find((candidate) => candidate === copy);
  if (known === undefined) {
    throw nearError("an object whose `copy` is 'decode', 'freeze' or 'share'", copy);
  }
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw nearError('an object of `maxEntries`, `maxBytes` and `copy`', unknown);
  }
  return Object.freeze({ maxEntries: maxEntries as number, maxBytes: bytes, copy: known });
}

function nearError(expected: string, got: unknown): TypeError {
  return misuse('INVALID_CONFIG', `\`nearCache\` to be ${expected}`, got, { option: 'nearCache' });
}
