/** What `metrics()` tells: exact numbers for a script of calls, and what holds whatever was called. */
import { type CacheMetrics, openCache } from 'shardstash';
import { manualClock } from 'shardstash/testing';
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, outcomeOf, pairs, READS, sharedCache } from '../support/caches.ts';
import { SEED, seededRandom } from '../support/random.ts';

const NO_SNAPSHOTS = { saves: 0, loads: 0, failures: 0, lastSavedAt: undefined, lastEntries: 0, lastBytes: 0 };

/** Holds at every moment, for the sum and for each shard. */
function expectSound(metrics: CacheMetrics): void {
  for (const each of [metrics, ...metrics.perShard]) {
    expect(each.gets).toBe(each.hits + each.misses);
    expect(each.totalRequests).toBe(each.gets);
    for (const ratio of [each.hitRatio, each.missRatio, each.wastePercentage / 100]) {
      expect(ratio).toBeGreaterThanOrEqual(0);
      expect(ratio).toBeLessThanOrEqual(1);
    }
    expect(each.hitRatio + each.missRatio).toBeCloseTo(each.gets === 0 ? 0 : 1);
    expect(each.expiredBloat).toBe(each.currentTotalKeys - each.currentValidKeys);
    expect(each.currentValidKeys).toBeGreaterThanOrEqual(0);
    expect(each.peakTotalKeys).toBeGreaterThanOrEqual(each.currentTotalKeys);
    expect(each.peakValidKeys).toBeGreaterThanOrEqual(each.currentValidKeys);
    expect(each.memoryBytes).toBeGreaterThanOrEqual(each.payloadBytes);
    expect(each.currentTotalKeys === 0).toBe(each.memoryBytes === 0);
    expect(Object.values(each).filter((value) => typeof value === 'number' && !(value >= 0))).toEqual([]);
  }
  for (const name of Object.keys(metrics.perShard[0] ?? {}) as (keyof CacheMetrics)[]) {
    if (!/shard|^failed$|^clients$|ratio|rate|percentage/i.test(name)) {
      const sum = metrics.perShard.reduce((total, shard) => total + (shard[name as 'hits'] as number), 0);
      // Peaks of the shards need not have been at the same time.
      expect({ name, sum }).toEqual({ name, sum: metrics[name] });
    }
  }
  expect(metrics.perShard.map(({ shard }) => shard)).toEqual(metrics.perShard.map((_, i) => i));
}

