import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sumMetrics } from '../../../src/main/metrics.ts';
import { SnapshotCounts } from '../../../src/main/snapshot/counts.ts';
import { formatOf, saveMetricsTo, textOf } from '../../../src/main/snapshot/metrics-file.ts';
import { resolveMetricsStorage } from '../../../src/main/snapshot/storage-options.ts';
import { createTierCounts, tierMetricsOf } from '../../../src/main/tier/metrics.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import type { ShardCounts } from '../../../src/protocol/operations.ts';
import { foldersOfOneTest } from '../../support/folders.ts';

const folder = foldersOfOneTest();
const snapshots = new SnapshotCounts();
snapshots.saved(12, 3_456);

function metricsOf(shards: number) {
  const names = Object.keys(sumMetrics([undefined]).perShard[0] ?? {});
  // What every count is, whatever it counts.
  const counts = (shard: number) =>
    new Proxy({}, { get: (_, name) => (name === 'clients' ? 1 : shard + 1), has: () => true }) as ShardCounts;
  const told = Array.from({ length: shards }, (_, shard) => counts(shard));
  return { names, metrics: sumMetrics(told, tierMetricsOf(createTierCounts()), snapshots.metrics()) };
}

describe('the metrics as a file', () => {
  const { names, metrics } = metricsOf(3);

  test('json is what metrics() tells, with Dates as ISO text', () => {
    const read = JSON.parse(textOf(metrics, 'json'));
    expect(read).toEqual(JSON.parse(JSON.stringify(metrics)));
    expect(read.snapshots.lastSavedAt).toBe(metrics.snapshots.lastSavedAt?.toISOString());
  });

  test('csv has a line for each number, of all shards and of each', () => {
    const [head, ...rows] = textOf(metrics, 'csv').trimEnd().split('\n');
    expect(head).toBe('metric,shard,value');
    expect(rows.every((row) => /^[a-zA-Z.]+,\d*,[^,]+$/.test(row))).toBe(true);
    expect(rows).toContain(`hits,,${metrics.hits}`);
    expect(rows).toContain('hits,2,3');
    expect(rows).toContain('snapshots.lastBytes,,3456');
    expect(rows).toContain('tier.down,,false');
    for (const name of names.filter((each) => each !== 'shard')) {
      expect(rows.filter((row) => row.startsWith(`${name},`))).toHaveLength(4);
    }
  });

  test('prometheus text is of its format: HELP and TYPE once, counters end in _total, one line a shard', () => {
    const lines = textOf(metrics, 'prometheus').trimEnd().split('\n');
    const kinds = new Map<string, string>();
    for (const line of lines) {
      const [, name, kind] = /^# TYPE (shardstash_[a-z_]+) (counter|gauge)$/.exec(line) ?? [];
      if (name !== undefined) {
        expect(kinds.has(name)).toBe(false);
        kinds.set(name, kind as string);
        expect(name.endsWith('_total')).toBe(kind === 'counter');
      }
    }
    const samples = lines.filter((line) => !line.startsWith('#'));
    for (const sample of samples) {
      const [, name] = /^(shardstash_[a-z_]+)(?:\{shard="\d+"\})? -?\d+(?:\.\d+)?(?:e[+-]\d+)?$/.exec(sample) ?? [];
      expect(kinds.has(String(name)), sample).toBe(true);
    }
    expect(samples).toContain('shardstash_hits_total{shard="1"} 2');
    expect(samples).toContain('shardstash_snapshot_last_entries 12');
    expect(samples).toContain('shardstash_tier_down 0');
    expect(samples.filter((line) => line.startsWith('shardstash_hits_total'))).toHaveLength(3);
  });

  test('goes where it is asked to, in the format that the call, the extension or the option says', () => {
    const dir = join(folder(), 'metrics');
    const storage = resolveMetricsStorage({ dir, serializer: 'csv' });
    const plain = { useTimestamp: false, format: undefined };
    const paths = [undefined, 'a', 'b.prom', 'c.json', join(dir, 'deep', 'd')].map(
      (path) => saveMetricsTo(diskFiles, storage, metrics, { ...plain, path }).path,
    );
    expect(paths.map((path) => path.slice(dir.length + 1))).toEqual([
      'cache_metrics.csv',
      'a.csv',
      'b.prom',
      'c.json',
      join('deep', 'd.csv'),
    ]);
    expect(paths.map((path) => readFileSync(path, 'utf8').slice(0, 6))).toEqual([
      'metric',
      'metric',
      '# HELP',
      '{\n  "e',
      'metric',
    ]);
    const stamped = { path: undefined, useTimestamp: true, format: 'prometheus' } as const;
    for (let i = 0; i < 2; i++) saveMetricsTo(diskFiles, storage, metrics, stamped);
    expect(readdirSync(dir).filter((name) => /^cache_metrics_\d{8}_\d{6}(_2)?\.prom$/.test(name))).toHaveLength(2);
  });

  test('refuses other formats', () => {
    expect(() => formatOf('xml')).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', option: 'format' }));
  });
});
