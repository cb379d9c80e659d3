import { describe, expect, test } from 'vitest';
import { AS_IT_IS, FACTORS, type ShardAdvice } from '../../../src/protocol/advice.ts';
import { FOLLOW_RANGE, isFollowed, SampleRing } from '../../../src/protocol/samples.ts';
import { type AdvisedShard, Advisor, PLAYS_MAX } from '../../../src/worker/advice/advisor.ts';
import { policies } from '../../../src/worker/eviction/index.ts';
import { Simulator } from '../../../src/worker/simulation/simulator.ts';
import { type Random, seededRandom } from '../../support/random.ts';

const FOR_EVER = { size: 100, deadline: Number.POSITIVE_INFINITY, slideMs: 0 };

/** A shard that is an exact simulation, read by clients with rings. Ids are hashes. */
class PlayedShard implements AdvisedShard {
  readonly advisor: Advisor;
  readonly rings: SampleRing[];
  readonly #cache: Simulator;
  #gets = 0;
  #hits = 0;

  constructor({ entriesMax = 500, sampleRate = 1, clients = 1 } = {}) {
    const createPolicy = policies.lru;
    this.#cache = new Simulator({ createPolicy, entriesMax, keys: 2 ** 20, seed: 1 });
    this.advisor = new Advisor(this, {
      limits: { entriesMax, bytesMax: Number.POSITIVE_INFINITY },
      createPolicy,
      isForeign: false,
      others: { fifo: policies.fifo },
      sampleRate,
      seed: 1,
      clock: { now: () => 0 },
    });
    this.rings = Array.from({ length: clients }, (_, i) => new SampleRing(undefined, i + 1));
    for (const ring of this.rings) this.advisor.connect(ring);
  }

  gets = () => this.#gets;
  entryOf = () => FOR_EVER;
  keyOf = (hashLow: number) => ({ encoding: 2, bytes: Buffer.from(String(hashLow)) });
  meanSize = () => 100;

  /** A get and, on a miss, a set. `heard` false: nobody tells the advisor of the get. */
  request(hash: number, ring = this.rings[0] as SampleRing, drains = true): void {
    const hit = this.#cache.get(hash, 0);
    this.#gets++;
    this.#hits += hit ? 1 : 0;
    ring.offer(hash, 0, hit);
    if (!hit) {
      if (drains) this.advisor.drain();
      this.#cache.put(hash, 1, Number.POSITIVE_INFINITY, 0, 0);
      this.advisor.stored(hash, 0);
    }
  }

