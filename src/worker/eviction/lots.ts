/**
 * Lots for policies that draw them: splitmix with words of 32 bits, a counter, scrambled, so that each word comes once in
 * 2^32 draws. The same seed draws the same lots.
 */

/** 2^32 over the golden ratio, odd: the step that spreads a counter over all words most evenly. */
const GOLDEN_STEP = 0x9e37_79b9;
const WORDS = 2 ** 32;

export class Lots {
  #draws: number;
  #word = 0;

  constructor(seed: number) {
    this.#draws = seed | 0;
    this.draw();
  }

  /** Draws the next lot. */
  draw(): void {
    this.#draws = (this.#draws + GOLDEN_STEP) | 0;
    let word = Math.imul(this.#draws ^ (this.#draws >>> 16), 0x21f0_aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a_2d97);
    this.#word = word ^ (word >>> 15);
  }

  /** The lot that was drawn, as an integer from 0 to `limit` - 1. Asked again, it is the same. */
  below(limit: number): number {
    return Math.floor(((this.#word >>> 0) / WORDS) * limit);
  }
}
