import { describe, expect, test } from 'vitest';
import { ArenaModel } from '../support/arena-model.ts';
import { type Random, seededRandom } from '../support/random.ts';

/** Keeps the arena near its limit, as a shard does: frees blocks until what is asked for fits. */
function churn(model: ArenaModel, random: Random, words: number): void {
  const { arena } = model;
  for (let tries = 0; tries < 10_000; tries++) {
    const fits = arena.liveBytes + (words + 1) * 4 <= arena.bytesMax;
    if (fits && model.allocate(words) !== 0) {
      return;
    }
    if (model.live === 0) {
      return;
    }
    model.freeAny(random);
  }
  throw new Error(`no room for ${words} words after 10,000 frees`);
}

describe('random blocks in an arena', () => {
  test('of a few hundred words contradict neither arena nor model after any step', () => {
    const random = seededRandom('small arenas');
    for (let round = 0; round < 40; round++) {
      const words = 32 + 2 * random.below(400);
      const model = new ArenaModel(words);
      for (let step = 0; step < 300; step++) {
        if (random.oneIn(3)) {
          model.freeAny(random);
        } else {
          churn(model, random, random.logUniform(1, words));
        }
        model.check();
      }
    }
  });

  test('of a megabyte hold their words through thousands of moves', () => {
    const random = seededRandom('large arena');
    const model = new ArenaModel(256 * 1024);
    for (let step = 0; step < 60_000; step++) {
      // Sizes wander from small to large and back.
      const most = 100 + Math.floor(8_000 * Math.abs(Math.sin(step / 10_000)));
      churn(model, random, random.logUniform(4, most));
      if (random.oneIn(50)) {
        model.freeAny(random);
      }
      if (step % 1_000 === 0) {
        model.check();
      }
    }
    model.check();
    expect(model.moves).toBeGreaterThan(1_000);
  });

  test('always leave room for a block when every other block is freed', () => {
    const random = seededRandom('whole arena');
    for (let round = 0; round < 50; round++) {
      const model = new ArenaModel(4_096);
      for (let step = 0; step < 200; step++) {
        churn(model, random, random.logUniform(1, 300));
      }
      while (model.live > 0) {
        model.freeAny(random);
      }
      model.check();
      expect(model.allocate(4_096 - 4)).toBeGreaterThan(0);
    }
  });
});
