/** One thread's share of a load, in this thread, against caches that are none. */
import { describe, expect, test } from 'vitest';
import { LoadClient, type LoadShare, type LoadTask, READS_PER_SAMPLE } from '../../src/main/cli/load-client.ts';
import { LoadControl } from '../../src/main/cli/load-control.ts';
import { drawnFor } from '../../src/main/cli/load-draws.ts';
import { makeValue } from '../../src/main/cli/load-values.ts';
import { type Cache, CacheError } from '../../src/main/index.ts';

const LENGTH = 64;

interface Fake {
  get?(key: string): string | undefined;
  set?(key: string, value: string): void;
}

async function shareOf(fake: Fake, options: Partial<LoadTask> = {}): Promise<LoadShare> {
  const control = new LoadControl(options.threads ?? 1);
  const get = fake.get ?? ((key) => makeValue(idOf(key), 5, LENGTH));
  const cache = {
    getSync: get,
    get: async (key: string) => get(key),
    set: async (key: string, value: string) => fake.set?.(key, value),
  } as unknown as Cache<string, string>;
  const task = {
    ...{ control: control.buffer, thread: 0, threads: 1, operations: 3_000, keys: 100, exponent: 0.9, readShare: 0.75 },
    ...{ valueLength: LENGTH, seed: 1, intervalMs: 0, sync: false },
    ...options,
  } as LoadTask;
  control.begin();
  return await new LoadClient(cache, task, drawnFor(task)).run();
}

function idOf(key: string): number {
  return Number(key.slice(key.indexOf(':') + 1));
}

const counted = ({ counts }: LoadShare['readLatency']) => counts.reduce((sum, each) => sum + each, 0);

describe('one thread of a load', () => {
  test.each([false, true])('makes its share of the calls, and times what it says (sync: %s)', async (sync) => {
    const share = await shareOf({}, { sync });
    expect(share.reads + share.writes).toBe(3_000);
    expect(share.reads / 3_000).toBeCloseTo(0.75, 1);
    expect(share).toMatchObject({ hits: share.reads, misses: 0, fills: 0, wrongValues: 0, errors: {}, behindMs: 0 });
    expect(counted(share.readLatency)).toBe(Math.floor(share.reads / READS_PER_SAMPLE));
    expect(counted(share.writeLatency)).toBe(share.writes);
    expect(share.endedMs).toBeGreaterThan(share.startedMs);
  });

  test('reads through: what a get missed is set, and is there for the next', async () => {
    const stored = new Map<string, string>();
    const share = await shareOf({ get: (key) => stored.get(key), set: (key, value) => stored.set(key, value) });
    expect(share.misses).toBeGreaterThan(0);
    expect(share).toMatchObject({ fills: share.misses, hits: share.reads - share.misses, wrongValues: 0 });
    expect(share.reads + share.writes - share.fills).toBe(3_000);
  });

  test('writes no version twice', async () => {
    const versions = new Set<string>();
    const share = await shareOf({ set: (_, value) => versions.add(value.split(':')[1] as string) }, { readShare: 0 });
    expect(versions.size).toBe(share.writes);
  });

  test('counts every wrong value, and tells of the first', async () => {
    const share = await shareOf({ get: (key) => makeValue(idOf(key) + 1, 5, LENGTH) });
    expect(share.wrongValues).toBe(share.reads);
    expect(share.wrongTold).toHaveLength(3);
    expect(share.wrongTold[0]).toMatch(/^The value of 'load:\d+' is that of key \d+$/);
  });

  test('counts errors by code, and goes on', async () => {
    let asked = 0;
    const share = await shareOf({
      get(key) {
        if (++asked % 10 === 0) throw new CacheError('SHARD_DOWN', 'Shard 0 is down', { shard: 0 });
        return makeValue(idOf(key), 5, LENGTH);
      },
      set: () => {
        throw new TypeError('no');
      },
    });
    expect(share.reads + share.writes).toBe(3_000);
    expect(share.hits).toBe(share.reads - Math.floor(share.reads / 10));
    expect(share.errors).toEqual({
      SHARD_DOWN: { count: Math.floor(share.reads / 10), message: 'Shard 0 is down' },
      TypeError: { count: share.writes, message: 'no' },
    });
  });

  test('ends where the cache is closed', async () => {
    const closed = () => {
      throw new CacheError('CACHE_CLOSED', 'The cache is closed');
    };
    const share = await shareOf({ get: closed, set: closed });
    expect(share.errors).toEqual({ CACHE_CLOSED: { count: 1, message: 'The cache is closed' } });
  });

  test('keeps a schedule, and counts latencies from when a call was due', async () => {
    let slow = true;
    const share = await shareOf(
      {
        get(key) {
          // The first call holds up those that are due in the next 50 ms.
          for (const endMs = performance.now() + (slow ? 50 : 0); performance.now() < endMs; );
          slow = false;
          return makeValue(idOf(key), 5, LENGTH);
        },
      },
      { operations: 200, readShare: 1, intervalMs: 0.5 },
    );
    expect(share.endedMs - share.startedMs).toBeGreaterThanOrEqual(99);
    expect(counted(share.readLatency)).toBe(200);
    expect(share.behindMs).toBeGreaterThan(40);
    const slowest = share.readLatency.maxMs;
    expect(slowest).toBeGreaterThanOrEqual(50);
    // Ninety-nine were due meanwhile: half of them waited 25 ms or longer.
    const counts = Array.from(share.readLatency.counts);
    const late = counts.slice(counts.findIndex((_, bin) => msOf(bin) >= 24)).reduce((sum, each) => sum + each, 0);
    expect(late).toBeGreaterThan(40);
  });

  test('has its calls due between those of the other threads', async () => {
    const shares = { thread: 1, threads: 4, operations: 1, readShare: 1, intervalMs: 80 };
    const { startedMs, endedMs, readLatency } = await shareOf({}, shares);
    expect(endedMs - startedMs).toBeGreaterThanOrEqual(20);
    expect(readLatency.maxMs).toBeLessThan(20);
  });
});

/** Where a bin begins. */
function msOf(bin: number): number {
  const octave = Math.max(0, Math.floor(bin / 128) - 1);
  return ((bin - octave * 128) * 2 ** octave) / 1e6;
}
