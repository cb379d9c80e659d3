/** The report of a load as people see it. */
import type { CacheConfig } from '../index.ts';
import { bytes, capacity, count, duration, percent } from './figures.ts';
import type { Percentiles } from './latencies.ts';
import { bar, FIGURE_WIDTH, LABEL_WIDTH, label, note, page, plural, row, type Style, styleOf } from './layout.ts';
import type { LoadOptions } from './load-options.ts';
import type { LoadResult } from './load-result.ts';

export interface LoadReportSettings {
  readonly options: LoadOptions;
  readonly config: CacheConfig;
  readonly colours: boolean;
}

const US_PER_MS = 1_000;
/** A schedule that is kept is late by the time of a call now and then. */
const BEHIND_MIN_MS = 10;

export function renderLoadReport(result: LoadResult, settings: LoadReportSettings): string {
  const style = styleOf(settings.colours);
  const sections = [
    heading(settings, style),
    outcome(result, settings, style),
    timing(result, settings, style),
    threads(result, style),
    memory(result, style),
  ];
  return page(sections.filter((lines) => lines.length > 0));
}

function heading({ options, config }: LoadReportSettings, style: Style): string[] {
  const { threads, readShare, exponent, keys, valueLength, rate, sync } = options;
  const { shards, maxBytes, maxEntries, eviction, reads } = config;
  const ceilings = maxEntries === Number.POSITIVE_INFINITY ? [] : [capacity(maxEntries, 'entries')];
  const load = [
    `${plural(threads, 'thread')}`,
    `${percent(readShare)} ${sync ? 'getSync' : 'get'}`,
    `Zipf ${exponent} over ${plural(keys, 'key')}`,
    `values of ${bytes(valueLength)}`,
    ...(rate === undefined ? [] : [`${count(rate)}/s due`]),
  ];
  const cache = [
    typeof eviction === 'string' ? eviction : (eviction.name ?? eviction.module),
    plural(shards, 'shard'),
    [...ceilings, bytes(maxBytes)].join(' and '),
    `${reads} reads`,
  ];
  return [style('bold', load.join(' · ')), style('dim', cache.join(' · '))];
}

function outcome(result: LoadResult, { options }: LoadReportSettings, style: Style): string[] {
  const { operations, operationsPerSecond, elapsedMs, hits, misses, hitRatio, wrongValues, errors } = result;
  const checked = wrongValues === 0 ? style('green', '0') : style(['bold', 'red'], count(wrongValues));
  const lines = [
    row(
      style,
      'throughput',
      style('bold', `${count(operationsPerSecond)}/s`),
      `${plural(operations, 'call')} in ${duration(elapsedMs * US_PER_MS)}`,
    ),
    row(style, 'hit ratio', percent(hitRatio), `${count(hits)} of ${plural(hits + misses, 'get')}`),
    row(style, 'wrong values', checked, `each of ${count(hits)} that were read was checked`),
  ];
  for (const [code, { count: times, message }] of Object.entries(errors)) {
    lines.push(row(style, code, style('yellow', count(times)), message));
  }
  if (options.killEveryMs !== undefined) {
    const { kills, restarts, longestDownMs } = result;
    const back = `${count(restarts)} came back, the slowest after ${duration(longestDownMs * US_PER_MS)}`;
    lines.push(row(style, 'kills', count(kills), back));
  }
  return lines;
}

function timing(result: LoadResult, { options }: LoadReportSettings, style: Style): string[] {
  const { latencyUs, loopDelayMs, readsPerSample, clockUs, behindMs } = result;
  const head = ['p50', 'p95', 'p99', 'p99.9', 'max'].map((name) => name.padStart(FIGURE_WIDTH)).join('');
  const late = [undefined, undefined, loopDelayMs.p99, undefined, loopDelayMs.max]
    .map((ms) => (ms === undefined ? '' : duration(ms * US_PER_MS)).padStart(FIGURE_WIDTH))
    .join('');
  const sampled =
    readsPerSample === 1 ? 'every call is timed' : `of gets 1 in ${readsPerSample} is timed, sets all are`;
  const lines = [
    style('dim', ' '.repeat(LABEL_WIDTH) + head),
    latencyRow(style, 'get', latencyUs.read),
    latencyRow(style, 'set', latencyUs.write),
    label(style, 'event loop') + late + style('dim', '  late, in the thread that opened the cache'),
    note(style, `${sampled}; ${duration(clockUs)} of each is the clock's`),
  ];
  if (options.rate !== undefined && behindMs > BEHIND_MIN_MS) {
    lines.push(note(style, `the schedule was not kept: calls began up to ${duration(behindMs * US_PER_MS)} late`));
  }
  return lines;
}

function threads({ threads: all }: LoadResult, style: Style): string[] {
  const fastest = Math.max(1, ...all.map(({ operationsPerSecond }) => operationsPerSecond));
  return all.map(({ thread, operations, operationsPerSecond }) => {
    const calls = plural(operations, 'call').padStart(FIGURE_WIDTH + 4);
    const told = `${count(operationsPerSecond).padStart(FIGURE_WIDTH)}/s  ${calls}`;
    return `${label(style, `thread ${thread}`)}${bar(style, operationsPerSecond / fastest)}${told}`;
  });
}

function memory(result: LoadResult, style: Style): string[] {
  const { entries, bytes: used, evictions, rssBytes, fillMs } = result;
  const filled = fillMs === 0 ? '' : `, filled in ${duration(fillMs * US_PER_MS)}`;
  return [
    row(style, 'entries', count(entries), `${count(evictions)} evicted${filled}`),
    row(style, 'memory', bytes(used), 'keys, values and what they cost beside'),
    row(style, 'process', bytes(rssBytes), 'resident, the runtime and all threads included'),
  ];
}

function latencyRow(style: Style, name: string, { count: timed, p50, p95, p99, p999, max }: Percentiles): string {
  const figures = timed === 0 ? ['-'] : [p50, p95, p99, p999, max].map(duration);
  return label(style, name) + figures.map((figure) => figure.padStart(FIGURE_WIDTH)).join('');
}
