import { expect, test } from 'vitest';
import { mulberry32, ZipfSampler } from '../../src/main/cli/workload.ts';

function drawn(keys: number, exponent: number, draws: number): number[] {
  const sampler = new ZipfSampler({ keys, exponent }, mulberry32(7));
  const counts = new Array<number>(keys + 1).fill(0);
  for (let i = 0; i < draws; i++) {
    const key = sampler.next();
    counts[key] = (counts[key] ?? Number.NaN) + 1;
  }
  return counts;
}

test.each([0.5, 0.99, 1, 1.3])('keys are drawn as often as Zipf says at exponent %d', (exponent) => {
  const keys = 50;
  const draws = 400_000;
  const counts = drawn(keys, exponent, draws);
  const weights = Array.from({ length: keys }, (_, i) => (i + 1) ** -exponent);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  // Chi squared with 49 degrees of freedom: above 94 in one of ten thousand runs, and the seed is fixed.
  let chiSquared = 0;
  for (const [i, weight] of weights.entries()) {
    const expected = (draws * weight) / sum;
    chiSquared += ((counts[i + 1] ?? Number.NaN) - expected) ** 2 / expected;
  }
  expect(chiSquared).toBeLessThan(94);
  expect(counts[0]).toBe(0);
});

test('the same seed draws the same keys', () => {
  expect(drawn(1_000, 0.99, 10_000)).toEqual(drawn(1_000, 0.99, 10_000));
});
