import { describe, expect, test } from 'vitest';
import { TimingWheel } from '../../src/worker/wheel.ts';
import { seededRandom } from '../support/random.ts';
import { UNBOUNDED, WheelModel } from '../support/wheel-model.ts';

const YEAR_MS = 365 * 24 * 3_600_000;
/** What six levels of 64 buckets span, in ticks. */
const ALL_LEVELS = 64 ** 6;
/** A deadline in each level, at both of its edges, and behind all of them. */
const DISTANCES = [0, 1, 2, 3, 4, 5].flatMap((level) => [64 ** level, 64 ** level + 1, 64 ** (level + 1) - 1]);
const FAR = [ALL_LEVELS, ALL_LEVELS + 1, 3 * ALL_LEVELS + 12_345, 2 ** 53 - 1, 2 ** 53];

describe('a timer', () => {
  test.each([...DISTANCES, ...FAR])('%i ms ahead is due at its deadline, not a millisecond before', (deadlineMs) => {
    const model = new WheelModel();
    model.schedule(7, deadlineMs);
    expect(model.expire(deadlineMs - 1)).toEqual([]);
    model.check();
    expect(model.expire(deadlineMs)).toEqual([7]);
    model.check();
  });

  test.each([...DISTANCES, ...FAR])('%i ms ahead is found however time gets there', (deadlineMs) => {
    const random = seededRandom(`${deadlineMs} ms ahead`);
    for (let round = 0; round < 5; round++) {
      const birthMs = random.logUniform(1, 64 ** 6);
      const model = new WheelModel({ birthMs });
      const endMs = Math.min(2 ** 53, birthMs + deadlineMs);
      model.schedule(7, endMs);
      while (model.nowMs < endMs - 1) {
        expect(model.expire(model.nowMs + random.logUniform(1, endMs - 1 - model.nowMs))).toEqual([]);
        model.check();
      }
      expect(model.expire(endMs)).toEqual([7]);
    }
  });

  test('with a deadline now or in the past is found by the next advance, even at the same time', () => {
    const model = new WheelModel({ birthMs: 500 });
    model.schedule(1, 500);
    model.schedule(2, -3);
    expect(model.wheel.nextAtMs).toBeLessThanOrEqual(500);
    model.check();
    expect(model.expire(500)).toEqual([1, 2]);
    model.advance(700);
    model.schedule(3, 699);
    model.schedule(4, 701);
    expect(model.expire(700)).toEqual([3]);
    expect(model.expire(701)).toEqual([4]);
  });

  test('whose deadline has moved is scheduled again when the wheel meets it', () => {
    const model = new WheelModel();
    model.schedule(1, 100);
    model.slide(1, 5_000);
    expect(model.expire(100)).toEqual([]);
    model.check();
    expect(model.expire(4_999)).toEqual([]);
    expect(model.expire(5_000)).toEqual([1]);
  });

  test('found due stays due when its deadline moves, until it is descheduled', () => {
    const model = new WheelModel();
    model.schedule(1, 100);
    model.advance(100);
    model.slide(1, 5_000);
    model.advance(200);
    expect(model.wheel.firstDue).toBe(1);
    model.deschedule(1);
    model.schedule(1, 5_000);
    expect(model.expire(4_999)).toEqual([]);
    expect(model.expire(5_000)).toEqual([1]);
  });

  test('is sorted out at most once a level before it is due', () => {
    const random = seededRandom('once a level');
    for (let round = 0; round < 200; round++) {
      const model = new WheelModel({ birthMs: random.below(ALL_LEVELS / 2) });
      model.schedule(0, model.nowMs + random.logUniform(1, ALL_LEVELS / 2 - 1));
      while (model.takeDue().length === 0) {
        model.advance(model.wheel.nextAtMs);
      }
      expect(model.asked).toBeLessThanOrEqual(6);
    }
  });

  test('is not lost when its deadline cannot be had', () => {
    let broken = true;
    const deadlineOf = () => {
      if (broken) {
        throw new Error('no deadline');
      }
      return 10;
    };
    const wheel = new TimingWheel(4, deadlineOf, 0);
    wheel.schedule(2, 10);
    expect(() => wheel.advance(10, 5)).toThrow('no deadline');
    broken = false;
    wheel.check();
    expect(wheel.advance(10, 5)).toBe(4);
    expect(wheel.firstDue).toBe(2);
  });
});

