/**
 * A wheel of a million timers that are due within the hour. Time is an argument of the wheel: here it is turned, by 100 ms
 * at a time, and an hour of it passes in less than a second.
 */
import { TimingWheel } from '../../src/worker/wheel.ts';
import { Draws, seededRandom } from '../support/keys.ts';
import { LOOP_OPERATIONS, type MicroTask } from '../support/micro.ts';
import { formatCount } from '../support/table.ts';
import { Walk } from '../support/walk.ts';
import type { Subject } from './subject.ts';

const TIMERS = 1_000_000;
const QUICK_TIMERS = 100_000;
const HOUR_MS = 3_600_000;
const STEP_MS = 100;
/** More than ever comes due in a step. */
const BUDGET = 10_000_000;
/** Two links of four bytes. */
const TIMER_BYTES = 8;
const SEED = 0x5eed;

export function wheel(quick: boolean): Subject {
  const timers = quick ? QUICK_TIMERS : TIMERS;
  const of = `of ${formatCount(timers)}`;
  const moved = moving(`wheel: deschedule and schedule one ${of}`, timers);
  const expired = expiring(`wheel: expire one ${of} and schedule it anew`, timers);
  const walk = new Walk(`floor: walk, ${formatCount(timers)} timers of ${TIMER_BYTES} B`, timers, TIMER_BYTES);
  return { tasks: [moved, expired, walk], floors: { [moved.name]: walk.name, [expired.name]: walk.name } };
}

/** Gives timers in random order another deadline, while time stands still. */
function moving(name: string, timers: number): MicroTask {
  const { wheel, deadlines, ahead } = scheduled(timers);
  const draws = new Draws();
  let cursor = 0;
  return {
    name,
    loop() {
      for (let i = cursor; i < cursor + LOOP_OPERATIONS; i++) {
        const slot = draws.below(timers);
        wheel.deschedule(slot);
        const deadlineMs = ahead[i] as number;
        deadlines[slot] = deadlineMs;
        wheel.schedule(slot, deadlineMs);
      }
      cursor = (cursor + LOOP_OPERATIONS) % timers;
    },
  };
}

/** Turns the time until a thousand timers were due; all their moves on the way there are in the time of one. */
function expiring(name: string, timers: number): MicroTask {
  const { wheel, deadlines, ahead } = scheduled(timers);
  let nowMs = 0;
  let cursor = 0;
  return {
    name,
    loop() {
      for (let i = 0; i < LOOP_OPERATIONS; i++) {
        let slot = wheel.firstDue;
        for (; slot === -1; slot = wheel.firstDue) {
          nowMs += STEP_MS;
          wheel.advance(nowMs, BUDGET);
        }
        wheel.deschedule(slot);
        const deadlineMs = nowMs + (ahead[cursor] as number);
        deadlines[slot] = deadlineMs;
        wheel.schedule(slot, deadlineMs);
        cursor = cursor + 1 === timers ? 0 : cursor + 1;
      }
    },
  };
}

/** A wheel of so many timers, its deadlines by slot, and how far ahead the deadlines that it is given next are. */
function scheduled(timers: number): { wheel: TimingWheel; deadlines: Float64Array; ahead: Float64Array } {
  const random = seededRandom(SEED);
  const ahead = Float64Array.from({ length: timers }, () => 1 + random() * HOUR_MS);
  const deadlines = ahead.slice().reverse();
  const wheel = new TimingWheel(timers, (slot) => deadlines[slot] as number, 0);
  for (let slot = 0; slot < timers; slot++) {
    wheel.schedule(slot, deadlines[slot] as number);
  }
  return { wheel, deadlines, ahead };
}
