import { expect, test } from 'vitest';
import { skipsOf } from '../../../src/main/snapshot/room.ts';
import { seededRandom } from '../../support/random.ts';

const EVER = Number.POSITIVE_INFINITY;

test('the coldest are left out where entries, or bytes, are too many, and nothing where they are not', () => {
  const checked = [5, 6, 2, 7].map((entries) => ({
    expired: 0,
    entries: [entries],
    bytes: [entries * 10],
    bytesMax: 10,
  }));
  expect(skipsOf(checked, [{ entriesMax: 20, bytesMax: 200 }])).toEqual([[0], [0], [0], [0]]);
  expect(skipsOf(checked, [{ entriesMax: 13, bytesMax: 10_000 }])).toEqual([[5], [2], [0], [0]]);
  expect(skipsOf(checked, [{ entriesMax: EVER, bytesMax: 129 }])).toEqual([[5], [3], [0], [0]]);
  expect(skipsOf(checked, [{ entriesMax: EVER, bytesMax: 1 }])).toEqual([[5], [6], [2], [7]]);
});

test('what is left fits each shard, and one entry more of the coldest would not', () => {
  const random = seededRandom('room');
  for (let round = 0; round < 200; round++) {
    const shards = 1 + random.below(4);
    const checked = Array.from({ length: random.below(12) }, () => {
      const entries = Array.from({ length: shards }, () => random.below(20));
      return { expired: 0, entries, bytes: entries.map((count) => count * 16), bytesMax: 16 };
    });
    const limits = Array.from({ length: shards }, () => ({
      entriesMax: random.oneIn(3) ? EVER : random.below(100),
      bytesMax: 16 * random.below(100),
    }));
    const skips = skipsOf(checked, limits);
    for (const [shard, { entriesMax, bytesMax }] of limits.entries()) {
      const held = checked.reduce(
        (sum, { entries }, i) => sum + (entries[shard] as number) - (skips[i]?.[shard] as number),
        0,
      );
      const total = checked.reduce((sum, { entries }) => sum + (entries[shard] as number), 0);
      expect(held).toBe(Math.min(total, entriesMax, bytesMax / 16));
      // From the cold end on, without a gap.
      const first = checked.findIndex(({ entries }, i) => (skips[i]?.[shard] as number) < (entries[shard] as number));
      const behind = first === -1 ? [] : skips.slice(first + 1);
      expect(behind.every((row) => row[shard] === 0)).toBe(true);
    }
  }
});
