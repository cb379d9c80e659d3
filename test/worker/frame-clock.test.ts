import { expect, test } from 'vitest';
import { FrameClock } from '../../src/worker/frame-clock.ts';

/** A clock that is a millisecond later whenever it is read. */
class CountingClock {
  reads = 0;
  now(): number {
    return ++this.reads;
  }
}

test('while it is held it is read once, and not before somebody asks', () => {
  const counting = new CountingClock();
  const clock = new FrameClock(counting);
  clock.hold();
  expect(counting.reads).toBe(0);
  expect([clock.now(), clock.now(), clock.now()]).toEqual([1, 1, 1]);
  clock.release();
  expect([clock.now(), clock.now()]).toEqual([2, 3]);
});

test('held anew it tells a new time', () => {
  const clock = new FrameClock(new CountingClock());
  clock.hold();
  expect([clock.now(), clock.now()]).toEqual([1, 1]);
  clock.hold();
  expect([clock.now(), clock.now()]).toEqual([2, 2]);
});
