/**
 * Short frames as parts of one buffer, for a way that copies them anyway: a buffer for each costs more than a frame of one
 * set does (0.3 us, and as much again when it is collected), a part of one 0.1. A message would take the whole buffer
 * along, so what goes by a port must not come from here.
 */

/** Buffers are so long, and frames of up to a sixteenth of it take parts of them: what is left at the end is little. */
const POOL_WORDS = 16 * 1024;
const FRAME_WORDS_MAX = POOL_WORDS / 16;

export class FramePool {
  #words = new Int32Array(POOL_WORDS);
  #used = 0;

  /** A copy of the first `count` words, undefined when they are too many. Nobody else is ever given its place. */
  copy(words: Int32Array, count: number): Uint8Array | undefined {
    if (count > FRAME_WORDS_MAX) {
      return undefined;
    }
    if (this.#used + count > POOL_WORDS) {
      this.#words = new Int32Array(POOL_WORDS);
      this.#used = 0;
    }
    const at = this.#used;
    const into = this.#words;
    for (let i = 0; i < count; i++) {
      into[at + i] = words[i] as number;
    }
    this.#used = at + count;
    return new Uint8Array(into.buffer, at * 4, count * 4);
  }
}
