/** The tables of the README about where one comes from, row by row, as far as no other test has them. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cache, openCache } from 'shardstash';
import { BloomFilter } from 'shardstash/filters';
import { compact, memoize, openMemo } from 'shardstash/memo';
import { openStore } from 'shardstash/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'shardstash-coming-from-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('coming from PyQuickCache', () => {
  let cache: Cache;
  beforeAll(async () => {
    const place = { dir: join(folder, 'storage'), timestamps: true };
    cache = await openCache({
      shards: 1,
      maxEntries: 50,
      ttl: '500s',
      eviction: 'lru',
      cleanupInterval: '50s',
      storage: { ...place, filename: 'data' },
      metricsStorage: { ...place, filename: 'counts', serializer: 'json' },
    });
    return () => cache.close();
  });

  test('what raises there rejects, and what answers none there is undefined', async () => {
    await cache.set('key', 1, { ttl: '5s' });
    await cache.add('other', 2);
    await cache.update('other', 3);
    expect(await cache.getOrThrow('other')).toBe(3);
    expect(await cache.delete('other')).toBe(true);
    await expect(cache.getOrThrow('other')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
    expect(await cache.get('other')).toBeUndefined();
  });

  test('many at once, sizes and sweeps have their names', async () => {
    await cache.setMany({ a: 1, b: 2 });
    expect(await cache.getMany(['a', 'b'])).toEqual(new Map(Object.entries({ a: 1, b: 2 })));
    expect(await cache.deleteMany(['a', 'nobody'])).toBe(1);
    expect([await cache.size(), await cache.validSize(), await cache.cleanup()]).toEqual([2, 2, 0]);
  });

  test('what is saved has the name, the time and the folder that the options say', async () => {
    await cache.save('my_cache_file');
    await cache.saveMetrics();
    await cache.clear();
    expect(await cache.load('my_cache_file')).toEqual({ loaded: 2, expired: 0, evicted: 0 });
    expect(readdirSync(join(folder, 'storage')).sort()).toEqual([
      expect.stringMatching(/^counts_\d{8}_\d{6}\.json$/),
      expect.stringMatching(/^my_cache_file_\d{8}_\d{6}\.snapshot$/),
    ]);
  });

  test('metrics are reset, or off', async () => {
    await cache.resetMetrics();
    expect(await cache.metrics()).toMatchObject({ enabled: true, hits: 0, sets: 0 });
    await using silent = await openCache({ shards: 1, metrics: false });
    await silent.set('key', 1);
    expect(await silent.metrics()).toMatchObject({ enabled: false, sets: 0 });
  });

  test("a serializer of one's own names its files", async () => {
    const serializer = {
      name: 'text',
      extension: 'txt',
      binary: false as const,
      encode: String,
      decode: (text: string) => text,
    };
    await using texts = await openCache<string>({ shards: 1, serializer });
    await texts.set('key', 'value');
    const { path } = await texts.save(join(folder, 'texts'));
    expect(path).toBe(join(folder, 'texts.txt'));
    await texts.load(path);
    expect(await texts.get('key')).toBe('value');
  });
});

test('coming from Macho', async () => {
  const options = {
    maxEntries: 100,
    ttl: '600s',
    shards: 4,
    eviction: 'lru',
    filter: { falsePositiveRate: 0.01 },
  } as const;
  await using cache = await openCache(options);
  await cache.set('key', 1);
  await cache.set('key', 2);
  expect([await cache.get('key'), await cache.has('key'), await cache.size()]).toEqual([2, true, 1]);
  expect((await cache.metrics()).perShard).toHaveLength(4);
  await cache.clear();
  await cache.resetMetrics();
  expect((await cache.metrics()).manualDeletions).toBe(0);
  const filter = new BloomFilter({ capacity: 100, falsePositiveRate: 0.01 });
  filter.add('key');
  expect([filter.has('key'), filter.has('nobody')]).toEqual([true, false]);
});

describe('coming from memoshelve', () => {
  const length = async (data: string, _verbose?: boolean) => data.length;

  test.each([
    ['by name', { ignore: ['verbose'], params: ['data', 'verbose'] }],
    ['by position', { ignore: [1] }],
  ])('an argument is ignored %s', async (_, options) => {
    await using remembered = memoize(length, { filename: false, ...options });
    await remembered('abc', true);
    expect(await remembered.callWithStatus('abc', false)).toEqual({ value: 3, status: 'memory' });
  });

  test('defaults are bound', async () => {
    const sum = async (a: number, b = 10) => a + b;
    await using remembered = memoize(sum, { filename: false, params: ['a', 'b'], defaults: { b: 10 } });
    await remembered(1);
    expect(await remembered.callWithStatus(1, 10)).toEqual({ value: 11, status: 'memory' });
  });

  test('the methods, what is printed, what is looked at, and the compaction', async () => {
    const path = join(folder, 'same.log');
    const said: string[] = [];
    const same = await openMemo(async (x: number) => x, path, { log: { miss: (text) => said.push(text) } });
    await same(1);
    await same.put(5, 2);
    expect([await same.has(2), await same.get(2), await same.uncache(2)]).toEqual([true, 5, true]);
    await expect(same.getOrThrow(2)).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
    expect(said).toEqual([
      expect.stringMatching(/^Cache miss \(mem\): /),
      expect.stringMatching(/^Cache miss \(disk: /),
    ]);
    const [key] = await same.store.keys();
    expect([await same.store.diskKeys(), await same.store.memoryKeys()]).toEqual([[key], [key]]);
    expect(await same.store.rawEntries()).toMatchObject([[key, { result: 1, args: [1] }]]);
    await same.close();
    expect(await compact(path, { backup: true })).toMatchObject({ entries: 1, dropped: 1 });
  });

  test('a stash, forced, and a memo that is off', async () => {
    const store = await openStore({ name: 'memo', root: folder, engine: 'log' });
    let runs = 0;
    const counted = memoize(async (_: number) => ++runs, { store, name: 'counted' });
    expect([await counted(1), await counted.force(1), await counted(1)]).toEqual([1, 2, 2]);
    await counted.close();
    await store.close();
    await using off = memoize(length, { disable: true });
    expect([await off.callWithStatus('ab'), await off.has('ab')]).toEqual([{ value: 2, status: 'miss' }, false]);
  });
});
