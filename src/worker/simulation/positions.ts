/**
 * A set of positions, whole numbers from 0 to a known bound, that knows its greatest: one bit a position, and above each
 * 32 bits one bit that says whether any of them is set, up to a single word.
 *
 *     level 2    [ 1 ]
 *     level 1    [ 0 ... 1 1 ]                        each bit stands for a word below
 *     level 0    [ 0 1 ... ][ 1 0 ... ][ 0 0 ... ]    each bit is a position
 *
 * Every operation touches one word a level, five levels for thirty million positions. A binary heap of as many moves
 * twenty entries for each.
 */

const BITS = 32;
const NONE = -1;

export class Positions {
  readonly #levels: Int32Array[] = [];

  /** For positions below `bound`. */
  constructor(bound: number) {
    let words = bound;
    do {
      words = Math.max(1, Math.ceil(words / BITS));
      this.#levels.push(new Int32Array(words));
    } while (words > 1);
  }

  has(position: number): boolean {
    return (((this.#levels[0] as Int32Array)[position >>> 5] as number) & (1 << position)) !== 0;
  }

  add(position: number): void {
    let at = position;
    for (const words of this.#levels) {
      const word = words[at >>> 5] as number;
      words[at >>> 5] = word | (1 << at);
      if (word !== 0) {
        return;
      }
      at >>>= 5;
    }
  }

  remove(position: number): void {
    let at = position;
    for (const words of this.#levels) {
      const word = (words[at >>> 5] as number) & ~(1 << at);
      words[at >>> 5] = word;
      if (word !== 0) {
        return;
      }
      at >>>= 5;
    }
  }

  /** The greatest; -1 when there is none. */
  get greatest(): number {
    let at = 0;
    for (let level = this.#levels.length - 1; level >= 0; level--) {
      const word = (this.#levels[level] as Int32Array)[at] as number;
      if (word === 0) {
        return NONE;
      }
      at = at * BITS + 31 - Math.clz32(word);
    }
    return at;
  }
}
