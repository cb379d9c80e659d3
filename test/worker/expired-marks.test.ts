import { describe, expect, test } from 'vitest';
import { ExpiredMarks, MARKS } from '../../src/worker/expired-marks.ts';
import { seededRandom } from '../support/random.ts';

describe('a mark', () => {
  test('is there until it is taken, once', () => {
    const marks = new ExpiredMarks();
    expect(marks.has(7, 8)).toBe(false);
    marks.add(7, 8);
    expect([marks.has(7, 8), marks.has(7, 8), marks.size]).toEqual([true, true, 1]);
    expect([marks.take(7, 8), marks.take(7, 8), marks.has(7, 8), marks.size]).toEqual([true, false, false, 0]);
  });

  test('of a key that expires again is still one', () => {
    const marks = new ExpiredMarks();
    marks.add(7, 8);
    marks.add(7, 8);
    expect([marks.size, marks.take(7, 8), marks.take(7, 8)]).toEqual([1, true, false]);
  });

  test('tells keys apart by the low word and 11 bits of the high one, whatever their signs', () => {
    const marks = new ExpiredMarks();
    const keys = [0, 1, -1, 0x7fff_ffff, -0x8000_0000].flatMap((low) =>
      [0, 1, 0x7ff].map((high) => [low, high] as const),
    );
    for (const [low, high] of keys) {
      expect(marks.has(low, high)).toBe(false);
      marks.add(low, high);
    }
    for (const [low, high] of keys) {
      // As an entry keeps it, and as a record brings it.
      expect(marks.take(low, high | 0xffff_f800)).toBe(true);
      expect(marks.has(low, high)).toBe(false);
    }
    expect(marks.size).toBe(0);
  });

  test(`is forgotten ${MARKS} expiries later, taken ones counted in`, () => {
    const marks = new ExpiredMarks();
    marks.add(1, 1);
    for (let i = 0; i < MARKS - 1; i++) {
      marks.add(1_000_000 + i * 997, i);
      marks.take(1_000_000 + i * 997, i);
    }
    expect(marks.has(1, 1)).toBe(true);
    marks.add(5, 5);
    expect([marks.has(1, 1), marks.has(5, 5), marks.size]).toEqual([false, true, 1]);
  });
});

/** What should be marked: by its words, the how manieth expiry that was. */
class MarksModel {
  readonly #marks = new Map<string, number>();
  #expiries = 0;

  add(low: number, high: number): void {
    this.#marks.set(`${low} ${high}`, ++this.#expiries);
  }

  has(low: number, high: number): boolean {
    return (this.#marks.get(`${low} ${high}`) ?? Number.NEGATIVE_INFINITY) > this.#expiries - MARKS;
  }

  take(low: number, high: number): boolean {
    const had = this.has(low, high);
    this.#marks.delete(`${low} ${high}`);
    return had;
  }

  clear(): void {
    this.#marks.clear();
  }

  get size(): number {
    return Array.from(this.#marks.values()).filter((expiry) => expiry > this.#expiries - MARKS).length;
  }
}

/** How the low words of the keys lie in the table: anywhere, in one long run, or all in one place at its end. */
const SPREADS: Record<string, (id: number) => number> = {
  anywhere: (id) => Math.imul(id, 0x9e37_79b1),
  'side by side': (id) => id << 10,
  'in one place': (id) => 0xffff_fc00 | (id & 0x3ff),
  'about the end of the table': (id) => ((4_090 + (id % 9)) << 10) | (id % 1_000),
};

describe.each(Object.entries(SPREADS))('keys that lie %s', (name, lowOf) => {
  test.each([100, 3_000])('are marked as a model says, of %i keys', (keys) => {
    const random = seededRandom(`marks ${name}`);
    const marks = new ExpiredMarks();
    const model = new MarksModel();
    // A burst of adds fills the ring, one of takes empties it.
    for (let step = 0; step < 60_000; step++) {
      const id = random.below(keys);
      const low = lowOf(id) | 0;
      const high = (id * 7) & 0x7ff;
      const dice = random.below(1_000);
      const adds = Math.floor(step / 5_000) % 2 === 0 ? 800 : 300;
      if (dice < adds) {
        marks.add(low, high);
        model.add(low, high);
      } else if (dice < 998) {
        expectSame(marks.has(low, high), model.has(low, high), step);
        expectSame(marks.take(low, high), model.take(low, high), step);
      } else if (dice < 999) {
        expectSame(marks.size, model.size, step);
      } else if (random.oneIn(20)) {
        marks.clear();
        model.clear();
      }
    }
    expect(marks.size).toBe(model.size);
    expect(marks.size).toBeLessThanOrEqual(MARKS);
  });
});

/** `expect` takes a microsecond or two, which is long here. */
function expectSame(actual: unknown, expected: unknown, step: number): void {
  if (actual !== expected) {
    expect.fail(`step ${step}: ${actual}, the model says ${expected}`);
  }
}