  advice(): ShardAdvice {
    return this.advisor.advice(this.#gets, this.#hits);
  }
}

function skewedHash(random: Random, ids: number): number {
  return Math.imul(Math.floor(ids * random.fraction() ** 3) + 1, 0x9e37_79b1);
}

/** Hits of caches of every size over the same requests. */
function truthOf(hashes: readonly number[], entriesMax: number): number[] {
  return FACTORS.map((factor) => {
    const cache = new Simulator({
      createPolicy: policies.lru,
      entriesMax: entriesMax * factor,
      keys: 2 ** 20,
      seed: 1,
    });
    for (const hash of hashes) cache.request(hash);
    return cache.hits;
  });
}

describe('differences', () => {
  test('are exact, with no variance, where every key is followed', () => {
    const random = seededRandom('exact advice');
    const shard = new PlayedShard();
    const hashes = Array.from({ length: 30_000 }, () => skewedHash(random, 5_000));
    for (const hash of hashes) shard.request(hash);
    const { sizes, drift, followed, hits, sampleRate } = shard.advice();
    expect([drift, followed, sampleRate]).toEqual([0, 30_000, 1]);
    for (const [i, truth] of truthOf(hashes, 500).entries()) {
      expect(sizes[i]).toEqual({ hits: expect.closeTo(truth - hits, 6), variance: 0 });
    }
    shard.advisor.check();
  });

  test('lie within four deviations of the truth where one key in eight is followed, and the shard itself differs by none', () => {
    const random = seededRandom('sampled advice');
    const shard = new PlayedShard({ entriesMax: 2_000, sampleRate: 1 / 8 });
    const hashes = Array.from({ length: 60_000 }, () => skewedHash(random, 20_000));
    for (const hash of hashes) shard.request(hash);
    const { sizes, followed, hits } = shard.advice();
    expect(followed).toBe(hashes.filter((hash) => isFollowed(hash, FOLLOW_RANGE / 8)).length);
    expect(sizes[AS_IT_IS]).toEqual({ hits: 0, variance: 0 });
    for (const [i, truth] of truthOf(hashes, 2_000).entries()) {
      const { hits: more, variance } = sizes[i] as { hits: number; variance: number };
      expect(Math.abs(hits + more - truth)).toBeLessThanOrEqual(4 * Math.sqrt(variance) + 0.01 * hashes.length);
      expect(Math.abs(hits + more - truth)).toBeLessThan(0.03 * hashes.length);
    }
  });

  test.each([
    ['is followed', 0],
    ['is not followed', -1],
  ])('do not hang on whether the hottest key %s', (_, hot) => {
    const random = seededRandom('a hot key');
    const shard = new PlayedShard({ entriesMax: 2_000, sampleRate: 1 / 8 });
    expect(isFollowed(hot, FOLLOW_RANGE / 8)).toBe(hot === 0);
    const hashes = Array.from({ length: 60_000 }, () => (random.oneIn(2) ? hot : skewedHash(random, 20_000)));
    for (const hash of hashes) shard.request(hash);
    const { sizes, hits } = shard.advice();
    for (const [i, truth] of truthOf(hashes, 2_000).entries()) {
      expect(Math.abs(hits + (sizes[i]?.hits ?? 0) - truth)).toBeLessThan(0.03 * hashes.length);
    }
  });

  test('stay true when a ring overflows: what was not heard of is left out of the account', () => {
    const random = seededRandom('overflow');
    const shard = new PlayedShard({ entriesMax: 1_000 });
    const fill = Array.from({ length: 5_000 }, () => skewedHash(random, 4_000));
    for (const hash of fill) shard.request(hash);
    // Only hits: nothing makes the shard look at the ring.
    const hot = fill.at(-1) as number;
    for (let i = 0; i < 50_000; i++) shard.request(hot, shard.rings[0], false);
    const { sizes, followed, requests } = shard.advice();
    expect(requests).toBe(55_000);
    expect(followed).toBeLessThan(10_000);
    const [half] = truthOf(fill, 1_000);
    const heard = new PlayedShard({ entriesMax: 1_000 });
    for (const hash of fill) heard.request(hash);
    const alone = heard.advice();
    expect(alone.hits + (alone.sizes[0]?.hits ?? 0)).toBeCloseTo(half as number, 6);
    // The same misses of the half size, taken for the share of all gets that they were among those that were heard of.
    const missed = (sizes[0]?.hits ?? 0) / requests;
    expect(missed).toBeCloseTo((alone.sizes[0]?.hits ?? 0) / followed, 2);
  });
});

describe('clients', () => {
  test('many are one stream, whoever comes and goes', () => {
    const random = seededRandom('many clients');
    const shard = new PlayedShard({ clients: 5 });
    const hashes = Array.from({ length: 20_000 }, () => skewedHash(random, 5_000));
    for (const [i, hash] of hashes.entries()) {
      if (i === 5_000) shard.advisor.disconnect(shard.rings.pop() as SampleRing);
      if (i === 10_000) {
        shard.rings.push(new SampleRing(undefined, 77));
        shard.advisor.connect(shard.rings.at(-1) as SampleRing);
      }
      shard.request(hash, shard.rings[i % shard.rings.length]);
      // A hit that waits in one ring would come after a miss from another.
      shard.advisor.drain();
    }
    const { sizes, followed, hits } = shard.advice();
    expect(followed).toBe(20_000);
    for (const [i, truth] of truthOf(hashes, 500).entries()) {
      expect(hits + (sizes[i]?.hits ?? 0)).toBeCloseTo(truth, 6);
    }
  });

  test('that are gone are not listened to', () => {
    const shard = new PlayedShard({ clients: 2 });
    const [, gone] = shard.rings as [SampleRing, SampleRing];
    gone.offer(1, 0, true);
    shard.advisor.disconnect(gone);
    shard.advisor.disconnect(gone);
    gone.offer(1, 0, true);
    shard.advisor.drain();
    expect(shard.advice().followed).toBe(1);
  });
});

test('when the budget is used up nobody is followed, and readers are told so', () => {
  const shard = new PlayedShard({ entriesMax: 10 });
  const ring = shard.rings[0] as SampleRing;
  shard.request(5);
  for (let plays = 1; plays < PLAYS_MAX + 10_000; plays++) {
    shard.request(5);
    if (plays % 1_000 === 0) shard.advisor.drain();
  }
  const { followed } = shard.advice();
  expect(followed).toBe(PLAYS_MAX);
  for (let i = 0; i < 1_000; i++) shard.request(5);
  let told = 0;
  ring.drain((hash, _high, kind) => {
    told += hash === 5 && kind < 2 ? 1 : 0;
  });
  expect(told).toBe(0);
  expect(shard.advice().followed).toBe(PLAYS_MAX);
});

test('hot keys are those that were met, and resetCounts forgets them', () => {
  const shard = new PlayedShard({ sampleRate: 0.001 });
  for (let i = 0; i < 20_000; i++) shard.request(i % 3 === 0 ? 77 : -(1 + (i % 5_000)));
  shard.advisor.drain();
  const { hotKeys, looked } = shard.advice();
  expect(hotKeys[0]?.key).toBe(Buffer.from('77').toString('base64'));
  expect((hotKeys[0]?.count ?? 0) / looked).toBeGreaterThan(0.2);
  shard.advisor.resetCounts();
  expect(shard.advice()).toMatchObject({ looked: 0, hotKeys: [], followed: 0 });
});
