/** What `cache.metrics()` tells: the counts of every shard, and their sum. */
import type { ShardCounts } from '../protocol/operations.ts';
import { SnapshotCounts, type SnapshotMetrics } from './snapshot/counts.ts';
import type { TierMetrics } from './tier/metrics.ts';

export interface ShardMetrics {
  readonly shard: number;
  /** Of shards, how many have failed: they have no owner any more that could count, and are 0 in everything else. */
  readonly failed: number;
  /** Gets, by any client, that found a live value, and that did not. */
  readonly hits: number;
  readonly misses: number;
  readonly gets: number;
  /** The same as `gets`: hits + misses. */
  readonly totalRequests: number;
  /** hits / gets and misses / gets, 0 before the first get. */
  readonly hitRatio: number;
  readonly missRatio: number;
  /** Values that were stored, by any operation. */
  readonly sets: number;
  /** gets / sets, 0 before the first set. */
  readonly getSetRatio: number;
  /** Calls that a shard answered with an error. */
  readonly failedOps: number;
  /** How often an eviction policy of your own failed: in calls, which then rejected with POLICY_ERROR, and beside them. */
  readonly policyFaults: number;
  /** Entries removed by `delete`, `deleteMany`, `pop`, `popItem` and `clear`. */
  readonly manualDeletions: number;
  /** Entries that had to go for others, and how many that is a set. */
  readonly evictions: number;
  readonly evictionRate: number;
  readonly expirations: number;
  /** Entries in memory, expired ones that were not yet swept included; and the most there were in each shard. */
  readonly currentTotalKeys: number;
  readonly peakTotalKeys: number;
  /** The same without what has expired. */
  readonly currentValidKeys: number;
  readonly peakValidKeys: number;
  /** Entries that have expired and were not yet swept, and their share of all in percent. */
  readonly expiredBloat: number;
  readonly wastePercentage: number;
  /** Bytes that `maxBytes` bounds: keys, values, block headers and columns. */
  readonly memoryBytes: number;
  /** Bytes of keys and values alone. */
  readonly payloadBytes: number;
  /** Misses that the filter answered in the place of the owner, and misses that it could not rule out. */
  readonly filterNegatives: number;
  readonly filterFalsePositives: number;
  /** Hits that were answered with what a near cache had kept. */
  readonly nearHits: number;
  /** Frames that crossed to the shard, and the calls in them. */
  readonly messages: number;
  readonly calls: number;
  /** Hits of which an ordered policy never heard, because getSync found the ring full. */
  readonly droppedTouches: number;
  /** Events that a listener missed because it, or its thread, was too slow: each counted once for each that missed it. */
  readonly droppedEvents: number;
  /** How often a new thread took over the memory of a shard whose thread had died. */
  readonly restarts: number;
  /** Threads that use the cache, the one that opened it included. */
  readonly clients: number;
}

export interface CacheMetrics extends Omit<ShardMetrics, 'shard'> {
  /** False for a cache that was opened with `metrics: false`: then everything is 0. */
  readonly enabled: boolean;
  readonly perShard: readonly ShardMetrics[];
  /** Of `save` and `load`. */
  readonly snapshots: SnapshotMetrics;
  /** Of the tier under all shards; undefined where there is none, and for a cache without `metrics`. */
  readonly tier: TierMetrics | undefined;
}

const NOTHING: ShardCounts = {
  hits: 0,
  misses: 0,
  sets: 0,
  deletes: 0,
  evictions: 0,
  expirations: 0,
  failures: 0,
  policyFaults: 0,
  entries: 0,
  entriesPeak: 0,
  validEntries: 0,
  validPeak: 0,
  bytes: 0,
  payloadBytes: 0,
  frames: 0,
  calls: 0,
  droppedTouches: 0,
  droppedEvents: 0,
  filterNegatives: 0,
  nearHits: 0,
  filterFalsePositives: 0,
  restarts: 0,
  clients: 0,
};

/** Of the counts of every shard, in order; undefined for one that has failed. */
export function sumMetrics(
  told: readonly (ShardCounts | undefined)[],
  tier: TierMetrics | undefined = undefined,
  snapshots: SnapshotMetrics = new SnapshotCounts().metrics(),
): CacheMetrics {
  const counts = told.map((each) => each ?? NOTHING);
  const total = { ...NOTHING };
  for (const name of Object.keys(NOTHING) as (keyof ShardCounts)[]) {
    total[name] = counts.reduce((sum, each) => sum + each[name], 0);
  }
  // Each of them is a client of every shard; one that comes or goes may not be everywhere yet.
  total.clients = Math.max(0, ...counts.map(({ clients }) => clients));
  const perShard = counts.map((each, shard) => ({
    shard,
    ...metricsOf(each),
    failed: told[shard] === undefined ? 1 : 0,
  }));
  const failed = told.filter((each) => each === undefined).length;
  return { enabled: true, ...metricsOf(total), failed, perShard, snapshots, tier };
}

/** What a cache without metrics says. */
export function noMetrics(shards: number): CacheMetrics {
  const perShard = Array.from({ length: shards }, (_, shard) => ({ shard, ...metricsOf(NOTHING) }));
  const snapshots = new SnapshotCounts().metrics();
  return { enabled: false, ...metricsOf(NOTHING), perShard, snapshots, tier: undefined };
}

function metricsOf(counts: ShardCounts): Omit<ShardMetrics, 'shard'> {
  const gets = counts.hits + counts.misses;
  const expiredBloat = counts.entries - counts.validEntries;
  return {
    failed: 0,
    hits: counts.hits,
    misses: counts.misses,
    gets,
    totalRequests: gets,
    hitRatio: ratio(counts.hits, gets),
    missRatio: ratio(counts.misses, gets),
    sets: counts.sets,
    getSetRatio: ratio(gets, counts.sets),
    failedOps: counts.failures,
    policyFaults: counts.policyFaults,
    manualDeletions: counts.deletes,
    evictions: counts.evictions,
    evictionRate: ratio(counts.evictions, counts.sets),
    expirations: counts.expirations,
    currentTotalKeys: counts.entries,
    peakTotalKeys: counts.entriesPeak,
    currentValidKeys: counts.validEntries,
    peakValidKeys: counts.validPeak,
    expiredBloat,
    wastePercentage: 100 * ratio(expiredBloat, counts.entries),
    memoryBytes: counts.bytes,
    payloadBytes: counts.payloadBytes,
    filterNegatives: counts.filterNegatives,
    nearHits: counts.nearHits,
    filterFalsePositives: counts.filterFalsePositives,
    messages: counts.frames,
    calls: counts.calls,
    droppedTouches: counts.droppedTouches,
    droppedEvents: counts.droppedEvents,
    restarts: counts.restarts,
    clients: counts.clients,
  };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
