import { describe, expect, test } from 'vitest';
import type { LoadResult } from '../../src/main/cli/load-result.ts';
import { runCommand } from './run-command.ts';

const SMALL = ['--ops', '20000', '--keys', '2000', '--threads', '2', '--shards', '2'];

async function loaded(...args: string[]): Promise<LoadResult> {
  const { code, stdout, stderr } = await runCommand(['load', ...SMALL, '--json', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

describe('a load', () => {
  test('--json prints one object with every figure', async () => {
    const any = expect.any(Number);
    const percentiles = { count: any, p50: any, p95: any, p99: any, p999: any, max: any };
    const result = await loaded('--read', '0.9', '--zipf', '0.99', '--value-size', '100');
    expect(result).toEqual({
      operations: 20_000,
      operationsPerSecond: any,
      elapsedMs: any,
      reads: any,
      writes: any,
      fills: 0,
      hits: result.reads,
      misses: 0,
      hitRatio: 1,
      latencyUs: { read: percentiles, write: percentiles },
      readsPerSample: 16,
      clockUs: any,
      behindMs: 0,
      errors: {},
      wrongValues: 0,
      kills: 0,
      restarts: 0,
      longestDownMs: 0,
      loopDelayMs: { p99: any, max: any },
      fillMs: any,
      entries: 2_000,
      bytes: any,
      evictions: 0,
      rssBytes: any,
      threads: [0, 1].map((thread) => ({ thread, operations: 10_000, operationsPerSecond: any })),
    });
    expect(result.reads + result.writes).toBe(20_000);
    expect(result.latencyUs.write.count).toBe(result.writes);
  });

  test('prints a report', async () => {
    const { code, stdout, stderr } = await runCommand(['load', ...SMALL]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/2 threads · 90\.00 % get · Zipf 0\.99 over 2,000 keys[\s\S]*throughput[\s\S]*thread 1/);
  });

  test('of an empty cache fills it with what it misses', async () => {
    const result = await loaded('--no-fill', '--read', '1');
    expect(result.fillMs).toBe(0);
    expect(result.misses).toBeGreaterThan(500);
    expect(result).toMatchObject({ fills: result.misses, writes: result.misses, reads: 20_000 });
    expect(result.entries).toBeLessThanOrEqual(2_000);
  });

  test('may be of getSync, and of a cache that evicts', async () => {
    const result = await loaded('--sync', '--max-entries', '200', '--eviction', 'lru');
    expect(result.evictions).toBeGreaterThan(0);
    expect(result.hitRatio).toBeGreaterThan(0.1);
    expect(result.entries).toBeLessThanOrEqual(200);
  });

  test('may ask the owners', async () => {
    expect(await loaded('--reads', 'owner', '--ops', '2000')).toMatchObject({ hitRatio: 1, operations: 2_000 });
  });

  test('keeps a rate', async () => {
    const result = await loaded('--rate', '4000', '--ops', '2000');
    expect(result.elapsedMs).toBeGreaterThan(490);
    expect(result).toMatchObject({ operations: 2_000, readsPerSample: 1 });
    expect(result.latencyUs.read.count).toBe(result.reads);
  });

  test('whose shards are killed loses nothing and reads nothing wrong', async () => {
    const result = await loaded('--kill-every', '150ms', '--rate', '4000', '--ops', '4000', '--read', '0.7');
    expect(result.kills).toBeGreaterThan(0);
    expect(result).toMatchObject({ restarts: result.kills, wrongValues: 0, operations: 4_000, hitRatio: 1 });
    expect(result.longestDownMs).toBeGreaterThan(0);
    // A write may have been under way, and then nobody can say whether it was applied.
    expect(Object.keys(result.errors).filter((code) => code !== 'SHARD_DOWN')).toEqual([]);
  });

  test('that is interrupted reports what was done', async () => {
    const args = ['load', ...SMALL, '--ops', '40000', '--rate', '1000', '--json'];
    const { code, stdout } = await runCommand(args, { interruptedAfterMs: 3_000 });
    expect(code).toBe(130);
    const { operations, threads } = JSON.parse(stdout) as LoadResult;
    expect(operations).toBeGreaterThan(0);
    expect(operations).toBeLessThan(40_000);
    expect(threads).toHaveLength(2);
  });

  test('of fewer calls than threads leaves some without', async () => {
    expect(await loaded('--ops', '1', '--threads', '3')).toMatchObject({ operations: 1 });
  });

  test.each<[string[], RegExp]>([
    [['--threads', '0'], /--threads takes a whole number from 1 to 256, got '0'/],
    [['--shards', '1000'], /Expected --shards to be an integer from 1 to 256/],
    [['--eviction', 'lur'], /Expected --eviction to be one of as3-fifo/],
    [['--max-bytes', '64mbit'], /Expected --max-bytes to be/],
    [['--foo'], /Unknown option '--foo'/],
  ])('%j is misuse: one line, exit code 2', async (args, told) => {
    const { code, stdout, stderr } = await runCommand(['load', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(told);
    expect(stderr.match(/\n/g)).toHaveLength(1);
  });

  test('of values that no shard can hold fails, and says so', async () => {
    const { code, stdout, stderr } = await runCommand(['load', '--max-bytes', '1mb', '--value-size', '2000000']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^shardstash load: A value of \d+ bytes does not fit a shard/);
  });

  test('whose report nobody reads ends', async () => {
    const { code } = await runCommand(['load', ...SMALL], { closesStdout: true });
    expect(code).toBe(0);
  });
});
