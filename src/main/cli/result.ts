/** What a replay found: the one object that `--json` prints and that the report for people is made of. */
import type { IntervalHistogram, RecordableHistogram } from 'node:perf_hooks';
import type { Cache, ShardMetrics } from '../index.ts';
import type { Driver } from './driver.ts';

const NS_PER_US = 1e3;
const NS_PER_MS = 1e6;
const MS_PER_SECOND = 1_000;

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface ShardResult {
  readonly shard: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
  readonly expirations: number;
  readonly entries: number;
  readonly bytes: number;
}

export interface ReplayResult {
  readonly requests: number;
  readonly hits: number;
  readonly misses: number;
  readonly hitRatio: number;
  readonly requestsPerSecond: number;
  readonly latencyUs: { readonly get: Percentiles; readonly set: Percentiles };
  /** How much later than asked a timer fired. */
  readonly loopDelayMs: { readonly p99: number; readonly max: number };
  readonly evictions: number;
  readonly expirations: number;
  /** Entries and accounted bytes in memory at the end. */
  readonly entries: number;
  readonly bytes: number;
  /** Accounted bytes that are neither key nor value. */
  readonly overheadBytesPerEntry: number;
  readonly rssBytes: number;
  readonly shards: readonly ShardResult[];
  readonly badLines: number;
  readonly failed: number;
}

export interface ReplayMeasures {
  readonly cache: Cache<Buffer>;
  readonly driver: Driver;
  readonly elapsedMs: number;
  readonly loopDelay: IntervalHistogram;
  /** The interval of the timer that measured `loopDelay`, which is part of every sample. */
  readonly loopIntervalMs: number;
  readonly badLines: number;
}

export async function resultOf(measures: ReplayMeasures): Promise<ReplayResult> {
  const { cache, driver, elapsedMs, loopDelay, loopIntervalMs, badLines } = measures;
  const metrics = await cache.metrics();
  const { requests, hits, misses, failed, latencies } = driver;
  const entries = metrics.currentTotalKeys;
  const lateMs = (ns: number) => Math.max(0, ns / NS_PER_MS - loopIntervalMs);
  return {
    requests,
    hits,
    misses,
    hitRatio: requests === 0 ? 0 : hits / requests,
    requestsPerSecond: (requests / Math.max(elapsedMs, Number.EPSILON)) * MS_PER_SECOND,
    latencyUs: { get: percentiles(latencies.get), set: percentiles(latencies.set) },
    loopDelayMs: { p99: lateMs(loopDelay.percentile(99)), max: lateMs(loopDelay.max) },
    evictions: metrics.evictions,
    expirations: metrics.expirations,
    entries,
    bytes: metrics.memoryBytes,
    overheadBytesPerEntry: entries === 0 ? 0 : (metrics.memoryBytes - metrics.payloadBytes) / entries,
    rssBytes: process.memoryUsage.rss(),
    shards: metrics.perShard.map(shardResult),
    badLines,
    failed,
  };
}

function shardResult(metrics: ShardMetrics): ShardResult {
  const { shard, hits, misses, evictions, expirations, currentTotalKeys: entries, memoryBytes: bytes } = metrics;
  return { shard, hits, misses, evictions, expirations, entries, bytes };
}

function percentiles(histogram: RecordableHistogram): Percentiles {
  const us = (ns: number) => ns / NS_PER_US;
  return histogram.count === 0
    ? { p50: 0, p99: 0, p999: 0, max: 0 }
    : {
        p50: us(histogram.percentile(50)),
        p99: us(histogram.percentile(99)),
        p999: us(histogram.percentile(99.9)),
        max: us(histogram.max),
      };
}
