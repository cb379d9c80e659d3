/**
 * A part of long work, between two turns of the event loop. Engines that are done at once would else hold it up for as long as
 * a whole store takes: awaiting what is there already gives nobody else a turn.
 */
import type { Answer } from '../../protocol/engines/engine.ts';

/** How long others may have to wait. */
const SLICE_MS = 10;

export class Slice {
  #beganMs = performance.now();

  /** Gives the event loop a turn where the slice is used up: to be called after each step. */
  rest(): Answer<void> {
    return performance.now() - this.#beganMs < SLICE_MS ? undefined : this.#turn();
  }

  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#beganMs = performance.now();
  }
}
