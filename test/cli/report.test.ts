import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { bytes, count, duration, percent } from '../../src/main/cli/figures.ts';
import { type ReportSettings, renderReport } from '../../src/main/cli/report.ts';
import type { ReplayResult } from '../../src/main/cli/result.ts';
import type { CacheConfig } from '../../src/main/index.ts';

const percentiles = { p50: 0.82, p99: 12.3, p999: 456, max: 7_890 };
const result: ReplayResult = {
  requests: 76_118,
  hits: 38_487,
  misses: 37_631,
  hitRatio: 0.505623,
  requestsPerSecond: 412_345.6,
  latencyUs: { get: percentiles, set: percentiles },
  loopDelayMs: { p99: 0.5, max: 3.25 },
  evictions: 36_607,
  expirations: 0,
  entries: 1_024,
  bytes: 173_568,
  overheadBytesPerEntry: 59.25,
  rssBytes: 85_000_000,
  shards: [
    { shard: 0, hits: 30_000, misses: 10_000, evictions: 0, expirations: 0, entries: 512, bytes: 80_000 },
    { shard: 1, hits: 8_487, misses: 27_631, evictions: 0, expirations: 0, entries: 512, bytes: 93_568 },
  ],
  badLines: 2,
  failed: 1,
};
const config: CacheConfig = {
  shards: 2,
  maxBytes: 64 * 1024 * 1024,
  maxEntries: 1_024,
  ttl: Number.POSITIVE_INFINITY,
  sliding: false,
  eviction: 'lru',
  serializer: 'msgpack',
  filter: false,
  reads: 'shared',
  tier: false,
  nearCache: false,
  lane: 'comlink',
  cleanupInterval: 1_000,
  metrics: true,
  advise: false,
  seed: undefined,
  timeout: 30_000,
  leaseTimeout: 30_000,
  stallTimeout: 10_000,
  crashBudget: 10,
  maxPendingCalls: 65_536,
  maxPendingBytes: 65_536,
  compute: { threads: 1, queue: 1_024, idleTimeout: 10_000 },
  storage: { dir: 'cache_storage', filename: 'cache_data', timestamps: false },
  metricsStorage: { dir: 'cache_storage', filename: 'cache_metrics', timestamps: false, serializer: 'json' },
  autosave: false,
  restore: false,
  unref: true,
};
const settings: ReportSettings = {
  title: 'web.txt.gz',
  config,
  concurrency: 64,
  elapsedMs: 185,
  hungryMs: 0,
  colours: false,
};

test('figures keep few digits and name their unit', () => {
  expect([0.82, 8.211, 82.11, 821.1, 1_530, 2_500_000].map(duration)).toEqual([
    '0.82 µs',
    '8.21 µs',
    '82.1 µs',
    '821 µs',
    '1.53 ms',
    '2.50 s',
  ]);
  expect([0, 1_023, 173_568, 3 * 2 ** 40].map(bytes)).toEqual(['0 B', '1,023 B', '169.5 KiB', '3.0 TiB']);
  expect([count(1_234_567), percent(0.505623)]).toEqual(['1,234,567', '50.56 %']);
});

test('the report tells settings, ratios, speed, latencies, memory and shards', () => {
  expect(renderReport(result, settings)).toMatchInlineSnapshot(`
    "
      web.txt.gz
      lru · 2 shards · 1,024 entries and 64.0 MiB · shared reads · 64 at once

      hit ratio         50.56 %  38,487 of 76,118 requests
      throughput      412,346/s  in 185 ms
      failed                  1  requests ended in an error, or held a value too large
      bad lines               2  left out

                            p50        p99      p99.9        max
      get               0.82 µs    12.3 µs     456 µs    7.89 ms
      set               0.82 µs    12.3 µs     456 µs    7.89 ms
      event loop                    500 µs               3.25 ms  late

      entries             1,024  36,607 evicted, 0 expired
      memory          169.5 KiB  59.3 B an entry beside key and value
      process          81.1 MiB  resident, the runtime and all threads included

      shard 0       ████████████████████████     40,000 requests        512 entries    75.00 %
      shard 1       ██████████████████████░░     36,118 requests        512 entries    23.50 %

    "
  `);
});

test('colours change no column', () => {
  const coloured = renderReport(result, { ...settings, colours: true });
  expect(coloured).toContain('\x1b[');
  expect(stripVTControlCharacters(coloured)).toBe(renderReport(result, settings));
});

test('of many shards the busiest and the idlest are shown', () => {
  const shards = Array.from({ length: 200 }, (_, shard) => ({
    ...{ shard, hits: 1_000 - shard, misses: 0, evictions: 0, expirations: 0, entries: 1, bytes: 1 },
  }));
  const report = renderReport({ ...result, shards }, settings);
  expect(report.match(/shard \d+/g)).toHaveLength(16);
  expect(report).toContain('shard 0 ');
  expect(report).toContain('shard 199 ');
  expect(report).toContain('the busiest and the idlest of 200');
});

test('a trace that was slower than the cache is told, for the throughput is its', () => {
  expect(renderReport(result, { ...settings, elapsedMs: 2_000, hungryMs: 1_500 })).toContain(
    '75.00 % of that time the trace had nothing ready',
  );
});
