/** The two times of an owner: monotonic in memory, that of the wall in the tier, where deadlines outlive the process. */
import type { Clock } from '../../protocol/clock.ts';

export class WallClock {
  readonly #clock: Clock;
  /** Undefined: that of the machine. */
  readonly #originMs: number | undefined;

  /** With a clock that is turned by hand, `originMs` is what the wall's says when that is at 0. */
  constructor(clock: Clock, originMs?: number) {
    this.#clock = clock;
    this.#originMs = originMs;
  }

  /** Monotonic milliseconds. */
  monotonic(): number {
    return this.#clock.now();
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#originMs === undefined ? Date.now() : this.#originMs + this.#clock.now();
  }

  /** What the wall's clock will say at this monotonic time; Infinity stays. */
  wallOf(atMs: number): number {
    return this.now() + (atMs - this.#clock.now());
  }

  monotonicOf(wallMs: number): number {
    return this.#clock.now() + (wallMs - this.now());
  }
}
