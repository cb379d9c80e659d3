/**
 * Finds by trial what share of a cache one of its queues should have: hill climbing on the hit ratio (Einziger, Eytan,
 * Friedman and Manes, "Adaptive software cache management", Middleware 2018). After each sample of requests a step: on in
 * the same direction while the ratio is no worse, else back. Steps shrink by 2 % each, and are whole again after a change of
 * five points or more, which means that the load is another. The first one widens the queue for what is new, which is the
 * smaller mistake of the two.
 */

/** Requests in a sample, for each entry: more and it learns too late, fewer and it learns noise. */
export const SAMPLE_PER_ENTRY = 4;
const STEP = 0.0625;
const STEP_DECAY = 0.98;
const RESTART_CHANGE = 0.05;

export interface ShareBounds {
  readonly start: number;
  readonly min: number;
  readonly max: number;
}

export class ShareClimber {
  /** Of the whole, between 0 and 1. */
  share: number;
  readonly #bounds: ShareBounds;
  #step = STEP;
  #ratioBefore = 0;

  constructor(bounds: ShareBounds) {
    this.#bounds = bounds;
    this.share = bounds.start;
  }

  /** Ends a sample in which so many requests of all were hits: the share takes a step. */
  climb(hits: number, requests: number): void {
    const ratio = hits / requests;
    const change = ratio - this.#ratioBefore;
    const step = change >= 0 ? this.#step : -this.#step;
    this.#step = Math.abs(change) >= RESTART_CHANGE ? Math.sign(step) * STEP : step * STEP_DECAY;
    this.#ratioBefore = ratio;
    this.share = Math.min(this.#bounds.max, Math.max(this.#bounds.min, this.share + step));
  }

  /** Forgets all samples. `start` is where it begins anew. */
  restart(start = this.#bounds.start): void {
    this.share = start;
    this.#step = STEP;
    this.#ratioBefore = 0;
  }
}
