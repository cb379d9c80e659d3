/**
 * Finds by trial what share of a cache a window should have: hill climbing on the hit ratio (Einziger, Eytan, Friedman and
 * Manes, "Adaptive software cache management", Middleware 2018). After each sample of requests a step: on in the same
 * direction while the ratio is no worse, else back. Steps shrink by 2 % each, and are whole again after a change of five
 * points or more, which means that the load is another. The first one widens the window, which is the smaller mistake.
 */

/** Requests in a sample, for each entry: more and it learns too late, fewer and it learns noise. */
const SAMPLE_PER_ENTRY = 4;
const SHARE = 0.2;
const SHARE_MIN = 0.02;
/** So much window leaves nothing that could be protected. */
const SHARE_MAX = 0.84;
const STEP = 0.0625;
const STEP_DECAY = 0.98;
const RESTART_CHANGE = 0.05;

export class WindowClimber {
  /** Of the whole, between 0 and 1. */
  share = SHARE;
  #step = STEP;
  #ratioBefore = 0;
  #hits = 0;
  #requests = 0;

  hit(): void {
    this.#hits++;
    this.#requests++;
  }

  /** A request missed, in a cache of so many entries: with that a sample may end, and the share take a step. */
  miss(entries: number): void {
    this.#requests++;
    if (this.#requests < entries * SAMPLE_PER_ENTRY) {
      return;
    }
    const ratio = this.#hits / this.#requests;
    const change = ratio - this.#ratioBefore;
    const step = change >= 0 ? this.#step : -this.#step;
    this.#step = Math.abs(change) >= RESTART_CHANGE ? Math.sign(step) * STEP : step * STEP_DECAY;
    this.#ratioBefore = ratio;
    this.share = Math.min(SHARE_MAX, Math.max(SHARE_MIN, this.share + step));
    this.#hits = 0;
    this.#requests = 0;
  }

  /** Forgets all samples, and the one at hand. Begins with the share that another has found, if there is one. */
  restart(share = SHARE): void {
    this.share = Math.min(SHARE_MAX, Math.max(SHARE_MIN, share));
    this.#step = STEP;
    this.#ratioBefore = 0;
    this.#hits = 0;
    this.#requests = 0;
  }
}
