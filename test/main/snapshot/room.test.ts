import { expect, test } from 'vitest';
import { type Span, skipsOf, spansOf } from '../../../src/main/snapshot/room.ts';
import type { CheckedBlock } from '../../../src/protocol/snapshot/tasks.ts';
import { seededRandom } from '../../support/random.ts';

const EVER = Number.POSITIVE_INFINITY;

function blockOf(...entries: number[]): CheckedBlock {
  return { expired: 0, entries, bytes: entries.map((count) => count * 10), bytesMax: 10 };
}

function spansOfCounts(...shards: number[][]): Span[] {
  const places = shards.map((blocks) => blocks.map((entries) => ({ offset: 0, bytes: 0, entries, checksum: 0 })));
  return [...spansOf(places).values()];
}

test('the coldest are left out where entries, or bytes, are too many, and nothing where they are not', () => {
  const checked = [5, 6, 2, 7].map((entries) => blockOf(entries));
  const spans = spansOfCounts([5, 6, 2, 7]);
  expect(spans.map(({ to }) => to)).toEqual([0.25, 0.55, 0.65, 1]);
  expect(skipsOf(checked, spans, [{ entriesMax: 20, bytesMax: 200 }])).toEqual([[0], [0], [0], [0]]);
  expect(skipsOf(checked, spans, [{ entriesMax: 13, bytesMax: 10_000 }])).toEqual([[5], [2], [0], [0]]);
  expect(skipsOf(checked, spans, [{ entriesMax: EVER, bytesMax: 129 }])).toEqual([[5], [3], [0], [0]]);
  expect(skipsOf(checked, spans, [{ entriesMax: EVER, bytesMax: 1 }])).toEqual([[5], [6], [2], [7]]);
});

test('what is as cold is left out alike, whichever shard has saved it', () => {
  const checked = [blockOf(10), blockOf(30), blockOf(30)];
  expect(skipsOf(checked, spansOfCounts([10], [30, 30]), [{ entriesMax: 35, bytesMax: 10_000 }])).toEqual([
    [5],
    [30],
    [0],
  ]);
});

test('as much is left as fits each shard', () => {
  const random = seededRandom('room');
  for (let round = 0; round < 100; round++) {
    const shards = 1 + random.below(4);
    const saved = Array.from({ length: 1 + random.below(3) }, () =>
      Array.from({ length: random.below(6) }, () => Array.from({ length: shards }, () => 1 + random.below(20))),
    );
    const checked = saved.flat().map((entries) => blockOf(...entries));
    const spans = spansOfCounts(...saved.map((blocks) => blocks.map((entries) => entries.reduce((a, b) => a + b))));
    const limits = Array.from({ length: shards }, () => ({
      entriesMax: random.oneIn(3) ? EVER : random.below(100),
      bytesMax: 10 * random.below(100),
    }));
    const skips = skipsOf(checked, spans, limits);
    for (const [shard, { entriesMax, bytesMax }] of limits.entries()) {
      const total = checked.reduce((sum, { entries }) => sum + (entries[shard] as number), 0);
      const skipped = skips.reduce((sum, row) => sum + (row[shard] as number), 0);
      expect(total - skipped).toBe(Math.min(total, entriesMax, bytesMax / 10));
    }
  }
});
