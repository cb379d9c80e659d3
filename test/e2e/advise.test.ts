/**
 * What `advise()` says, against what caches of those sizes and policies do: on seeded Zipf requests, and on real traces
 * where SHARDSTASH_TRACES names their folder.
 */
import { type Cache, type CacheAdvice, type CacheOptions, openCache } from 'shardstash';
import { simulate } from 'shardstash/simulation';
import { manualClock } from 'shardstash/testing';
import { describe, expect, test } from 'vitest';
import { cachesOfOneTest, outcomeOf, pairs, READS } from '../support/caches.ts';
import { zipfSampler } from '../support/loads.ts';
import { type Random, seededRandom } from '../support/random.ts';
import { hasTraces, keysOf, NO_TRACES } from '../support/traces.ts';

/** In hit ratio: what is promised. */
const POINTS = 0.03;

const make = cachesOfOneTest();

function zipfIds(random: Random, requests: number, keys: number, exponent: number): Int32Array {
  const next = zipfSampler(keys, exponent, () => random.fraction());
  return Int32Array.from({ length: requests }, next);
}

/** Sets that are under way at once: a hop for each would be most of a test. */
const SETS_AT_ONCE = 64;

/** Every request is a get and, on a miss, a set, `lanes` of them at a time: more than one, and a key may miss several times. */
async function replay(cache: Cache, ids: Int32Array, lanes = 1): Promise<void> {
  let next = 0;
  const lane = async () => {
    let sets: Promise<void>[] = [];
    while (next < ids.length) {
      const key = `key:${ids[next++]}`;
      if ((await cache.get(key)) === undefined) {
        const set = cache.set(key, 1);
        // It is waited for below, unless a get fails first.
        set.catch(() => {});
        sets.push(set);
      }
      if (sets.length === SETS_AT_ONCE) {
        await Promise.all(sets);
        sets = [];
      }
    }
    await Promise.all(sets);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Of the sizes in order, and of the policies as they are listed. */
async function trueHitRatios(ids: Int32Array, advice: CacheAdvice, options: CacheOptions): Promise<number[]> {
  const { eviction = 'as3-fifo', shards = 1, maxEntries = 0 } = options;
  const caches = [
    ...advice.sizes.map(({ maxEntries: size }) => ({ eviction, shards, maxEntries: size })),
    ...advice.policies.map(({ eviction: name }) => ({ eviction: name, shards, maxEntries })),
  ];
  const keys = ids.reduce((most, id) => Math.max(most, id), 0) + 1;
  return (await simulate({ ids, keys }, caches)).map(({ hitRatio }) => hitRatio);
}

async function expectTruth(ids: Int32Array, options: CacheOptions): Promise<CacheAdvice> {
  const cache = await make({ advise: true, ...options });
  await replay(cache, ids);
  const advice = await cache.advise();
  const truths = await trueHitRatios(ids, advice, options);
  const predictions = [...advice.sizes, ...advice.policies].map(({ hitRatio }) => hitRatio);
  expect(predictions).toHaveLength(truths.length);
  for (const [i, predicted] of predictions.entries()) {
    expect(Math.abs(predicted - (truths[i] as number))).toBeLessThan(POINTS);
  }
  // A test of four flat curves would prove nothing.
  expect((advice.sizes[3]?.hitRatio ?? 0) - (advice.sizes[0]?.hitRatio ?? 0)).toBeGreaterThan(POINTS);
  expect(advice).toMatchObject({ enabled: true, ready: true, requests: ids.length });
  return advice;
}

describe('predictions are within 3 points of the truth', () => {
  test.each<CacheOptions>([
    { eviction: 'as3-fifo', shards: 1, reads: 'shared' },
    { eviction: 'lru', shards: 2, reads: 'shared', advise: { sampleRate: 0.25 } },
    { eviction: 'lru', shards: 1, reads: 'owner' },
  ])('on Zipf requests: %o', async (options) => {
    const ids = zipfIds(seededRandom('zipf advice'), 60_000, 40_000, 0.9);
    const advice = await expectTruth(ids, { ...options, maxEntries: 4_000 });
    expect(advice.sampleRate).toBeLessThan(1);
    expect(advice.followed).toBeLessThan(ids.length);
  });

  test('where bytes bound the cache', async () => {
    const ids = zipfIds(seededRandom('zipf bytes'), 50_000, 15_000, 0.9);
    const sizes = [0.5, 1, 2, 4].map((factor) => factor * 200_000);
    const ratios: number[] = [];
    for (const maxBytes of sizes) {
      const cache = await make({ shards: 1, maxBytes, advise: maxBytes === 200_000 });
      await replay(cache, ids);
      ratios.push((await cache.metrics()).hitRatio);
      if (cache.config.advise === false) continue;
      const advice = await cache.advise();
      expect(advice.sizes.map((size) => size.maxBytes)).toEqual(sizes);
      ratios.push(...advice.sizes.map(({ hitRatio }) => hitRatio));
    }
    const [half, asItIs, ...rest] = ratios as [number, number, ...number[]];
    const [predictedHalf, predicted, predictedTwice, predictedFour, twice, four] = rest as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    expect(Math.abs(predictedHalf - half)).toBeLessThan(POINTS);
    expect(predicted).toBeCloseTo(asItIs, 10);
    expect(Math.abs(predictedTwice - twice)).toBeLessThan(POINTS);
    expect(Math.abs(predictedFour - four)).toBeLessThan(POINTS);
    expect(four - half).toBeGreaterThan(POINTS);
  });

  if (!hasTraces()) {
    test.skip(`on real traces: ${NO_TRACES}`);
  }
  test.runIf(hasTraces()).each([
    ['web07', 2_000, 'as3-fifo'],
    ['lirs_sprite', 400, 'lru'],
  ] as const)('on the trace %s, %i entries, %s', async (name, maxEntries, eviction) => {
    await expectTruth(keysOf(name), { maxEntries, eviction, shards: 1 });
  });
});

describe('advise', () => {
  test('is off unless asked for, and then says how to turn it on', async () => {
    const cache = await make();
    await cache.set('k', 1);
    await cache.get('k');
    const advice = await cache.advise();
    expect(cache.config.advise).toBe(false);
    expect(advice).toMatchObject({ enabled: false, ready: false, requests: 0, sizes: [], hotKeys: [] });
    expect(advice.recommendation).toContain('advise: true');
  });

  test('has one shape, on or off, and is frozen', async () => {
    const [on, off] = [await make({ advise: true }), await make({ advise: false })];
    const advice = await on.advise();
    expect(Object.keys(advice).sort()).toEqual(Object.keys(await off.advise()).sort());
    for (const part of [advice, advice.sizes, advice.sizes[0], advice.policies, advice.hotKeys, advice.shards]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test('of a cache that nobody has used is not ready, and no number is NaN', async () => {
    const cache = await make({ advise: true, maxEntries: 1_000 });
    const advice = await cache.advise();
    expect(advice).toMatchObject({ enabled: true, ready: false, requests: 0, followed: 0, hitRatio: 0, skew: 1 });
    expect(JSON.stringify(advice)).not.toContain('null');
    expect(advice.recommendation).toContain('Ask again later');
  });

  test.each([
    [0, 'advise'],
    ['yes', 'advise'],
    [null, undefined],
    [{ sampleRate: 0 }, 'advise'],
    [{ sampleRate: 1.5 }, 'advise'],
    [{ sampleRate: Number.NaN }, 'advise'],
    [{ sampleRate: '1' }, 'advise'],
    [{ samplerate: 1 }, 'advise'],
    [() => true, 'advise'],
  ])('refuses %o, but for what means the default', async (advise, option) => {
    const opened = openCache({ shards: 1, advise: advise as unknown as true });
    if (option === undefined) {
      await (await opened).close();
    } else {
      await expect(opened).rejects.toMatchObject({ code: 'INVALID_CONFIG', option });
    }
  });

  test('rejects after close, on and off, and while the cache closes', async () => {
    for (const advise of [true, false]) {
      const cache = await openCache({ shards: 1, advise });
      const asked = cache.advise();
      await cache.close();
      expect(await outcomeOf(asked)).toMatchObject({ enabled: advise });
      expect(await outcomeOf(cache.advise())).toBe('CACHE_CLOSED');
    }
  });

  test('closing in the middle of sampled reads harms nobody', async () => {
    const cache = await openCache({ shards: 2, advise: true });
    await cache.setMany(pairs(1_000));
    for (let i = 0; i < 50_000; i++) cache.getSync(`k${i % 1_000}`);
    const pending = replay(
      cache,
      Int32Array.from({ length: 5_000 }, (_, i) => i),
    );
    const [, outcome] = await Promise.all([cache.close(), outcomeOf(pending)]);
    expect(outcome).toBe('CACHE_CLOSED');
  });

  test('follows no more keys than `sampleRate` says', async () => {
    const cache = await make({ shards: 1, maxEntries: 50_000, advise: { sampleRate: 0.1 } });
    await replay(
      cache,
      Int32Array.from({ length: 20_000 }, (_, i) => i % 10_000),
    );
    const { sampleRate, followed, requests } = await cache.advise();
    expect([sampleRate, requests]).toEqual([expect.closeTo(0.1, 5), 20_000]);
    expect(followed).toBeGreaterThan(1_000);
    expect(followed).toBeLessThan(3_000);
  });

  test.each(READS)('finds the hot keys, whatever their hash, and what they are: reads %s', async (reads) => {
    const cache = await make({ reads, advise: { sampleRate: 0.001 } });
    const hot = ['text', 7, ['a', 1], { of: 'plain data' }];
    await cache.setMany([...hot.map((key) => [key, 1] as const), ...pairs(1_000)]);
    const random = seededRandom('hot keys');
    for (let i = 0; i < 40_000; i++) {
      const key = random.oneIn(2) ? (hot[random.below(4)] as string) : `k${random.below(1_000)}`;
      if (reads === 'shared') cache.getSync(key);
      await cache.get(key);
    }
    const { hotKeys } = await cache.advise();
    const found = hotKeys.slice(0, 4);
    expect(found.map(({ key }) => JSON.stringify(key)).sort()).toEqual(hot.map((key) => JSON.stringify(key)).sort());
    for (const { share } of found) {
      expect(share).toBeGreaterThan(0.06);
      expect(share).toBeLessThan(0.2);
    }
  });

  test('names no key that is not in the cache any more', async () => {
    const cache = await make({ shards: 1, advise: true });
    await cache.setMany([
      ['stays', 1],
      ['goes', 1],
    ]);
    for (let i = 0; i < 20_000; i++) {
      await cache.get('stays');
      await cache.get('goes');
    }
    expect((await cache.advise()).hotKeys.map(({ key }) => key).sort()).toEqual(['goes', 'stays']);
    await cache.delete('goes');
    expect((await cache.advise()).hotKeys.map(({ key }) => key)).toEqual(['stays']);
  });

  test('tells how skewed the shards are', async () => {
    const cache = await make({ shards: 4, maxEntries: 8_000, advise: true });
    await cache.set('hot', 1);
    await cache.setMany(pairs(2_000));
    for (const [key] of pairs(2_000)) await cache.get(key);
    for (let i = 0; i < 6_000; i++) await cache.get('hot');
    const { skew, shards, requests, recommendation } = await cache.advise();
    const most = Math.max(...shards.map((shard) => shard.requests));
    expect(requests).toBe(8_000);
    expect(shards.map(({ shard }) => shard)).toEqual([0, 1, 2, 3]);
    expect(shards.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    expect(skew).toBeCloseTo((most / requests) * 4);
    expect(skew).toBeGreaterThan(2.5);
    expect(recommendation).toMatch(/^Shard \d gets \d\.\d times its share/);
  });

  test('hears of a long phase of reads alone, without a single call', async () => {
    const cache = await make({ shards: 1, maxEntries: 100, advise: true });
    await cache.setMany(pairs(100));
    const before = await cache.advise();
    for (let i = 0; i < 3_000; i++) cache.getSync(`k${i % 100}`);
    // Long enough for a beat of the shard's own timer, and nothing is sent meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (let i = 0; i < 3_000; i++) cache.getSync(`k${i % 100}`);
    const after = await cache.advise();
    expect(after.followed - before.followed).toBe(6_000);
  });

  test('what overflows is left out of the account, and predictions stay true', async () => {
    const cache = await make({ shards: 1, maxEntries: 1_000, eviction: 'lru', advise: true });
    await cache.setMany(pairs(2_000));
    // A turn of 400,000 reads: the ring holds 4,096.
    for (let i = 0; i < 400_000; i++) cache.getSync(`k${(i * 7) % 2_000}`);
    const { followed, requests, hitRatio, sizes } = await cache.advise();
    expect(requests).toBe(400_000);
    expect(followed).toBeLessThan(400_000);
    // LRU holds the last 1,000 of 2,000 keys, and nothing is ever stored: half of the gets hit, whatever was heard.
    expect(hitRatio).toBeCloseTo(0.5);
    expect(Math.abs((sizes[2]?.hitRatio ?? 0) - 1)).toBeLessThan(POINTS);
  });

  test('resetMetrics lets it begin again with what the miniatures hold; clear keeps the counts', async () => {
    const cache = await make({ shards: 1, maxEntries: 1_000, advise: true });
    await replay(cache, zipfIds(seededRandom('reset'), 10_000, 2_000, 0.9));
    await cache.resetMetrics();
    expect(await cache.advise()).toMatchObject({ requests: 0, followed: 0, hotKeys: [], ready: false });
    for (let i = 0; i < 3_000; i++) await cache.get(`key:${i % 3}`);
    const again = await cache.advise();
    expect(again).toMatchObject({ requests: 3_000, followed: 3_000, hitRatio: 1, ready: true });
    expect(again.sizes.map(({ hitRatio }) => hitRatio)).toEqual([1, 1, 1, 1]);
    await cache.clear();
    expect(await cache.advise()).toMatchObject({ requests: 3_000, hitRatio: 1 });
    await cache.get('key:0');
    expect((await cache.advise()).sizes.map(({ hitRatio }) => hitRatio)).toEqual(
      new Array(4).fill(expect.closeTo(3_000 / 3_001, 6)),
    );
  });

  test('entries expire in the miniatures as they do in the cache', async () => {
    const clock = manualClock();
    const cache = await make({ shards: 1, maxEntries: 100, advise: true, clock });
    for (let round = 0; round < 30; round++) {
      for (let id = 0; id < 50; id++) {
        if ((await cache.get(id)) === undefined) await cache.set(id, id, { ttl: 100 });
      }
      clock.advance(40);
    }
    const { hitRatio, sizes } = await cache.advise();
    // Stored in one round, found in the next two.
    expect(hitRatio).toBeCloseTo(2 / 3);
    expect(sizes.map((size) => size.hitRatio)).toEqual(
      [hitRatio, hitRatio, hitRatio, hitRatio].map((each) => expect.closeTo(each, 6)),
    );
  });

  test('recommends half the size, twice the size or another policy, where that is what a cache needs', async () => {
    const loopOf = (keys: number, requests: number) => Int32Array.from({ length: requests }, (_, i) => i % keys);
    const roomy = await make({ shards: 1, maxEntries: 10_000, advise: true });
    await replay(roomy, loopOf(1_000, 10_000));
    expect((await roomy.advise()).recommendation).toMatch(/^Half the size would do/);

    const tight = await make({ shards: 1, maxEntries: 500, advise: true, metrics: false });
    const random = seededRandom('uniform requests');
    const uniform = Int32Array.from({ length: 10_000 }, () => random.below(1_000));
    await replay(tight, uniform);
    expect((await tight.advise()).recommendation).toMatch(
      /^Twice the size would hit (89|90)\.\d % of these gets instead/,
    );

    const looping = await make({ shards: 1, maxEntries: 500, eviction: 'fifo', advise: true });
    await replay(looping, loopOf(900, 9_000));
    const { recommendation, sizes } = await looping.advise();
    expect(recommendation).toMatch(/^Use `eviction: '.*'`: it would hit \d\d\.\d % .* 'fifo' hits 0\.0 %\.$/);
    expect(sizes.map(({ hitRatio }) => hitRatio)).toEqual([0, 0, 0.9, 0.9].map((each) => expect.closeTo(each, 6)));
  });

  const module = new URL('../support/policy-modules.mjs', import.meta.url);

  test('a policy of your own that fails costs the advice, and says so; the cache goes on', async () => {
    const deed = new SharedArrayBuffer(4);
    const eviction = { module, export: 'switched', breaks: 'hit', deed };
    const cache = await make({ shards: 1, maxEntries: 100, advise: true, eviction });
    await cache.setMany(pairs(100));
    new Int32Array(deed)[0] = 1;
    for (let i = 0; i < 1_000; i++) await cache.get('k1');
    await cache.cleanup();
    new Int32Array(deed)[0] = 0;
    const failed = await cache.advise();
    expect(failed).toMatchObject({ enabled: true, ready: false, requests: 1_000, sampleRate: 0, sizes: [] });
    expect(failed.recommendation).toMatch(/^Nothing can be said about other sizes: .*threw in `hit`: RangeError: boom/);
    await replay(
      cache,
      Int32Array.from({ length: 3_000 }, (_, i) => i % 50),
    );
    expect(await cache.advise()).toMatchObject({ requests: 4_000, ready: false });
  });

  test('a policy of your own is played in miniature as any other', async () => {
    const fine = await make({ shards: 1, maxEntries: 500, advise: true, eviction: { module, export: 'lru' } });
    const ids = Int32Array.from({ length: 10_000 }, (_, i) => i % 900);
    await replay(fine, ids, 1);
    expect((await fine.advise()).sizes.map(({ hitRatio }) => hitRatio)).toEqual(
      [0, 0, 0.91, 0.91].map((each) => expect.closeTo(each, 6)),
    );
  });
});
