import { type Cache, type CacheOptions, openCache } from 'shardstash';
import { afterEach, describe, expect, test } from 'vitest';

const ENTRIES = 20_000;
const open: Cache[] = [];

async function make(options: CacheOptions): Promise<Cache> {
  const cache = await openCache({ shards: 2, ...options });
  open.push(cache);
  return cache;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()));
});

const keysOf = (name: string, count = ENTRIES) => Array.from({ length: count }, (_, i) => `${name} ${i}`);
const fill = (cache: Cache, name: string) => cache.setMany(keysOf(name).map((key, i) => [key, i] as const));

/** Gets of keys that were never there, and what of them the owner heard. */
async function askStrangers(cache: Cache): Promise<{ asked: number; negatives: number; falsePositives: number }> {
  const before = await cache.metrics();
  const strangers = keysOf('stranger');
  expect((await cache.getMany(strangers)).size).toBe(0);
  const after = await cache.metrics();
  expect(after.misses - before.misses).toBe(strangers.length);
  expect(after.gets).toBe(after.hits + after.misses);
  return {
    asked: strangers.length,
    negatives: after.filterNegatives - before.filterNegatives,
    falsePositives: after.filterFalsePositives - before.filterFalsePositives,
  };
}

describe.each(['blocked-bloom', 'bloom', 'cuckoo'] as const)("with reads: 'owner' a %s filter", (type) => {
  test('answers nearly every miss without a message, and every hit reaches the owner', async () => {
    const cache = await make({ reads: 'owner', filter: { type } });
    await fill(cache, 'key');
    const { asked, negatives, falsePositives } = await askStrangers(cache);
    expect(negatives + falsePositives).toBe(asked);
    expect(falsePositives).toBeLessThan(asked * 0.015);
    expect((await cache.getMany(keysOf('key'))).size).toBe(ENTRIES);
    expect(await cache.has('stranger 0')).toBe(false);
    expect(await cache.peek('stranger 0')).toBeUndefined();
    const counted = await cache.metrics();
    expect(counted.gets).toBe(asked + ENTRIES);
  });

  test('keeps its rate while entries come and go', async () => {
    const cache = await make({ reads: 'owner', maxEntries: ENTRIES, filter: { type } });
    for (let turn = 0; turn < 8; turn++) {
      await fill(cache, `turn ${turn}`);
      const { asked, falsePositives } = await askStrangers(cache);
      expect(falsePositives, `turn ${turn}`).toBeLessThan(asked * 0.02);
    }
    // Nobody who is there is ever ruled out: all that were not evicted answer.
    const found = await cache.getMany(keysOf('turn 7'));
    expect(found.size).toBe(await countOf(cache, 'turn 7'));
  });

  test('forgets everything at a clear, and knows what comes after', async () => {
    const cache = await make({ reads: 'owner', filter: { type } });
    await fill(cache, 'key');
    await cache.clear();
    await cache.set('new', 1);
    expect(await cache.get('new')).toBe(1);
    const before = await cache.metrics();
    expect((await cache.getMany(keysOf('key'))).size).toBe(0);
    const after = await cache.metrics();
    expect(after.filterNegatives - before.filterNegatives).toBeGreaterThan(ENTRIES * 0.98);
  });

  test('never hides what this client has just written', async () => {
    const cache = await make({ reads: 'owner', filter: { type } });
    for (let i = 0; i < 2_000; i++) {
      void cache.set(`key ${i}`, i);
      expect(await cache.get(`key ${i}`)).toBe(i);
    }
  });

  test('is in the config, and its rate with it', async () => {
    const cache = await make({ filter: { type } });
    expect(cache.config.filter).toEqual({ type, falsePositiveRate: 0.01 });
  });

  test('takes the rate it is given', async () => {
    const cache = await make({ reads: 'owner', filter: { type, falsePositiveRate: 0.1 }, maxEntries: ENTRIES });
    await fill(cache, 'key');
    const { asked, falsePositives } = await askStrangers(cache);
    expect(falsePositives).toBeLessThan(asked * 0.15);
    expect(falsePositives).toBeGreaterThan(0);
  });
});

test('a cuckoo filter rules deleted keys out at once', async () => {
  const cache = await make({ reads: 'owner', filter: { type: 'cuckoo', falsePositiveRate: 0.001 } });
  await fill(cache, 'key');
  await cache.deleteMany(keysOf('key'));
  const before = await cache.metrics();
  expect((await cache.getMany(keysOf('key'))).size).toBe(0);
  const after = await cache.metrics();
  expect(after.filterNegatives - before.filterNegatives).toBe(ENTRIES);
});

test("with reads: 'owner' and no filter the owner is asked, and nothing counted", async () => {
  const cache = await make({ reads: 'owner', filter: false });
  await fill(cache, 'key');
  const { negatives, falsePositives } = await askStrangers(cache);
  expect([negatives, falsePositives]).toEqual([0, 0]);
});

test('with shared reads the memory itself tells a miss, and the filter is not asked', async () => {
  const cache = await make({ reads: 'shared' });
  await fill(cache, 'key');
  const { negatives, falsePositives } = await askStrangers(cache);
  expect([negatives, falsePositives]).toEqual([0, 0]);
});

async function countOf(cache: Cache, name: string): Promise<number> {
  let count = 0;
  for await (const key of cache.keys()) {
    count += String(key).startsWith(`${name} `) ? 1 : 0;
  }
  return count;
}
