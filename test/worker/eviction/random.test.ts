import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../src/worker/eviction/random.ts';
import { create } from '../../support/policy-suite.ts';
import { makeShard } from '../../support/shard.ts';

const EVICTIONS = 100_000;

/** Evicts and stores again, and counts the victims by slot and by age, 0 the oldest. */
function tally(entries: number, seed: number): { slots: number[]; ages: number[] } {
  const policy = create(createRandom, new Uint8Array(entries), seed, entries);
  const byAge = Array.from({ length: entries }, (_, slot) => slot);
  for (const slot of byAge) {
    policy.add(slot, slot);
  }
  const slots = new Array<number>(entries).fill(0);
  const ages = new Array<number>(entries).fill(0);
  for (let i = 0; i < EVICTIONS; i++) {
    const victim = policy.victim();
    const age = byAge.indexOf(victim);
    (slots[victim] as number)++;
    (ages[age] as number)++;
    policy.remove(victim, 'evict');
    policy.add(victim, victim);
    byAge.splice(age, 1);
    byAge.push(victim);
  }
  return { slots, ages };
}

/** In standard deviations from its mean, by Wilson and Hilferty's approximation. */
function chiSquared(counts: readonly number[]): number {
  const expected = EVICTIONS / counts.length;
  const sum = counts.reduce((total, count) => total + (count - expected) ** 2 / expected, 0);
  const freedom = counts.length - 1;
  const spread = 2 / (9 * freedom);
  return (Math.cbrt(sum / freedom) - (1 - spread)) / Math.sqrt(spread);
}

describe('random', () => {
  // Seeds are fixed, so that chance cannot fail the build.
  test.each([2, 3, 10, 64, 300])('takes each of %i entries equally often, whatever its slot and age', (entries) => {
    for (const seed of [0, 1, -1, 123_456_789]) {
      const { slots, ages } = tally(entries, seed);
      expect(Math.abs(chiSquared(slots)), `by slot, seed ${seed}`).toBeLessThan(4);
      expect(Math.abs(chiSquared(ages)), `by age, seed ${seed}`).toBeLessThan(4);
    }
  });

  /** The keys that a shard of 100 holds after 1,000 sets, overwrites and deletes. */
  function left(seed: number): string[] {
    const target = makeShard({ entriesMax: 100 }, 'random', undefined, seed);
    for (let i = 0; i < 1_000; i++) {
      target.set(`${i}`, 'x');
      target.set(`${i - 7}`, 'again');
      target.delete(`${i - 300}`);
    }
    return Array.from({ length: 1_000 }, (_, i) => `${i}`).filter((key) => target.has(key));
  }

  test('leaves the same entries for the same seed, others for another', () => {
    expect(left(1)).toEqual(left(1));
    expect(left(2)).not.toEqual(left(1));
  });

  test('a hit or an overwrite saves nobody: the victims are the same', () => {
    const [idle, used] = [
      makeShard({ entriesMax: 50 }, 'random', undefined, 5),
      makeShard({ entriesMax: 50 }, 'random', undefined, 5),
    ];
    for (let i = 0; i < 500; i++) {
      idle.set(`${i}`, 'x');
      used.set(`${i}`, 'x');
      used.set(`${i}`, 'again');
      used.get(`${i}`);
      used.read(`${i}`);
    }
    const keys = Array.from({ length: 500 }, (_, i) => `${i}`);
    expect(keys.filter((key) => used.has(key))).toEqual(keys.filter((key) => idle.has(key)));
  });
});
