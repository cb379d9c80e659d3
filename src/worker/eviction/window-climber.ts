/**
 * Finds by trial what share of a cache a window should have: hill climbing on the hit ratio (Einziger, Eytan, Friedman and
 * Manes, "Adaptive software cache management", Middleware 2018). A step in a direction; on while the ratio of the next
 * sample is no worse, else back. The first step widens the window, which is the smaller mistake of the two. Steps shrink by 2 % each, and are whole again after a change of five points or more, which
 * means that the load is another.
 */

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
  /** In the sample. */
  requests = 0;
  #hits = 0;
  #step = STEP;
  #ratioBefore = 0;

  hit(): void {
    this.#hits++;
    this.requests++;
  }

  miss(): void {
    this.requests++;
  }

  /** Ends the sample: the share takes a step. */
  climb(): void {
    const ratio = this.#hits / this.requests;
    const change = ratio - this.#ratioBefore;
    const step = change >= 0 ? this.#step : -this.#step;
    this.#step = Math.abs(change) >= RESTART_CHANGE ? Math.sign(step) * STEP : step * STEP_DECAY;
    this.#ratioBefore = ratio;
    this.share = Math.min(SHARE_MAX, Math.max(SHARE_MIN, this.share + step));
    this.restart();
  }

  /** Begins the sample anew. */
  restart(): void {
    this.requests = 0;
    this.#hits = 0;
  }

  clear(): void {
    this.restart();
    this.share = SHARE;
    this.#step = STEP;
    this.#ratioBefore = 0;
  }
}
