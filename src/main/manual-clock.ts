/** A clock that stands still until it is turned: expiry across threads, tested without sleeping. */
import { SharedClock } from '../protocol/clock.ts';
import { misuse } from '../protocol/errors.ts';
import { parseDuration } from './units.ts';

/** Far from zero, so that a deadline computed from nothing is in the past. */
const BEGIN_MS = 1_000_000;

export class ManualClock {
  readonly #clock = new SharedClock();

  constructor() {
    this.#clock.turn(BEGIN_MS);
  }

  /** The hands, as every thread of a cache sees them. */
  get buffer(): SharedArrayBuffer {
    return this.#clock.buffer;
  }

  /** Milliseconds. They begin anywhere. */
  now(): number {
    return this.#clock.now();
  }

  /**
   * Moves time on by milliseconds or '10m'. What has expired then is a miss from the moment this returns; the shards are
   * woken to sweep, which takes them a moment. Throws INVALID_CONFIG for what is no duration, or negative.
   */
  advance(by: number | string): void {
    const ms = parseDuration(by);
    if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) {
      throw misuse('INVALID_CONFIG', "a number of milliseconds or a duration like '10m'", by, { option: 'by' });
    }
    this.#clock.turn(ms);
  }
}
