import { expect, test } from 'vitest';
import { LogIndex, NONE } from '../../../src/protocol/engines/log/places.ts';
import { seededRandom } from '../../support/random.ts';

/** An index of numbers, whose hashes collide as much as is wished. */
function indexOf(hashes: number) {
  const keys = new Map<number, number>();
  let wanted = 0;
  const index = new LogIndex((entry) => keys.get(entry) === wanted);
  const hash = (key: number): [number, number] => [key % hashes, ((key % hashes) * 0x0101_0101) >>> 0];
  return {
    index,
    find(key: number) {
      wanted = key;
      return index.find(...hash(key));
    },
    add(key: number, place: number) {
      const entry = index.add(...hash(key), place, 1);
      keys.set(entry, key);
      return entry;
    },
    hash,
  };
}

test('it finds what a Map finds, however many hashes are the same', () => {
  const random = seededRandom('the index of a log');
  for (const hashes of [3, 50, 5_000]) {
    const { index, find, add, hash } = indexOf(hashes);
    const model = new Map<number, number>();
    for (let step = 0; step < 2_500; step++) {
      const key = random.below(400);
      const entry = find(key);
      expect(entry === NONE ? undefined : index.place(entry)).toBe(model.get(key));
      if (entry === NONE) {
        add(key, step);
        model.set(key, step);
      } else if (random.oneIn(2)) {
        index.remove(entry);
        model.delete(key);
      } else {
        index.move(entry, step, 1);
        expect(index.findAt(...hash(key), step)).toBe(entry);
        model.set(key, step);
      }
      expect(index.size).toBe(model.size);
    }
  }
});

test('a reader sees what was there before it began, under numbers that are used again', () => {
  const { index, find, add } = indexOf(1_000);
  for (let key = 0; key < 10; key++) add(key, key);
  const reader = index.beginReader();
  index.remove(find(3));
  expect(add(100, 100)).toBe(3);
  const seen = Array.from({ length: index.end }, (_, entry) => entry).filter((entry) => index.isFor(entry, reader));
  expect(seen).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9]);
  expect(index.isFor(3, index.beginReader())).toBe(true);
});
