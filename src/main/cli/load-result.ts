/** What a load found: the one object that `--json` prints and that the report for people is made of. */
import type { IntervalHistogram } from 'node:perf_hooks';
import type { CacheMetrics } from '../index.ts';
import { Latencies, type Percentiles } from './latencies.ts';
import { type ErrorCount, type LatencyCounts, type LoadShare, READS_PER_SAMPLE } from './load-client.ts';
import type { Killer } from './load-killer.ts';
import type { LoadOptions } from './load-options.ts';

const NS_PER_MS = 1e6;
const MS_PER_SECOND = 1_000;
const US_PER_MS = 1_000;

export interface ThreadResult {
  readonly thread: number;
  readonly operations: number;
  readonly operationsPerSecond: number;
}

export interface LoadResult {
  /** Calls that were asked for: gets, and sets that no miss made. */
  readonly operations: number;
  readonly operationsPerSecond: number;
  /** From when the first thread began until the last had done its share. */
  readonly elapsedMs: number;
  readonly reads: number;
  /** Sets, those after a miss included; and those alone. */
  readonly writes: number;
  readonly fills: number;
  readonly hits: number;
  readonly misses: number;
  readonly hitRatio: number;
  /** `count` says how many were timed. */
  readonly latencyUs: { readonly read: Percentiles; readonly write: Percentiles };
  /** Of how many gets one was timed; of sets all are. */
  readonly readsPerSample: number;
  /** What of each latency is the clock's own. */
  readonly clockUs: number;
  /** How late the latest call was that --rate had due; 0 without. */
  readonly behindMs: number;
  readonly errors: Readonly<Record<string, ErrorCount>>;
  readonly wrongValues: number;
  readonly kills: number;
  readonly restarts: number;
  /** From a kill until the shard answered again. */
  readonly longestDownMs: number;
  /** Of the thread that opened the cache: how much later than asked a timer fired. */
  readonly loopDelayMs: { readonly p99: number; readonly max: number };
  /** How long it took to store every key once; 0 with --no-fill. */
  readonly fillMs: number;
  readonly entries: number;
  readonly bytes: number;
  readonly evictions: number;
  readonly rssBytes: number;
  readonly threads: readonly ThreadResult[];
}

export interface LoadMeasures {
  readonly options: LoadOptions;
  readonly shares: readonly LoadShare[];
  readonly metrics: CacheMetrics;
  readonly killer: Killer | undefined;
  readonly loopDelay: IntervalHistogram;
  /** The interval of the timer that measured `loopDelay`, which is part of every sample. */
  readonly loopIntervalMs: number;
  readonly fillMs: number;
}

export function loadResultOf(measures: LoadMeasures): LoadResult {
  const { options, shares, metrics, killer, loopDelay, loopIntervalMs, fillMs } = measures;
  const sum = (of: (share: LoadShare) => number) => shares.reduce((total, share) => total + of(share), 0);
  const most = (of: (share: LoadShare) => number) => shares.reduce((max, share) => Math.max(max, of(share)), 0);
  const elapsedMs = most(({ endedMs }) => endedMs) - Math.min(...shares.map(({ startedMs }) => startedMs));
  const operations = sum(operationsOf);
  const gets = sum(({ hits, misses }) => hits + misses);
  const lateMs = (ns: number) => Math.max(0, ns / NS_PER_MS - loopIntervalMs);
  return {
    operations,
    operationsPerSecond: perSecond(operations, elapsedMs),
    elapsedMs,
    reads: sum(({ reads }) => reads),
    writes: sum(({ writes }) => writes),
    fills: sum(({ fills }) => fills),
    hits: sum(({ hits }) => hits),
    misses: sum(({ misses }) => misses),
    hitRatio: gets === 0 ? 0 : sum(({ hits }) => hits) / gets,
    latencyUs: {
      read: percentilesOf(shares.map(({ readLatency }) => readLatency)),
      write: percentilesOf(shares.map(({ writeLatency }) => writeLatency)),
    },
    readsPerSample: options.rate === undefined ? READS_PER_SAMPLE : 1,
    clockUs: most(({ clockMs }) => clockMs) * US_PER_MS,
    behindMs: most(({ behindMs }) => behindMs),
    errors: errorsOf(shares),
    wrongValues: sum(({ wrongValues }) => wrongValues),
    kills: killer?.kills ?? 0,
    restarts: killer?.restarts ?? 0,
    longestDownMs: killer?.longestDownMs ?? 0,
    loopDelayMs: { p99: lateMs(loopDelay.percentile(99)), max: lateMs(loopDelay.max) },
    fillMs,
    entries: metrics.currentTotalKeys,
    bytes: metrics.memoryBytes,
    evictions: metrics.evictions,
    rssBytes: process.memoryUsage.rss(),
    threads: shares.map(threadResult),
  };
}

function threadResult(share: LoadShare): ThreadResult {
  const operations = operationsOf(share);
  return {
    thread: share.thread,
    operations,
    operationsPerSecond: perSecond(operations, share.endedMs - share.startedMs),
  };
}

function operationsOf({ reads, writes, fills }: LoadShare): number {
  return reads + writes - fills;
}

function perSecond(operations: number, elapsedMs: number): number {
  return (operations / Math.max(elapsedMs, Number.EPSILON)) * MS_PER_SECOND;
}

function percentilesOf(all: readonly LatencyCounts[]): Percentiles {
  const whole = new Latencies();
  for (const { counts, maxMs } of all) {
    whole.add(counts, maxMs);
  }
  return whole.percentilesUs();
}

function errorsOf(shares: readonly LoadShare[]): Record<string, ErrorCount> {
  const all: Record<string, ErrorCount> = {};
  for (const [code, { count, message }] of shares.flatMap(({ errors }) => Object.entries(errors))) {
    const before = all[code];
    all[code] = { count: (before?.count ?? 0) + count, message: before?.message ?? message };
  }
  return all;
}
