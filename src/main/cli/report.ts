/** The report of a replay as people see it: aligned, with units, a bar for each shard, colours where they are wanted. */
import type { CacheConfig } from '../index.ts';
import { bytes, count, duration, percent } from './figures.ts';
import { bar, FIGURE_WIDTH, LABEL_WIDTH, label, note, page, plural, row, type Style, styleOf } from './layout.ts';
import type { Percentiles, ReplayResult, ShardResult } from './result.ts';

export interface ReportSettings {
  /** What was replayed. */
  readonly title: string;
  readonly config: CacheConfig;
  readonly concurrency: number;
  readonly elapsedMs: number;
  /** How much of it was spent waiting for the trace. */
  readonly hungryMs: number;
  readonly colours: boolean;
}

/** More shards than this are told by the extremes among them. */
const SHARDS_SHOWN = 16;
/** Above this share of the time the source was the slower side, and the throughput is its. */
const HUNGRY_SHARE = 0.1;
/** Below this, it was the thread that reads that had to start. */
const HUNGRY_MIN_MS = 100;
const US_PER_MS = 1_000;

export function renderReport(result: ReplayResult, settings: ReportSettings): string {
  const style = styleOf(settings.colours);
  const sections = [
    heading(settings, style),
    outcome(result, settings, style),
    timing(result, style),
    memory(result, style),
    shards(result.shards, style),
  ];
  return page(sections);
}

function heading({ title, config, concurrency }: ReportSettings, style: Style): string[] {
  const { shards, maxBytes, maxEntries, eviction, reads } = config;
  const capacity = maxEntries === Number.POSITIVE_INFINITY ? [] : [`${count(maxEntries)} entries`];
  const told = [
    typeof eviction === 'string' ? eviction : (eviction.name ?? eviction.module),
    plural(shards, 'shard'),
    [...capacity, bytes(maxBytes)].join(' and '),
    `${reads} reads`,
    `${count(concurrency)} at once`,
  ];
  return [style('bold', title), style('dim', told.join(' · '))];
}

function outcome(result: ReplayResult, { elapsedMs, hungryMs }: ReportSettings, style: Style): string[] {
  const { requests, hits, hitRatio, requestsPerSecond, badLines, failed } = result;
  const lines = [
    row(
      style,
      'hit ratio',
      style(['bold', 'green'], percent(hitRatio)),
      `${count(hits)} of ${count(requests)} requests`,
    ),
    row(style, 'throughput', style('bold', `${count(requestsPerSecond)}/s`), `in ${duration(elapsedMs * US_PER_MS)}`),
  ];
  if (hungryMs > Math.max(HUNGRY_MIN_MS, elapsedMs * HUNGRY_SHARE)) {
    lines.push(note(style, `${percent(hungryMs / elapsedMs)} of that time the trace had nothing ready`));
  }
  if (failed > 0) {
    lines.push(
      row(style, 'failed', style('yellow', count(failed)), 'requests ended in an error, or held a value too large'),
    );
  }
  if (badLines > 0) {
    lines.push(row(style, 'bad lines', style('yellow', count(badLines)), 'left out'));
  }
  return lines;
}

function timing({ latencyUs, loopDelayMs }: ReplayResult, style: Style): string[] {
  const { get, set } = latencyUs;
  const head = ['p50', 'p99', 'p99.9', 'max'].map((name) => name.padStart(FIGURE_WIDTH)).join('');
  return [
    style('dim', ' '.repeat(LABEL_WIDTH) + head),
    latencyRow(style, 'get', get),
    latencyRow(style, 'set', set),
    label(style, 'event loop') +
      [undefined, loopDelayMs.p99, undefined, loopDelayMs.max]
        .map((ms) => (ms === undefined ? '' : duration(ms * US_PER_MS)).padStart(FIGURE_WIDTH))
        .join('') +
      style('dim', '  late'),
  ];
}

function memory(result: ReplayResult, style: Style): string[] {
  const { entries, bytes: used, overheadBytesPerEntry, rssBytes, evictions, expirations } = result;
  return [
    row(style, 'entries', count(entries), `${count(evictions)} evicted, ${count(expirations)} expired`),
    row(style, 'memory', bytes(used), `${overheadBytesPerEntry.toFixed(1)} B an entry beside key and value`),
    row(style, 'process', bytes(rssBytes), 'resident, the runtime and all threads included'),
  ];
}

/** Requests are what the hash spreads; entries follow them. */
function shards(all: readonly ShardResult[], style: Style): string[] {
  const busiest = Math.max(1, ...all.map(requestsOf));
  const shown = all.length <= SHARDS_SHOWN ? all : extremes(all);
  const lines = shown.map((each) => {
    const requests = requestsOf(each);
    const told = [
      `${count(requests).padStart(FIGURE_WIDTH)} requests`,
      `${count(each.entries).padStart(FIGURE_WIDTH)} entries`,
      percent(requests === 0 ? 0 : each.hits / requests).padStart(FIGURE_WIDTH),
    ];
    return `${label(style, `shard ${each.shard}`)}${bar(style, requests / busiest)}${told.join('')}`;
  });
  return shown === all ? lines : [...lines, note(style, `the busiest and the idlest of ${all.length}`)];
}

function extremes(all: readonly ShardResult[]): ShardResult[] {
  const sorted = all.toSorted((one, other) => requestsOf(other) - requestsOf(one));
  return [...sorted.slice(0, SHARDS_SHOWN / 2), ...sorted.slice(-SHARDS_SHOWN / 2)];
}

function requestsOf({ hits, misses }: ShardResult): number {
  return hits + misses;
}

function latencyRow(style: Style, name: string, { p50, p99, p999, max }: Percentiles): string {
  return label(style, name) + [p50, p99, p999, max].map((us) => duration(us).padStart(FIGURE_WIDTH)).join('');
}
