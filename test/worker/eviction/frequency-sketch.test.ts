import { expect, test } from 'vitest';
import { FrequencySketch } from '../../../src/worker/eviction/frequency-sketch.ts';
import { seededRandom } from '../../support/random.ts';

const ENTRIES = 1_024;

test('a key that was never seen is estimated at 0, one that was seen at no less than it was, up to 15', () => {
  const sketch = new FrequencySketch(ENTRIES);
  expect(sketch.estimate(12_345)).toBe(0);
  for (let times = 1; times <= 20; times++) {
    sketch.add(12_345, ENTRIES);
    expect(sketch.estimate(12_345)).toBe(Math.min(15, times));
  }
});

test('of as many keys as entries few are estimated at more than they were seen', () => {
  const random = seededRandom('sketch');
  const sketch = new FrequencySketch(ENTRIES);
  const seen = new Map<number, number>();
  // Fewer additions than lead to a halving.
  for (let i = 0; i < ENTRIES * 4; i++) {
    const hash = Math.imul(random.logUniform(1, ENTRIES), 0x9e37_79b1);
    seen.set(hash, (seen.get(hash) ?? 0) + 1);
    sketch.add(hash, ENTRIES);
  }
  let over = 0;
  for (const [hash, times] of seen) {
    const estimate = sketch.estimate(hash);
    expect(estimate).toBeGreaterThanOrEqual(Math.min(15, times));
    over += estimate > Math.min(15, times) ? 1 : 0;
  }
  expect(over / seen.size).toBeLessThan(0.1);
});

test('what was seen often and is not seen any more is forgotten by halves, whether it is looked at meanwhile or not', () => {
  for (const looks of [true, false]) {
    const sketch = new FrequencySketch(ENTRIES);
    for (let times = 0; times < 15; times++) {
      sketch.add(1, ENTRIES);
    }
    const estimates = new Set<number>();
    const others = seededRandom('others');
    for (let i = 0; i < ENTRIES * 10 * 8; i++) {
      sketch.add(others.word(), ENTRIES);
      if (looks) {
        estimates.add(sketch.estimate(1));
      }
    }
    // Others share its counters, so that it need not come down to 0.
    expect(sketch.estimate(1)).toBeLessThan(8);
    expect(looks ? [...estimates][0] : 15).toBe(15);
  }
});

test('it grows with the entries and forgets nothing by that', () => {
  const sketch = new FrequencySketch(64 * ENTRIES);
  const hashes = Array.from({ length: 100 }, (_, i) => Math.imul(i + 1, 0x85eb_ca6b));
  for (const hash of hashes) {
    sketch.add(hash, 100);
    sketch.add(hash, 100);
  }
  const before = hashes.map((hash) => sketch.estimate(hash));
  sketch.add(-1, 64 * ENTRIES);
  sketch.add(-2, 64 * ENTRIES);
  const after = hashes.map((hash) => sketch.estimate(hash));
  expect(after.every((estimate, i) => estimate >= 2 && estimate <= (before[i] as number) + 2)).toBe(true);
});

test('cleared, it knows nothing', () => {
  const sketch = new FrequencySketch(ENTRIES);
  for (let hash = 0; hash < 1_000; hash++) {
    sketch.add(hash, ENTRIES);
  }
  sketch.clear();
  expect(Array.from({ length: 1_000 }, (_, hash) => sketch.estimate(hash)).every((estimate) => estimate === 0)).toBe(
    true,
  );
});
