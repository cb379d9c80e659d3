/**
 * The metrics of a cache in a file, as one moment of them.
 *
 *     json          what `metrics()` resolves to, Dates as ISO text
 *     csv           metric,shard,value    a line for each number, for all shards together with an empty `shard`, then for each of them;
 *                                         `snapshots.saves` and `tier.reads` for those within others
 *     prometheus    text for its exporters: shardstash_hits_total{shard="0"} 12, of every shard; sums are the reader's to make
 */
import { dirname, extname } from 'node:path';
import { type Files, replaceFile } from '../../protocol/files.ts';
import type { CacheMetrics, ShardMetrics } from '../metrics.ts';
import { optionError } from '../option-errors.ts';
import { fileError } from './faults.ts';
import { diskWorld, type PathWorld, pathOf, stampedPath } from './paths.ts';
import { METRICS_FORMATS, type MetricsFormat, type MetricsStorageConfig } from './storage-options.ts';

export interface SavedMetrics {
  /** Of the file, absolute. */
  readonly path: string;
  readonly bytes: number;
}

const EXTENSIONS: Readonly<Record<MetricsFormat, string>> = { json: 'json', csv: 'csv', prometheus: 'prom' };

type Series = readonly [kind: 'counter' | 'gauge', help: string];

/** Each number of a shard: whether it only grows, until it is reset, and what it says. */
const SHARD_SERIES: Readonly<Record<keyof Omit<ShardMetrics, 'shard'>, Series>> = {
  failed: ['gauge', 'Whether the shard has failed: it has no owner any more.'],
  hits: ['counter', 'Gets that found a live value.'],
  misses: ['counter', 'Gets that did not.'],
  gets: ['counter', 'Gets.'],
  totalRequests: ['counter', 'The same as gets.'],
  hitRatio: ['gauge', 'Hits of all gets.'],
  missRatio: ['gauge', 'Misses of all gets.'],
  sets: ['counter', 'Values that were stored, by any operation.'],
  getSetRatio: ['gauge', 'Gets for each set.'],
  failedOps: ['counter', 'Calls that were answered with an error.'],
  policyFaults: ['counter', 'Failures of an eviction policy of the user.'],
  manualDeletions: ['counter', 'Entries removed by delete, pop and clear.'],
  evictions: ['counter', 'Entries that had to go for others.'],
  evictionRate: ['gauge', 'Evictions for each set.'],
  expirations: ['counter', 'Entries that have expired.'],
  currentTotalKeys: ['gauge', 'Entries in memory.'],
  peakTotalKeys: ['gauge', 'The most entries there were in memory.'],
  currentValidKeys: ['gauge', 'Entries in memory that have not expired.'],
  peakValidKeys: ['gauge', 'The most of them there were.'],
  expiredBloat: ['gauge', 'Entries that have expired and were not yet swept.'],
  wastePercentage: ['gauge', 'Their share of all entries, in percent.'],
  memoryBytes: ['gauge', 'Bytes that maxBytes bounds.'],
  payloadBytes: ['gauge', 'Bytes of keys and values.'],
  filterNegatives: ['counter', 'Misses that the filter answered.'],
  filterFalsePositives: ['counter', 'Misses that the filter could not rule out.'],
  nearHits: ['counter', 'Hits that a near cache answered.'],
  messages: ['counter', 'Frames that crossed to the shard.'],
  calls: ['counter', 'Calls in them.'],
  droppedTouches: ['counter', 'Hits of which the policy never heard.'],
  droppedEvents: ['counter', 'Events that a listener missed.'],
  restarts: ['counter', 'Threads that took over the memory of one that had died.'],
  clients: ['gauge', 'Threads that use the cache.'],
};

const SNAPSHOT_SERIES: readonly (readonly [keyof CacheMetrics['snapshots'], name: string, ...Series])[] = [
  ['saves', 'snapshot_saves', 'counter', 'Saves that went well.'],
  ['loads', 'snapshot_loads', 'counter', 'Loads that went well.'],
  ['failures', 'snapshot_failures', 'counter', 'Saves and loads that did not.'],
  ['lastSavedAt', 'snapshot_last_saved_timestamp_seconds', 'gauge', 'When the last save was done, 0 before the first.'],
  ['lastEntries', 'snapshot_last_entries', 'gauge', 'Entries in that snapshot.'],
  ['lastBytes', 'snapshot_last_bytes', 'gauge', 'Bytes of its file.'],
];

