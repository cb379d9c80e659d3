import { describe, expect, test } from 'vitest';
import type { PolicyFactory } from '../../../src/protocol/policy.ts';
import { FOLLOW_RANGE, isFollowed } from '../../../src/protocol/samples.ts';
import { ENTRIES_MAX, GROUPS, type LiveEntry, Miniatures, type Model } from '../../../src/worker/advice/miniatures.ts';
import { policies } from '../../../src/worker/eviction/index.ts';
import { Simulator } from '../../../src/worker/simulation/simulator.ts';
import { type Random, seededRandom } from '../../support/random.ts';

const ONE: LiveEntry = { size: 100, deadline: Number.POSITIVE_INFINITY, slideMs: 0 };
const NO_BOUND = Number.POSITIVE_INFINITY;

function modelsOf(createPolicy: PolicyFactory, ...factors: number[]): Model[] {
  return factors.map((factor) => ({ createPolicy, factor }));
}

function hitsOf(miniatures: Miniatures, model: number): number {
  return miniatures.hits.subarray(model * GROUPS, (model + 1) * GROUPS).reduce((sum, hits) => sum + hits, 0);
}

/** As a shard does that misses always: a get, and a set. */
function request(miniatures: Miniatures, id: number, now = 0, live = ONE): void {
  miniatures.awaitSet(id, miniatures.get(id, now));
  miniatures.set(id, live, now);
}

/** Few ids are likely. */
function skewedId(random: Random, ids: number): number {
  return Math.imul(Math.floor(ids * random.fraction() ** 3), 0x9e37_79b1);
}

describe.each(['as3-fifo', 'lru', 'w-tinylfu', 'sieve'] as const)('%s', (name) => {
  test('while every key is followed, each miniature hits exactly as a cache of its size does', () => {
    const random = seededRandom(`miniatures of ${name}`);
    const factors = [0.5, 1, 2, 4];
    const miniatures = new Miniatures(
      modelsOf(policies[name], ...factors),
      { entriesMax: 200, bytesMax: NO_BOUND },
      FOLLOW_RANGE,
      7,
    );
    const exact = factors.map((factor) => {
      return new Simulator({
        createPolicy: policies[name],
        entriesMax: 200 * factor,
        keys: ENTRIES_MAX + 1,
        sizeMin: 56,
        seed: 7,
      });
    });
    for (let i = 0; i < 20_000; i++) {
      const id = skewedId(random, 2_000);
      request(miniatures, id);
      for (const simulator of exact) simulator.request(id);
    }
    miniatures.check();
    expect(factors.map((_, i) => hitsOf(miniatures, i))).toEqual(exact.map(({ hits }) => hits));
  });

  test('never holds more than ENTRIES_MAX, however many keys come, and half of the keys go at a time', () => {
    const random = seededRandom(`bounds of ${name}`);
    const miniatures = new Miniatures(
      modelsOf(policies[name], 1, 4),
      { entriesMax: 100_000, bytesMax: NO_BOUND },
      FOLLOW_RANGE,
      7,
    );
    for (let i = 0; i < 60_000; i++) {
      const id = random.word() | 0;
      if (isFollowed(id, miniatures.below)) {
        request(miniatures, id);
        while (miniatures.isFull) {
          const before = miniatures.below;
          miniatures.halve(0);
          expect(miniatures.below).toBe(before / 2);
        }
      }
      expect(Math.max(miniatures.entriesOf(0), miniatures.entriesOf(1))).toBeLessThan(ENTRIES_MAX);
    }
    miniatures.check();
    expect(miniatures.below).toBe(FOLLOW_RANGE / 8);
  });
});

