/**
 * The time by which a shard works: a clock that is read once for a batch of calls, which otherwise would pay 90 ns for
 * each entry that expires. A call's time is then at most a batch old, and never earlier than the call was made.
 */
import type { Clock } from '../protocol/clock.ts';

export class FrameClock implements Clock {
  readonly #clock: Clock;
  #held = false;
  /** NaN until somebody asks. */
  #nowMs = Number.NaN;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    if (!this.#held) {
      return this.#clock.now();
    }
    if (Number.isNaN(this.#nowMs)) {
      this.#nowMs = this.#clock.now();
    }
    return this.#nowMs;
  }

  /** From now until `release`, or until it is held anew, time stands still. */
  hold(): void {
    this.#held = true;
    this.#nowMs = Number.NaN;
  }

  release(): void {
    this.#held = false;
  }
}
