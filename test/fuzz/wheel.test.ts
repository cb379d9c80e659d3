/**
 * Random timers on a wheel beside a map of their deadlines, with every invariant checked after every step: what is due
 * is found at its millisecond, through spent budgets, jumps past every level, and deadlines that move.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SEED } from '../support/random.ts';
import { UNBOUNDED, WheelModel } from '../support/wheel-model.ts';

type Step =
  | { do: 'schedule' | 'slide'; slot: number; distance: number }
  | { do: 'deschedule'; slot: number }
  | { do: 'advance'; distance: number; budget: number }
  | { do: 'wake' | 'take'; budget: number }
  | { do: 'back' | 'clear' };

const SLOTS = 24;
const LATEST_MS = 2 ** 53;

const BIRTHS_MS = [0, 63, 64 ** 3 - 1, 2 ** 36 - 5, 2 ** 48];

/** Ticks: few, about a multiple of a power of 64, or of any magnitude up to 2^53. */
const distance = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc
    .tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 1, max: 65 }), fc.integer({ min: -2, max: 2 }))
    .map(([power, times, off]) => Math.max(0, 64 ** power * times + off)),
  fc
    .tuple(fc.integer({ min: 1, max: 53 }), fc.double({ min: 0.5, max: 1, noNaN: true }))
    .map(([bits, share]) => Math.floor(2 ** bits * share)),
);
const slot = fc.integer({ min: 0, max: SLOTS - 1 });
const budget = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constant(UNBOUNDED));

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('schedule' as const), slot, distance }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('slide' as const), slot, distance }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deschedule' as const), slot }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('advance' as const), distance, budget }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('wake' as const, 'take' as const), budget }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('back' as const, 'back' as const, 'clear' as const) }) },
);
const anySteps = fc.array(anyStep, { minLength: 1, maxLength: 120, size: 'max' });

/** Moves deadlines and times off whole ticks, or off whole milliseconds. */
type Shift = (ms: number) => number;

function apply(step: Step, model: WheelModel, shift: Shift): void {
  const { wheel, nowMs, tickMs } = model;
  switch (step.do) {
    case 'schedule':
      if (model.deadlines.has(step.slot)) {
        model.deschedule(step.slot);
      }
      // One in a few lies in the past.
      return model.schedule(step.slot, ahead(step.distance * tickMs - (step.slot < 4 ? 50 * tickMs : 0)));
    case 'slide':
      if (model.deadlines.has(step.slot)) {
        const deadlineMs = model.deadlines.get(step.slot) as number;
        model.slide(step.slot, Math.max(deadlineMs, ahead(step.distance * tickMs)));
      }
      return;
    case 'deschedule':
      if (model.deadlines.has(step.slot)) {
        model.deschedule(step.slot);
      }
      return;
    case 'advance':
      model.advance(Math.max(nowMs, ahead(step.distance * tickMs)), step.budget);
      return;
    case 'wake':
      if (wheel.size > 0) {
        expect(wheel.nextAtMs).toBeLessThan(Number.POSITIVE_INFINITY);
        const left = model.advance(Math.max(nowMs, wheel.nextAtMs), step.budget);
        // There was something to do: a timer to sort out, or a due one to take.
        expect(left < step.budget || step.budget === 0 || model.due.size > 0).toBe(true);
      }
      return;
    case 'take':
      model.takeDue(step.budget);
      return;
    case 'back':
      model.advance(nowMs - 1);
      return;
    case 'clear':
      model.clear();
  }

  function ahead(ms: number): number {
    return Math.min(LATEST_MS, shift(nowMs + ms));
  }
}

function run(ticksMs: number[], fractionMs: number, shift: Shift): void {
  fc.assert(
    fc.property(fc.constantFrom(...BIRTHS_MS), fc.constantFrom(...ticksMs), anySteps, (birthMs, tickMs, steps) => {
      const model = new WheelModel({ slots: SLOTS, birthMs: birthMs + fractionMs, tickMs });
      for (const step of steps) {
        apply(step, model, shift);
        model.check();
      }
      // Whatever is left comes due.
      model.advance(LATEST_MS + 2 * tickMs);
      model.takeDue();
      expect(model.deadlines.size).toBe(0);
      model.check();
    }),
    { seed: SEED, numRuns: 300 },
  );
}

test('with ticks of 1 ms every timer is found at its millisecond', () => {
  run([1], 0, (ms) => ms);
});

test('with longer ticks no timer is found early, and none more than a tick late', () => {
  run([3, 64, 100], 0, (ms) => ms + (ms % 7));
});

test('with parts of a millisecond no timer is found early, and none more than a tick late', () => {
  run([1, 3], 0.375, (ms) => ms + (ms % 7) / 8);
});
