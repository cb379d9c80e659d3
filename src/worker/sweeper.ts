/**
 * Sweeps a shard of what has expired, when something is due and not before: an idle shard has no timer, one whose entries
 * die in a year a timer of a year. At most one sweep begins in `intervalMs`; it goes on in turns of the event loop, each of
 * a bounded number of entries, so that a million entries of one deadline hold nobody up.
 */
import type { Clock, SharedClock } from '../protocol/clock.ts';
import type { Shard } from './shard.ts';

const TIMER_MAX_MS = 2 ** 31 - 1;

export class Sweeper {
  readonly #shard: Shard;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;
  #armedForMs = Number.POSITIVE_INFINITY;
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  #sweeping = false;
  #following = false;

  /** `intervalMs` Infinity never sweeps. */
  constructor(shard: Shard, clock: Clock, intervalMs: number) {
    this.#shard = shard;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** To be called whenever the shard may have got an earlier deadline. Costs a comparison when it has not. */
  arm(): void {
    const dueMs = this.#shard.sweepAtMs;
    if (dueMs >= this.#armedForMs || this.#sweeping || this.#following || this.#isOff) {
      return;
    }
    clearTimeout(this.#timer);
    this.#armedForMs = dueMs;
    const waitMs = Math.max(dueMs, this.#sweptAtMs + this.#intervalMs) - this.#clock.now();
    // A fraction more: a timer that fires before the deadline would have nothing to do.
    this.#timer = setTimeout(() => this.#fire(), Math.min(TIMER_MAX_MS, Math.max(1, waitMs + 1))).unref();
  }

  /** Sweeps whenever a clock that is turned by hand has been turned: its time is not that of timers. */
  async follow(clock: SharedClock): Promise<void> {
    this.#following = true;
    while (!this.#isOff) {
      const turned = clock.turned;
      if (!this.#sweeping) {
        this.#fire();
      }
      await clock.turnAfter(turned);
    }
  }

  get #isOff(): boolean {
    return this.#intervalMs === Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    this.#armedForMs = Number.POSITIVE_INFINITY;
    this.#sweptAtMs = this.#clock.now();
    this.#shard.sweep();
    this.#sweeping = this.#shard.isDue;
    if (this.#sweeping) {
      setImmediate(() => this.#fire());
    } else {
      this.arm();
    }
  }
}
