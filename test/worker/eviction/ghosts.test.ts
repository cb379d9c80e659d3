import { expect, test } from 'vitest';
import { Ghosts } from '../../../src/worker/eviction/ghosts.ts';
import { seededRandom } from '../../support/random.ts';

test('a ghost is taken once, with what it weighed', () => {
  const ghosts = new Ghosts(4);
  ghosts.push(-7, 100);
  expect(ghosts.has(-7)).toBe(true);
  expect(ghosts.take(-7)).toBe(100);
  expect(ghosts.take(-7)).toBe(-1);
  expect([ghosts.count, ghosts.weight]).toEqual([0, 0]);
});

test('one that is there already keeps its place and its weight', () => {
  const ghosts = new Ghosts(4);
  ghosts.push(1, 10);
  ghosts.push(2, 10);
  ghosts.push(1, 99);
  ghosts.trim(10);
  expect([ghosts.has(1), ghosts.has(2), ghosts.weight]).toEqual([false, true, 10]);
});

test('more than there is room for forget the oldest', () => {
  const ghosts = new Ghosts(3);
  for (const hash of [1, 2, 3, 4]) {
    ghosts.push(hash, 1);
  }
  expect([1, 2, 3, 4].filter((hash) => ghosts.has(hash))).toEqual([2, 3, 4]);
});

test('a weight of more than two to the 31 stays what it is', () => {
  const ghosts = new Ghosts(1);
  ghosts.push(1, 2 ** 32 - 1);
  expect(ghosts.take(1)).toBe(2 ** 32 - 1);
});

test.each([1, 2, 3, 50])('random pushes, takes and trims over %i ghosts agree with a list', (nodes) => {
  const random = seededRandom(`ghosts ${nodes}`);
  const ghosts = new Ghosts(nodes);
  let model: { hash: number; weight: number }[] = [];
  const weight = () => model.reduce((sum, ghost) => sum + ghost.weight, 0);
  // Hashes in few clusters, one of them at the very end of the table, so that probes are long and go round.
  const anyHash = () => ([0, -1, 0x4000_0000][random.below(3)] as number) - random.below(nodes * 2);
  for (let step = 0; step < 20_000; step++) {
    const hash = anyHash() | 0;
    const dice = random.below(100);
    if (dice < 60) {
      const added = 1 + random.below(9);
      if (!model.some((ghost) => ghost.hash === hash)) {
        model = [...model.slice(model.length === nodes ? 1 : 0), { hash, weight: added }];
      }
      ghosts.push(hash, added);
    } else if (dice < 90) {
      const found = model.find((ghost) => ghost.hash === hash);
      expect(ghosts.take(hash)).toBe(found?.weight ?? -1);
      model = model.filter((ghost) => ghost !== found);
    } else if (dice < 99) {
      const weightMax = random.below(nodes * 5);
      while (weight() > weightMax) {
        model.shift();
      }
      ghosts.trim(weightMax);
    } else {
      model = [];
      ghosts.clear();
    }
    expect([ghosts.count, ghosts.weight]).toEqual([model.length, weight()]);
    if (step % 50 === 0) {
      ghosts.check();
      expect(model.every((ghost) => ghosts.has(ghost.hash))).toBe(true);
    }
  }
});
