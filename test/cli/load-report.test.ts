import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { parseLoadOptions } from '../../src/main/cli/load-options.ts';
import { type LoadReportSettings, renderLoadReport } from '../../src/main/cli/load-report.ts';
import type { LoadResult } from '../../src/main/cli/load-result.ts';
import { resolveOptions } from '../../src/main/options.ts';

const result: LoadResult = {
  operations: 1_000_000,
  operationsPerSecond: 412_346,
  elapsedMs: 2_425,
  reads: 900_407,
  writes: 110_593,
  fills: 11_000,
  hits: 889_000,
  misses: 11_000,
  hitRatio: 0.98777,
  latencyUs: {
    read: { count: 56_275, p50: 0.82, p95: 1.2, p99: 12.3, p999: 456, max: 7_890 },
    write: { count: 110_590, p50: 41, p95: 90, p99: 123, p999: 4_560, max: 78_900 },
  },
  readsPerSample: 16,
  clockUs: 0.18,
  behindMs: 0,
  errors: {},
  wrongValues: 0,
  kills: 0,
  restarts: 0,
  longestDownMs: 0,
  loopDelayMs: { p99: 0.5, max: 3.25 },
  fillMs: 638,
  entries: 100_000,
  bytes: 16_777_216,
  evictions: 0,
  rssBytes: 206_000_000,
  threads: [
    { thread: 0, operations: 500_000, operationsPerSecond: 206_186 },
    { thread: 1, operations: 500_000, operationsPerSecond: 240_000 },
  ],
};

function settings(args: string[] = [], colours = false): LoadReportSettings {
  const options = parseLoadOptions(['--threads', '2', '--shards', '2', ...args]);
  return { options, config: resolveOptions(options.cache), colours };
}

test('the report tells load, cache, speed, checks, latencies, threads and memory', () => {
  expect(renderLoadReport(result, settings())).toMatchInlineSnapshot(`
    "
      2 threads · 90.00 % get · Zipf 0.99 over 100,000 keys · values of 100 B
      as3-fifo · 2 shards · 256.0 MiB · shared reads

      throughput      412,346/s  1,000,000 calls in 2.42 s
      hit ratio         98.78 %  889,000 of 900,000 gets
      wrong values            0  each of 889,000 that were read was checked

                            p50        p95        p99      p99.9        max
      get               0.82 µs    1.20 µs    12.3 µs     456 µs    7.89 ms
      set               41.0 µs    90.0 µs     123 µs    4.56 ms    78.9 ms
      event loop                               500 µs               3.25 ms  late, in the thread that opened the cache
                                 of gets 1 in 16 is timed, sets all are; 0.18 µs of each is the clock's

      thread 0      █████████████████████░░░    206,186/s    500,000 calls
      thread 1      ████████████████████████    240,000/s    500,000 calls

      entries           100,000  0 evicted, filled in 638 ms
      memory           16.0 MiB  keys, values and what they cost beside
      process         196.5 MiB  resident, the runtime and all threads included

    "
  `);
});

test('kills, errors, wrong values and a schedule that was not kept are told where there are any', () => {
  const troubled: LoadResult = {
    ...result,
    ...{ kills: 3, restarts: 3, longestDownMs: 48, wrongValues: 2, behindMs: 120, readsPerSample: 1 },
    errors: { SHARD_DOWN: { count: 7, message: 'Shard 1 is down' } },
  };
  const report = renderLoadReport(troubled, settings(['--kill-every', '2s', '--rate', '5e5']));
  expect(report).toMatch(/500,000\/s due/);
  expect(report).toMatch(/wrong values +2 /);
  expect(report).toMatch(/SHARD_DOWN +7 {2}Shard 1 is down/);
  expect(report).toMatch(/kills +3 {2}3 came back, the slowest after 48\.0 ms/);
  expect(report).toMatch(/every call is timed/);
  expect(report).toMatch(/the schedule was not kept: calls began up to 120 ms late/);
});

test('long names and numbers stay apart, and in their columns', () => {
  const long: LoadResult = {
    ...result,
    errors: { VALUE_TOO_LARGE: { count: 7, message: 'too large' }, CACHE_FULL: { count: 8, message: 'full' } },
    threads: [{ thread: 0, operations: 1_234_567_890, operationsPerSecond: 206_186 }],
  };
  const report = renderLoadReport(long, settings(['--max-entries', '1', '--shards', '1']));
  expect(report).toMatch(/^ {2}VALUE_TOO_LARGE {9}7 {2}too large$/m);
  expect(report).toMatch(/^ {2}CACHE_FULL {14}8 {2}full$/m);
  expect(report).toMatch(/206,186\/s {2}1,234,567,890 calls$/m);
  expect(report).toContain('1 entry and 256.0 MiB');
});

test('colours change no column', () => {
  const coloured = renderLoadReport(result, settings([], true));
  expect(coloured).toContain('\x1b[');
  expect(stripVTControlCharacters(coloured)).toBe(renderLoadReport(result, settings()));
});

test('what was not asked for has no latency', () => {
  const nothing = { count: 0, p50: 0, p95: 0, p99: 0, p999: 0, max: 0 };
  const report = renderLoadReport({ ...result, latencyUs: { ...result.latencyUs, write: nothing } }, settings());
  expect(report).toMatch(/^ {2}set +-$/m);
});
