/**
 * What `cache.metrics()` tells of the tier. The keeper counts in shared memory, where every thread looks by itself. Counts only ever
 * grow there, since one thread alone writes them; to begin at zero again is to remember, beside them, what they were:
 *
 *     TIER_CELLS float64, the keeper's | TIER_CELLS float64, what is to be taken off
 */
import {
  TIER_CELLS,
  TIER_DELETES,
  TIER_DISTRUSTS,
  TIER_DOWN,
  TIER_FAILURES,
  TIER_FLUSHED,
  TIER_INVALIDATIONS,
  TIER_QUEUED_BYTES,
  TIER_QUEUED_ENTRIES,
  TIER_READ_HITS,
  TIER_READS,
  TIER_WRITES,
} from '../../protocol/tier.ts';

export interface TierMetrics {
  /** Entries that were asked of the tier, and those that it had. */
  readonly reads: number;
  readonly readHits: number;
  readonly writes: number;
  readonly deletes: number;
  /** Calls of its engine that have failed, flushes included. */
  readonly failures: number;
  /** Whether its engine fails just now: calls that need it are refused until it is tried again. */
  readonly down: boolean;
  /** Written behind: what waits just now, and how many entries have been written. */
  readonly queuedEntries: number;
  readonly queuedBytes: number;
  readonly flushed: number;
  /** Of a tier that others write to as well: keys that they have changed, and how often nobody could tell, so that memory was emptied. */
  readonly invalidations: number;
  readonly distrusts: number;
}

const CELL_BYTES = 8;

export function createTierCounts(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * TIER_CELLS * CELL_BYTES);
}

/** Undefined for a cache without a tier. */
export function tierMetricsOf(counts: SharedArrayBuffer | undefined): TierMetrics | undefined {
  if (counts === undefined) {
    return undefined;
  }
  const cells = new Float64Array(counts);
  const now = (cell: number) => cells[cell] as number;
  const since = (cell: number) => now(cell) - now(TIER_CELLS + cell);
  return {
    reads: since(TIER_READS),
    readHits: since(TIER_READ_HITS),
    writes: since(TIER_WRITES),
    deletes: since(TIER_DELETES),
    failures: since(TIER_FAILURES),
    down: now(TIER_DOWN) === 1,
    queuedEntries: now(TIER_QUEUED_ENTRIES),
    queuedBytes: now(TIER_QUEUED_BYTES),
    flushed: since(TIER_FLUSHED),
    invalidations: since(TIER_INVALIDATIONS),
    distrusts: since(TIER_DISTRUSTS),
  };
}

/** Lets every count begin at zero again. */
export function resetTierMetrics(counts: SharedArrayBuffer | undefined): void {
  if (counts !== undefined) {
    const cells = new Float64Array(counts);
    cells.copyWithin(TIER_CELLS, 0, TIER_CELLS);
  }
}