describe.each(READS)('reads: %s', (reads) => {
  const shared = sharedCache({ reads });
  const make = cachesOfOneTest();

  test('a script of calls has exactly these numbers', async () => {
    const { cache, clock } = shared;
    await cache.setMany(pairs(20));
    await cache.set('mortal', 'x', { ttl: 100 });
    for (let i = 0; i < 30; i++) await cache.get(`k${i}`);
    for (let i = 0; i < 5; i++) cache.getSync(`k${i}`);
    await cache.getMany(['k0', 'k1', 'nobody', 'k0']);
    await cache.getOrThrow('k2');
    await outcomeOf(cache.getOrThrow('nobody'));
    await cache.lookup('k3');
    await cache.lookup('nobody');
    await cache.getOrSet('k4', () => 1);
    await cache.getOrSet('made', () => 1);
    await cache.pop('k19');
    await cache.pop('nobody');
    await cache.add('added', 1);
    await outcomeOf(cache.add('added', 1));
    await cache.update('added', 2);
    await outcomeOf(cache.update('nobody', 2));
    await cache.increment('counter');
    await cache.increment('counter');
    await cache.expire('k5', '1h');
    await cache.delete('k6');
    await cache.delete('nobody');
    await cache.deleteMany(['k7', 'k8', 'nobody']);
    await cache.popItem();
    clock.advance(100);
    await cache.get('mortal');
    await cache.cleanup();
    const metrics = await cache.metrics();
    expectSound(metrics);
    expect(metrics).toMatchObject({
      enabled: true,
      // 20 gets, 5 getSync, 3 of getMany, getOrThrow, lookup, getOrSet, pop.
      hits: 20 + 5 + 3 + 1 + 1 + 1 + 1,
      // 10 gets and the expired one, 1 of getMany, getOrThrow, lookup, getOrSet, pop.
      misses: 11 + 1 + 1 + 1 + 1 + 1,
      gets: 48,
      totalRequests: 48,
      // 20 of setMany, set, getOrSet, add, update, 2 increments.
      sets: 26,
      // pop, delete, 2 of deleteMany, popItem.
      manualDeletions: 5,
      evictions: 0,
      evictionRate: 0,
      failedOps: 3,
    });
    expect(metrics.hitRatio).toBeCloseTo(32 / 48);
    expect(metrics.missRatio).toBeCloseTo(16 / 48);
    expect(metrics.getSetRatio).toBeCloseTo(48 / 26);
    // 24 keys came; popItem may have taken the mortal one.
    expect(metrics.currentTotalKeys + metrics.expirations).toBe(19);
    expect(metrics.perShard).toHaveLength(2);
  });

  test('of a cache that nobody has used is zero, and no ratio is NaN', async () => {
    const cache = await make({ reads });
    const metrics = await cache.metrics();
    expectSound(metrics);
    const { perShard, enabled, messages, calls, clients, tier, snapshots, ...rest } = metrics;
    expect(new Set(Object.values(rest))).toEqual(new Set([0]));
    expect([enabled, messages, calls, clients, tier]).toEqual([true, 2, 2, 1, undefined]);
    expect(snapshots).toEqual(NO_SNAPSHOTS);
  });

  test('has, peek, touch, ttl, size, iteration and metrics count nothing', async () => {
    const { cache } = shared;
    await cache.set('k', 1);
    const before = await cache.metrics();
    for (const key of ['k', 'nobody']) {
      await Promise.all([cache.has(key), cache.peek(key), cache.touch(key), cache.ttl(key)]);
    }
    await Promise.all([cache.size(), cache.validSize(), cache.cleanup(), cache.toMap(), cache.keys().next()]);
    const { messages: _m, calls: _c, perShard: _p, ...after } = await cache.metrics();
    expect(before).toMatchObject(after);
  });

  test('evictions, rates and peaks', async () => {
    const cache = await make({ reads, maxEntries: 600 });
    await cache.setMany(pairs(1_000));
    const full = await cache.metrics();
    expectSound(full);
    expect(full).toMatchObject({ currentTotalKeys: 600, peakTotalKeys: 600, evictions: 400, sets: 1_000 });
    expect(full.evictionRate).toBeCloseTo(0.4);
    await cache.deleteMany(pairs(1_000).map(([key]) => key));
    await cache.set('last', 1);
    expect(await cache.metrics()).toMatchObject({ currentTotalKeys: 1, peakTotalKeys: 600, manualDeletions: 600 });
  });

  test('expired entries are bloat until they are swept', async () => {
    const clock = manualClock();
    const cache = await make({ reads, clock, cleanupInterval: false });
    await cache.setMany(pairs(30), { ttl: 10 });
    await cache.setMany(pairs(10, 'stays'));
    clock.advance(10);
    const bloated = await cache.metrics();
    expectSound(bloated);
    expect(bloated).toMatchObject({
      currentTotalKeys: 40,
      currentValidKeys: 10,
      expiredBloat: 30,
      wastePercentage: 75,
      expirations: 0,
      peakTotalKeys: 40,
      peakValidKeys: 40,
    });
    await cache.cleanup();
    expect(await cache.metrics()).toMatchObject({ expiredBloat: 0, wastePercentage: 0, expirations: 30 });
  });

  test('clear keeps the counts, and counts what it removed as deletions', async () => {
    const { cache } = shared;
    await cache.setMany(pairs(10));
    await cache.get('k1');
    await cache.clear();
    const metrics = await cache.metrics();
    expectSound(metrics);
    expect(metrics).toMatchObject({ hits: 1, sets: 10, manualDeletions: 10, currentTotalKeys: 0, memoryBytes: 0 });
  });

  test('bytes are those of keys and values, and what they cost beside', async () => {
    const { cache } = shared;
    await cache.setMany(Array.from({ length: 1_000 }, (_, i) => [`key${1_000 + i}`, Buffer.alloc(1_000)] as const));
    const { payloadBytes, memoryBytes } = await cache.metrics();
    expect(payloadBytes).toBe(1_000 * (7 + 1_000));
    expect(memoryBytes - payloadBytes).toBeGreaterThan(0);
    expect(memoryBytes).toBeLessThan(payloadBytes * 1.2);
  });

  describe('resetMetrics', () => {
    test('lets counts begin at zero and peaks at what there is; the entries stay', async () => {
      const { cache } = shared;
      await cache.setMany(pairs(100));
      await cache.deleteMany(pairs(60).map(([key]) => key));
      await cache.get('k70');
      await cache.get('nobody');
      await outcomeOf(cache.add('k70', 1));
      const before = await cache.metrics();
      expect(before).toMatchObject({ peakTotalKeys: expect.toSatisfy((peak: number) => peak >= 100) });
      await cache.resetMetrics();
      const after = await cache.metrics();
      expectSound(after);
      expect(after).toMatchObject({
        hits: 0,
        misses: 0,
        gets: 0,
        sets: 0,
        hitRatio: 0,
        failedOps: 0,
        manualDeletions: 0,
        currentTotalKeys: 40,
        currentValidKeys: 40,
        peakTotalKeys: 40,
        peakValidKeys: 40,
        memoryBytes: before.memoryBytes,
        payloadBytes: before.payloadBytes,
      });
      expect(await cache.get('k70')).toBe(70);
      cache.getSync('k71');
      await cache.set('more', 1);
      expect(await cache.metrics()).toMatchObject({ hits: 2, misses: 0, hitRatio: 1, sets: 1, peakTotalKeys: 41 });
    });

    test('twice, and with calls in between that nobody awaited, leaves nothing negative', async () => {
      const { cache } = shared;
      await cache.setMany(pairs(100));
      const calls = pairs(100).flatMap(([key]) => [cache.get(key), cache.delete(key), cache.resetMetrics()]);
      await Promise.all(calls);
      expectSound(await cache.metrics());
    });
  });

  test('what holds, holds after two thousand random calls', async () => {
    const clock = manualClock();
    const cache = await make({ reads, clock, maxEntries: 60 });
    const random = seededRandom('metrics of random calls');
    const acts: ((key: string) => unknown)[] = [
      (key) => cache.set(key, 'x'.repeat(random.below(500)), random.oneIn(3) ? { ttl: 1 + random.below(50) } : {}),
      (key) => cache.get(key),
      (key) => cache.getSync(key),
      (key) => cache.getMany([key, `${key}0`]),
      (key) => cache.pop(key),
      (key) => cache.delete(key),
      (key) => outcomeOf(cache.getOrThrow(key)),
      (key) => cache.getOrSet(key, () => key, { ttl: 20 }),
      (key) => outcomeOf(cache.increment(key)),
      (key) => cache.touch(key),
      () => random.oneIn(50) && cache.clear(),
      () => clock.advance(random.below(5)),
    ];
    for (let i = 0; i < 2_000; i++) {
      await acts[random.below(acts.length)]?.(`k${random.below(100)}`);
      if (i % 100 === 0) expectSound(await cache.metrics());
    }
    const metrics = await cache.metrics();
    expectSound(metrics);
    expect({ SEED, keys: metrics.currentTotalKeys }).toEqual({ SEED, keys: await cache.size() });
  });

  test('an LRU that is read twenty thousand times and never written to hears of every get', async () => {
    const cache = await make({ reads, shards: 1, eviction: 'lru' });
    await cache.set('k', 'v');
    for (let i = 0; i < 20_000; i++) await cache.get('k');
    expect(await cache.metrics()).toMatchObject({ hits: 20_000, droppedTouches: 0 });
  });

  test('reads that leave the event loop no turn are counted, all of them', async () => {
    const cache = await make({ reads, shards: 1, eviction: 'lru' });
    await cache.set('k', 'v');
    const gets = Array.from({ length: 20_000 }, () => cache.get('k'));
    for (let i = 0; i < 20_000; i++) cache.getSync('k');
    await Promise.all(gets);
    expect((await cache.metrics()).hits).toBe(40_000);
  });

  test('metrics: false has the same shape, and is all zero', async () => {
    const [on, off] = [await make({ reads }), await make({ reads, metrics: false })];
    for (const cache of [on, off]) {
      await cache.setMany(pairs(10));
      await cache.get('k1');
      await cache.resetMetrics();
    }
    const metrics = await off.metrics();
    expect(shapeOf(metrics)).toEqual(shapeOf(await on.metrics()));
    const { enabled, perShard, tier: ___, snapshots, ...rest } = metrics;
    expect(enabled).toBe(false);
    expect(perShard).toHaveLength(2);
    for (const { shard: _, failed: __, ...each } of perShard) {
      expect(new Set(Object.values(each))).toEqual(new Set([0]));
    }
    expect(new Set(Object.values(rest))).toEqual(new Set([0]));
    expect(snapshots).toEqual(NO_SNAPSHOTS);
    expect(await off.size()).toBe(10);
  });
});

function shapeOf(metrics: CacheMetrics): unknown {
  return [Object.keys(metrics).sort(), metrics.perShard.map((each) => Object.keys(each).sort())];
}

test('each cache counts its own', async () => {
  const [one, other] = [await openCache({ shards: 1 }), await openCache({ shards: 1 })];
  await one.set('k', 1);
  expect((await other.metrics()).sets).toBe(0);
  expect(await other.has('k')).toBe(false);
  await Promise.all([one.close(), other.close()]);
});
