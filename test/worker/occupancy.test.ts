import { describe, expect, test } from 'vitest';
import { Occupancy } from '../support/occupancy.ts';
import { SEED } from '../support/random.ts';

/** `npm run long -- occupancy` does the same with 50 million sets. */
const BYTES = 32 * 1024 * 1024;

describe('a full shard under LRU, with gets between the sets', () => {
  console.info(`occupancy: SEED=${SEED}`);

  test('has nine tenths of its bytes in live blocks through a million sets of 1 B to 64 kB', () => {
    const sizes = { least: 1, most: 64 * 1024 };
    const occupancy = new Occupancy(BYTES, 12_000, SEED);
    occupancy.fill(sizes);
    const phase = occupancy.run(1_000_000, sizes, 1_000);
    occupancy.shard.check();
    expect(phase.least).toBeGreaterThan(0.9);
    expect(phase.accountedMost).toBeLessThanOrEqual(1);
  });

  test('has four fifths in them at the worst moment of a shift from small values to large ones', () => {
    const occupancy = new Occupancy(BYTES, 100_000, SEED);
    occupancy.fill({ least: 256, most: 1024 });
    occupancy.run(100_000, { least: 256, most: 1024 }, 100);
    const shift = occupancy.run(4_000, { least: 16 * 1024, most: 64 * 1024 }, 4_000);
    occupancy.shard.check();
    expect(shift.least).toBeGreaterThan(0.8);
    expect(shift.accountedMost).toBeLessThanOrEqual(1);
  });

  test('has four fifths in them when small values follow large ones', () => {
    const occupancy = new Occupancy(BYTES, 100_000, SEED);
    occupancy.fill({ least: 16 * 1024, most: 64 * 1024 });
    const shift = occupancy.run(200_000, { least: 256, most: 1024 }, 1_000);
    occupancy.shard.check();
    expect(shift.least).toBeGreaterThan(0.8);
  });
});
