/** What is in a snapshot, for people who look: all of it is read, nothing is changed. */
import type { SnapshotEntry } from '../../protocol/snapshot/entry.ts';
import { type ReadEntry, readEntry } from './read.ts';
import { hasExpired, openSnapshot, type SnapshotFormat, type SnapshotPlaceOptions } from './snapshot-at.ts';

/** What is wrong, in an inspection: `verifySnapshot` tells everything. */
const DAMAGE_MAX = 5;

export interface SnapshotInspectOptions extends SnapshotPlaceOptions {
  /** How many entries are shown: the hottest, those that an eviction would take last. Default 0. */
  readonly entries?: number | undefined;
}

export interface SnapshotInspection {
  readonly path: string;
  readonly format: SnapshotFormat;
  readonly version: number;
  /** Milliseconds since 1970; undefined for a text that does not say. */
  readonly savedAt: number | undefined;
  /** Of the cache that saved it; undefined for a text. */
  readonly shards: number | undefined;
  /** Undefined for a text that does not say. */
  readonly serializer: string | undefined;
  /** '' where none is named. */
  readonly eviction: string;
  /** Those that can be read. */
  readonly entries: number;
  /** Of those, how many a load would leave out by now. */
  readonly expired: number;
  /** Of the file. */
  readonly bytes: number;
  /** Hottest first. */
  readonly sample: readonly ReadEntry[];
  /** Sentences: at most a few of what is wrong. */
  readonly damage: readonly string[];
}

/**
 * Rejects with CACHE_LOAD_ERROR for what is no snapshot, or does not say where its entries are.
 *
 * @example
 * const { entries, expired, savedAt } = await inspectSnapshot('cache_storage/cache_data.snapshot');
 */
export async function inspectSnapshot(
  place: string,
  options: SnapshotInspectOptions = {},
): Promise<SnapshotInspection> {
  const wanted = options.entries ?? 0;
  const snapshot = await openSnapshot(place, options);
  const damage: string[] = [];
  const tell = (finding: string) => {
    if (damage.length < DAMAGE_MAX) damage.push(finding);
  };
  const nowMs = Date.now();
  let hottest: SnapshotEntry[] = [];
  let entries = 0;
  let expired = 0;
  for await (const batch of snapshot.batches(tell)) {
    entries += batch.length;
    expired += batch.reduce((sum, entry) => sum + (hasExpired(entry, nowMs) ? 1 : 0), 0);
    if (wanted > 0) hottest = [...hottest, ...batch.slice(-wanted)].slice(-wanted);
  }
  const sample: ReadEntry[] = [];
  for (const entry of hottest.reverse()) {
    try {
      sample.push(readEntry(entry, snapshot.codec));
    } catch (error) {
      tell((error as Error).message);
    }
  }
  const { version, serializer, eviction, shards, savedAtMs: savedAt } = snapshot.told();
  const { path, format, bytes } = snapshot;
  return { path, format, version, savedAt, shards, serializer, eviction, entries, expired, bytes, sample, damage };
}