describe('what a shard tells', () => {
  const limits = { entriesMax: 2, bytesMax: NO_BOUND };

  test('a set after a miss is stored where the miss was, and nowhere else', () => {
    const miniatures = new Miniatures(modelsOf(policies.fifo, 0.5, 1), limits, FOLLOW_RANGE, 0);
    request(miniatures, 1);
    request(miniatures, 2);
    // The smaller one holds 2 alone, the other both.
    expect(miniatures.get(1, 0)).toBe(0b01);
    expect(miniatures.get(2, 0)).toBe(0);
  });

  test('a miss that is followed by no set stores nothing', () => {
    const miniatures = new Miniatures(modelsOf(policies.lru, 1), limits, FOLLOW_RANGE, 0);
    miniatures.awaitSet(1, miniatures.get(1, 0));
    expect(miniatures.get(1, 0)).toBe(1);
    expect(miniatures.entriesOf(0)).toBe(0);
  });

  test('a set that nobody waited for is an overwrite where the key is, and else a new entry', () => {
    const miniatures = new Miniatures(modelsOf(policies.lru, 1), limits, FOLLOW_RANGE, 0);
    for (const id of [1, 2, 1, 3]) miniatures.set(id, ONE, 0);
    expect([1, 2, 3].map((id) => miniatures.get(id, 0))).toEqual([0, 1, 0]);
    expect(miniatures.entriesOf(0)).toBe(2);
  });

  test('what is deleted is not found, nor anything after a clear; and what was awaited is forgotten', () => {
    const miniatures = new Miniatures(modelsOf(policies.lru, 1, 2), limits, FOLLOW_RANGE, 0);
    for (const id of [1, 2]) request(miniatures, id);
    miniatures.delete(1);
    expect([miniatures.get(1, 0), miniatures.get(2, 0)]).toEqual([0b11, 0]);
    miniatures.clear();
    expect(miniatures.get(2, 0)).toBe(0b11);
    miniatures.check();
  });

  test('bytes bound a miniature where they bound the shard, with the sizes that entries have', () => {
    const byBytes = { entriesMax: NO_BOUND, bytesMax: 1_000 };
    const miniatures = new Miniatures(modelsOf(policies.lru, 1), byBytes, FOLLOW_RANGE, 0);
    request(miniatures, 1, 0, { ...ONE, size: 600 });
    request(miniatures, 2, 0, { ...ONE, size: 300 });
    request(miniatures, 3, 0, { ...ONE, size: 200 });
    expect([1, 2, 3].map((id) => miniatures.get(id, 0))).toEqual([1, 0, 0]);
    miniatures.set(2, { ...ONE, size: 900 }, 0);
    expect([2, 3].map((id) => miniatures.get(id, 0))).toEqual([0, 1]);
    miniatures.check();
  });

  test('an entry expires when the shard says, lives on by gets if it slides, and is swept', () => {
    const miniatures = new Miniatures(modelsOf(policies.lru, 2), limits, FOLLOW_RANGE, 0);
    miniatures.set(1, { ...ONE, deadline: 100 }, 0);
    miniatures.set(2, { ...ONE, deadline: 100, slideMs: 100 }, 0);
    miniatures.set(3, { ...ONE, deadline: 150 }, 0);
    expect([1, 2].map((id) => miniatures.get(id, 99))).toEqual([0, 0]);
    expect([1, 2].map((id) => miniatures.get(id, 100))).toEqual([1, 0]);
    expect(miniatures.entriesOf(0)).toBe(2);
    miniatures.sweep(150);
    expect(miniatures.entriesOf(0)).toBe(1);
    expect(miniatures.get(2, 199)).toBe(0);
  });

  test('when half of the keys go, the others stay in the order in which they would leave', () => {
    const miniatures = new Miniatures(
      modelsOf(policies.lru, 1),
      { entriesMax: 40, bytesMax: NO_BOUND },
      FOLLOW_RANGE,
      0,
    );
    // 20 that stay, and 20 that go.
    const staying = Array.from({ length: 20 }, (_, i) => i);
    for (const id of staying) request(miniatures, id);
    for (const id of staying) request(miniatures, id | (1 << 31));
    miniatures.get(0, 0);
    miniatures.halve(0);
    expect(miniatures.entriesOf(0)).toBe(20);
    request(miniatures, 1_000);
    expect(staying.filter((id) => miniatures.get(id, 0) !== 0)).toEqual([1]);
    miniatures.check();
  });
});