describe('due timers', () => {
  test('come in the order in which they were found', () => {
    const model = new WheelModel();
    [30, 10, 20].forEach((deadlineMs, slot) => {
      model.schedule(slot, deadlineMs);
    });
    model.advance(25);
    model.advance(30);
    expect(model.takeDue()).toEqual([1, 2, 0]);
  });

  test('200,000 of one instant come out in budgets, and the wheel says that there are more', () => {
    const wheel = new TimingWheel(200_000, () => 70_000, 0);
    for (let slot = 0; slot < 200_000; slot++) {
      wheel.schedule(slot, 70_000);
    }
    // From level 2 to level 0, where a budget left over says that all have arrived.
    while (wheel.nextAtMs < 70_000) {
      const nowMs = wheel.nextAtMs;
      while (wheel.advance(nowMs, 1_000) === 0);
    }
    for (let found = 1_000; found <= 200_000; found += 1_000) {
      expect(wheel.advance(70_000, 1_000)).toBe(0);
      expect(wheel.due).toBe(found);
      expect(wheel.nextAtMs).toBe(70_000);
    }
    expect(wheel.advance(70_000, 1_000)).toBe(1_000);
    let slot = 0;
    while (wheel.firstDue === slot) {
      wheel.deschedule(slot++);
    }
    expect(slot).toBe(200_000);
    expect(wheel.size).toBe(0);
    expect(wheel.nextAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('that a spent budget left behind are found later, beside those that came due since', () => {
    const model = new WheelModel();
    for (let slot = 0; slot < 10; slot++) {
      model.schedule(slot, slot < 5 ? 10 : 5_000);
    }
    expect(model.advance(10, 2)).toBe(0);
    model.check();
    expect(model.advance(5_000, 0)).toBe(0);
    model.check();
    expect(model.expire(5_000)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('of years are all found by one jump, each sorted out once', () => {
    const model = new WheelModel();
    DISTANCES.forEach((deadlineMs, slot) => {
      model.schedule(slot, deadlineMs);
    });
    model.schedule(50, 11 * YEAR_MS);
    expect(model.advance(10 * YEAR_MS)).toBe(UNBOUNDED - DISTANCES.length - 1);
    expect(model.takeDue()).toHaveLength(DISTANCES.length);
    model.check();
    expect(model.expire(11 * YEAR_MS)).toEqual([50]);
  });
});

describe('a clock that goes back', () => {
  test('changes nothing, and what was due stays due', () => {
    const model = new WheelModel({ birthMs: 1_000 });
    for (const slot of [1, 2, 3]) {
      model.schedule(slot, 2_000);
    }
    model.advance(2_000, 1);
    for (const earlierMs of [1_999, 1_000, 0]) {
      expect(model.advance(earlierMs, 10)).toBe(10);
      model.check();
      expect(model.wheel.due).toBe(1);
    }
    expect(model.expire(2_000)).toEqual([1, 2, 3]);
  });

  test('does not make a timer late', () => {
    const model = new WheelModel({ birthMs: 1_000 });
    model.advance(2_000);
    model.advance(1_500);
    model.schedule(1, 2_100);
    expect(model.expire(2_099)).toEqual([]);
    expect(model.expire(2_100)).toEqual([1]);
  });
});

describe('deschedule', () => {
  const members = [0, 1, 2];
  test.each(members)('takes number %i of three from a bucket', (slot) => {
    const model = new WheelModel();
    members.forEach((member) => {
      model.schedule(member, 100);
    });
    model.deschedule(slot);
    model.check();
    expect(model.expire(100)).toEqual(members.filter((member) => member !== slot));
  });

  test.each(members)('takes number %i of three that are pending', (slot) => {
    const model = new WheelModel();
    members.forEach((member) => {
      model.schedule(member, 100);
    });
    model.advance(100, 0);
    model.deschedule(slot);
    model.check();
    expect(model.wheel.due).toBe(0);
    expect(model.expire(100)).toEqual(members.filter((member) => member !== slot));
  });

  test.each(members)('takes number %i of three that are due', (slot) => {
    const model = new WheelModel();
    members.forEach((member) => {
      model.schedule(member, 100);
    });
    model.advance(100);
    model.deschedule(slot);
    model.check();
    expect(model.wheel.due).toBe(2);
    expect(model.takeDue()).toEqual(members.filter((member) => member !== slot));
  });

  test('takes from the overflow', () => {
    const model = new WheelModel();
    model.schedule(1, 2 ** 53);
    model.deschedule(1);
    model.check();
    expect(model.wheel.nextAtMs).toBe(Number.POSITIVE_INFINITY);
  });
});

test('clear forgets every timer, wherever it is, and the wheel goes on', () => {
  const model = new WheelModel();
  [10, 20, 20, 5_000, 2 ** 50].forEach((deadlineMs, slot) => {
    model.schedule(slot, deadlineMs);
  });
  model.advance(10);
  model.advance(20, 1);
  model.clear();
  model.check();
  expect(model.expire(6_000)).toEqual([]);
  model.schedule(0, 6_100);
  expect(model.expire(6_099)).toEqual([]);
  expect(model.expire(6_100)).toEqual([0]);
});

describe('nextAtMs', () => {
  test('is the deadline of a timer in the lowest level', () => {
    const model = new WheelModel({ birthMs: 64 });
    model.schedule(1, 127);
    model.schedule(2, 90);
    expect(model.wheel.nextAtMs).toBe(90);
  });

  test.each([1, 100])('with ticks of %i ms wakes a sleeper in time, and a few times a timer', (tickMs) => {
    const random = seededRandom('sleeper');
    const model = new WheelModel({ slots: 200, birthMs: 1_234, tickMs });
    for (let slot = 0; slot < 200; slot++) {
      model.schedule(slot, model.nowMs + random.logUniform(1, 2 * ALL_LEVELS * tickMs));
    }
    let wakes = 0;
    while (model.wheel.size > 0) {
      const { nextAtMs } = model.wheel;
      expect(nextAtMs).toBeGreaterThan(model.nowMs);
      model.advance(nextAtMs);
      for (const slot of model.due) {
        expect(nextAtMs - (model.deadlines.get(slot) as number)).toBeLessThan(tickMs);
      }
      model.takeDue();
      wakes++;
    }
    expect(wakes).toBeLessThanOrEqual(200 * 6 + 2);
  });

  test('with a budget of one a wake still gets somewhere', () => {
    const model = new WheelModel({ slots: 50 });
    for (let slot = 0; slot < 50; slot++) {
      model.schedule(slot, 300_000 + slot);
    }
    let wakes = 0;
    while (model.wheel.size > 0) {
      model.advance(Math.max(model.nowMs, model.wheel.nextAtMs), 1);
      model.takeDue();
      wakes++;
    }
    expect(wakes).toBeLessThanOrEqual(50 * 6 + 6);
  });
});

describe('ticks of 100 ms', () => {
  test('find a timer at the first tick that is not before its deadline', () => {
    const model = new WheelModel({ birthMs: 1_050, tickMs: 100 });
    model.schedule(1, 1_149);
    model.schedule(2, 1_150);
    model.schedule(3, 1_151);
    expect(model.wheel.nextAtMs).toBe(1_150);
    expect(model.expire(1_149)).toEqual([]);
    expect(model.expire(1_150)).toEqual([1, 2]);
    expect(model.expire(1_249)).toEqual([]);
    expect(model.expire(1_250)).toEqual([3]);
  });

  test('find a deadline that is past already without waiting for a tick', () => {
    const model = new WheelModel({ tickMs: 100 });
    model.advance(180);
    model.schedule(1, 150);
    expect(model.wheel.nextAtMs).toBeLessThanOrEqual(180);
    expect(model.expire(180)).toEqual([1]);
  });
});

test('a birth and deadlines between milliseconds are never early and at most a tick late', () => {
  const model = new WheelModel({ birthMs: 1_000.7 });
  model.schedule(1, 1_000.9);
  model.schedule(2, 1_001);
  model.schedule(3, 1_001.2);
  expect(model.expire(1_000.8)).toEqual([]);
  expect(model.expire(1_001)).toEqual([1, 2]);
  expect(model.expire(1_001.9)).toEqual([]);
  expect(model.expire(1_002)).toEqual([3]);
});

test('check notices a deadline that moved to before its bucket', () => {
  const model = new WheelModel();
  model.schedule(1, 5_000);
  model.slide(1, 10);
  expect(() => model.wheel.check()).toThrow('visited after its deadline');
});