const TIER_SERIES: Readonly<Record<keyof NonNullable<CacheMetrics['tier']>, Series>> = {
  reads: ['counter', 'Entries that were asked of the tier.'],
  readHits: ['counter', 'Those of them that it had.'],
  writes: ['counter', 'Entries written to the tier.'],
  deletes: ['counter', 'Entries removed from it.'],
  failures: ['counter', 'Calls of its engine that have failed.'],
  down: ['gauge', 'Whether its engine fails just now.'],
  queuedEntries: ['gauge', 'Entries that wait to be written behind.'],
  queuedBytes: ['gauge', 'Bytes of them.'],
  flushed: ['counter', 'Entries written behind.'],
  invalidations: ['counter', 'Keys that others have changed in it.'],
  distrusts: ['counter', 'How often memory was emptied, since nobody could tell which.'],
};

/** Writes them, or nothing. Throws CACHE_METRICS_SAVE_ERROR, and INVALID_CONFIG for what is no path. */
export function saveMetricsTo(
  files: Files,
  { serializer, ...storage }: MetricsStorageConfig,
  metrics: CacheMetrics,
  given: {
    readonly path: string | undefined;
    readonly useTimestamp: boolean;
    readonly format: MetricsFormat | undefined;
  },
  world: PathWorld = diskWorld,
): SavedMetrics {
  const named = extname(given.path ?? storage.filename);
  const byName = METRICS_FORMATS.find((format) => `.${EXTENSIONS[format]}` === named);
  const format = given.format ?? byName ?? serializer;
  const plain = pathOf(given.path, storage, EXTENSIONS[format], world);
  const content = Buffer.from(textOf(metrics, format));
  try {
    files.mkdirSync(dirname(plain), { recursive: true });
    const path = given.useTimestamp ? stampedPath(plain, new Date(), world) : plain;
    replaceFile(files, path, content, { sync: true });
    return { path, bytes: content.length };
  } catch (error) {
    throw fileError('CACHE_METRICS_SAVE_ERROR', plain, error);
  }
}

/** Throws INVALID_CONFIG. */
export function formatOf(format: unknown): MetricsFormat | undefined {
  const known = METRICS_FORMATS.find((candidate) => candidate === format);
  if (known === undefined && format !== undefined) {
    throw optionError('format', `one of ${METRICS_FORMATS.join(', ')}`, format);
  }
  return known;
}

export function textOf(metrics: CacheMetrics, format: MetricsFormat): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(metrics, undefined, 2)}\n`;
    case 'csv':
      return csvOf(metrics);
    case 'prometheus':
      return prometheusOf(metrics);
  }
}

function csvOf({ perShard, ...whole }: CacheMetrics): string {
  const lines = ['metric,shard,value'];
  const add = (members: object, shard: number | '', prefix: string) => {
    for (const [name, value] of Object.entries(members)) {
      if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
        add(value, shard, `${prefix}${name}.`);
      } else if (value !== undefined) {
        lines.push(`${prefix}${name},${shard},${value instanceof Date ? value.toISOString() : value}`);
      }
    }
  };
  add(whole, '', '');
  for (const { shard, ...members } of perShard) {
    add(members, shard, '');
  }
  return `${lines.join('\n')}\n`;
}

function prometheusOf({ perShard, snapshots, tier }: CacheMetrics): string {
  const lines: string[] = [];
  const begin = (name: string, [kind, help]: Series): string => {
    const whole = `shardstash_${name}${kind === 'counter' ? '_total' : ''}`;
    lines.push(`# HELP ${whole} ${help}`, `# TYPE ${whole} ${kind}`);
    return whole;
  };
  for (const [name, series] of Object.entries(SHARD_SERIES)) {
    const whole = begin(snake(name), series);
    for (const each of perShard) {
      lines.push(`${whole}{shard="${each.shard}"} ${each[name as keyof ShardMetrics]}`);
    }
  }
  for (const [member, name, ...series] of SNAPSHOT_SERIES) {
    const value = snapshots[member];
    const number = value instanceof Date ? value.getTime() / 1_000 : (value ?? 0);
    lines.push(`${begin(name, series)} ${number}`);
  }
  if (tier !== undefined) {
    for (const [name, series] of Object.entries(TIER_SERIES)) {
      lines.push(`${begin(`tier_${snake(name)}`, series)} ${Number(tier[name as keyof typeof tier])}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
