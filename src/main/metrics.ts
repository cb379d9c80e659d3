/** What `cache.metrics()` tells: the counts of every shard, and their sum. */
import type { ShardCounts } from '../protocol/operations.ts';
import type { ShardView } from './shard-view.ts';

export interface ShardMetrics {
  readonly shard: number;
  /** Gets, by any client, that found a live value, and that did not. */
  readonly hits: number;
  readonly misses: number;
  readonly gets: number;
  /** hits / gets, 0 before the first get. */
  readonly hitRatio: number;
  readonly sets: number;
  /** Entries removed by `delete`, `deleteMany` and `clear`. */
  readonly manualDeletions: number;
  readonly evictions: number;
  readonly expirations: number;
  /** Entries in memory, expired ones that were not yet swept included. */
  readonly currentTotalKeys: number;
  /** Bytes that `maxBytes` bounds: keys, values, block headers and columns. */
  readonly memoryBytes: number;
  /** Bytes of keys and values alone. */
  readonly payloadBytes: number;
  /** Frames that crossed to the shard, and the calls in them. */
  readonly messages: number;
  readonly calls: number;
  /** Hits of which an ordered policy never heard, because getSync found the ring full. */
  readonly droppedTouches: number;
}

export interface CacheMetrics extends Omit<ShardMetrics, 'shard'> {
  readonly perShard: readonly ShardMetrics[];
}

export function sumMetrics(counts: readonly ShardCounts[], views: readonly ShardView[]): CacheMetrics {
  const perShard = counts.map((each, i) => ({ shard: (views[i] as ShardView).shard, ...metricsOf(each) }));
  const sum: ShardCounts = { ...(counts[0] as ShardCounts) };
  for (const name of Object.keys(sum) as (keyof ShardCounts)[]) {
    sum[name] = counts.reduce((total, each) => total + each[name], 0);
  }
  return { ...metricsOf(sum), perShard };
}

function metricsOf(counts: ShardCounts): Omit<ShardMetrics, 'shard'> {
  const gets = counts.hits + counts.misses;
  return {
    hits: counts.hits,
    misses: counts.misses,
    gets,
    hitRatio: gets === 0 ? 0 : counts.hits / gets,
    sets: counts.sets,
    manualDeletions: counts.deletes,
    evictions: counts.evictions,
    expirations: counts.expirations,
    currentTotalKeys: counts.entries,
    memoryBytes: counts.bytes,
    payloadBytes: counts.payloadBytes,
    messages: counts.frames,
    calls: counts.calls,
    droppedTouches: counts.droppedTouches,
  };
}
