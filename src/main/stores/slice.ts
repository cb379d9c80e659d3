/**
 * A part of long work, between two turns of the event loop. Engines that are done at once would else hold it up for as long as
 * a whole store takes: awaiting what is there already gives nobody else a turn.
 */
/** How long others may have to wait. */
const SLICE_MS = 10;

export class Slice {
  #beganMs = performance.now();

  /** To be asked after each step: those that are not over need no promise. */
  get isOver(): boolean {
    return performance.now() - this.#beganMs >= SLICE_MS;
  }

  /** Gives the event loop a turn, and begins anew. */
  async rest(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#beganMs = performance.now();
  }
}
