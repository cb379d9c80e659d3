import { describe, expect, test } from 'vitest';
import { ArenaModel } from '../support/arena-model.ts';
import { seededRandom } from '../support/random.ts';

describe('a block', () => {
  test('of any size is at least as large as asked, a multiple of eight bytes, and nobody else’s', () => {
    const model = new ArenaModel(4_096);
    for (let words = 1; words < 80; words++) {
      model.allocate(words);
      model.check();
    }
  });

  test('fills the whole arena when it is asked to', () => {
    const words = 1_024;
    const model = new ArenaModel(words);
    expect(model.allocate(words - 4)).toBeGreaterThan(0);
    expect(model.arena.allocate(1)).toBe(0);
    model.check();
  });

  test('larger than the arena is none, and nothing changes', () => {
    const model = new ArenaModel(1_024);
    model.allocate(100);
    expect(model.arena.allocate(5_000)).toBe(0);
    model.check();
  });

  test('that is freed joins the holes on both sides', () => {
    const model = new ArenaModel(1_024);
    const [a, b, c] = [model.allocate(100), model.allocate(100), model.allocate(100)];
    model.allocate(100);
    for (const block of [a, c, b]) {
      model.free(block);
      model.check();
    }
    expect(model.allocate(300)).toBe(a);
  });
});

describe('holes that are too small one by one', () => {
  /** An arena full of blocks of ten words, every other one free. */
  function perforated(): ArenaModel {
    const model = new ArenaModel(2_048);
    const blocks: number[] = [];
    for (let block = model.allocate(10); block !== 0; block = model.allocate(10)) {
      blocks.push(block);
    }
    for (let i = 0; i < blocks.length; i += 2) {
      model.free(blocks[i] as number);
    }
    return model;
  }

  test('meet, and what is moved keeps its words', () => {
    const model = perforated();
    expect(model.allocate(400)).toBeGreaterThan(0);
    model.check();
    expect(model.moves).toBeGreaterThan(0);
    expect(model.arena.moved.blocks).toBe(model.moves);
  });

  test('are left alone while one of them is large enough', () => {
    const model = perforated();
    expect(model.allocate(10)).toBeGreaterThan(0);
    expect(model.moves).toBe(0);
  });

  test('meet until the arena is as full as its bytesMax says', () => {
    const model = perforated();
    for (;;) {
      const room = model.arena.bytesMax - model.arena.liveBytes;
      if (room < 16) {
        break;
      }
      if (model.allocate(Math.max(1, Math.min(50, room / 4 - 4))) === 0) {
        break;
      }
    }
    model.check();
    expect(model.arena.liveBytes / model.arena.bytesMax).toBeGreaterThan(0.97);
  });
});

test('a cleared arena is as good as new', () => {
  const random = seededRandom('cleared arena');
  const model = new ArenaModel(2_048);
  for (let round = 0; round < 10; round++) {
    while (model.allocate(1 + random.below(60)) !== 0) {
      if (random.oneIn(3)) {
        model.freeAny(random);
      }
    }
    model.clear();
    model.check();
    expect(model.arena.liveBytes).toBe(0);
    expect(model.allocate(2_000)).toBeGreaterThan(0);
    model.clear();
  }
});
