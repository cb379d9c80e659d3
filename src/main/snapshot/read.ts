/** The entries of a snapshot, one after the other, for programs that want them without a cache. */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { describe } from '../../protocol/describe.ts';
import { CacheError } from '../../protocol/errors.ts';
import type { SnapshotEntry } from '../../protocol/snapshot/entry.ts';
import type { ValueCodec } from '../serializers/index.ts';
import { codecOf, openSnapshot, type SnapshotPlaceOptions } from './snapshot-at.ts';

export interface ReadEntry {
  readonly key: CacheKey;
  readonly value: unknown;
  /** Milliseconds since 1970, Infinity for ever. */
  readonly expiresAt: number;
  /** For how long a read lets it live on, in ms; 0 where it does not slide. */
  readonly slide: number;
  /** For how long it may be served when it has expired, in ms; 0 for not at all. */
  readonly grace: number;
}

/**
 * All entries, coldest first, those that have expired, too. Each block is checked before its first entry comes, so what has come is
 * what was saved. Rejects with CACHE_LOAD_ERROR for what is damaged or cannot be read, and with INVALID_CONFIG where the snapshot was
 * saved with a serializer of your own that was not given.
 *
 * @example
 * for await (const { key, value } of readSnapshot('cache_storage/cache_data.snapshot')) console.log(key, value);
 */
export async function* readSnapshot(path: string, options: SnapshotPlaceOptions = {}): AsyncGenerator<ReadEntry> {
  const snapshot = await openSnapshot(path, options);
  const codec = codecOf(snapshot);
  for await (const batch of snapshot.batches()) {
    for (const entry of batch) yield readEntry(entry, codec);
  }
}

/** To be shown: without a codec its value is how long it is. Throws what is wrong with the value, with its key. */
export function readEntry(entry: SnapshotEntry, codec: ValueCodec | undefined): ReadEntry {
  const { key, tag, value } = entry;
  try {
    const shown = codec === undefined ? `${value.length} bytes` : codec.decode(tag, value, value.length);
    return { key, value: shown, ...timesOf(entry) };
  } catch (cause) {
    const message = `The value of ${keyText(key)} cannot be read: ${(cause as Error).message}`;
    throw new CacheError('CACHE_LOAD_ERROR', message, { cause });
  }
}

function timesOf({ deadlineMs, slideMs, graceMs }: SnapshotEntry) {
  return { expiresAt: deadlineMs, slide: slideMs, grace: graceMs };
}

/** Keys need not be JSON. */
function keyText(key: CacheKey): string {
  return typeof key === 'string' ? JSON.stringify(key) : describe(key);
}
