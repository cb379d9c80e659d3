/**
 * Which hashes are in a simulated cache, and in which slot: a table of [ hash | slot + 1 ] pairs with open addressing and
 * linear probing, half full at most. A pair lies in one line of the processor's cache, so a look costs one load from
 * memory. What leaves is closed up behind, so there are no tombstones and a search never grows longer with time.
 */

const NONE = -1;

export class Residents {
  readonly #pairs: Int32Array;
  readonly #mask: number;
  #size = 0;

  /** For `most` hashes at a time. */
  constructor(most: number) {
    const places = 2 ** Math.ceil(Math.log2(Math.max(1, most) * 2));
    this.#mask = places - 1;
    this.#pairs = new Int32Array(places * 2);
  }

  get size(): number {
    return this.#size;
  }

  /** The slot of a hash; -1 where there is none. */
  find(hash: number): number {
    const pairs = this.#pairs;
    const mask = this.#mask;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const taken = pairs[place * 2 + 1] as number;
      if (taken === 0) {
        return NONE;
      }
      if (pairs[place * 2] === hash) {
        return taken - 1;
      }
    }
  }

  /** Enters a hash that is not there. */
  add(hash: number, slot: number): void {
    const pairs = this.#pairs;
    let place = hash & this.#mask;
    while (pairs[place * 2 + 1] !== 0) {
      place = (place + 1) & this.#mask;
    }
    pairs[place * 2] = hash;
    pairs[place * 2 + 1] = slot + 1;
    this.#size++;
  }

  /** Removes a hash that is there. */
  remove(hash: number): void {
    const pairs = this.#pairs;
    const mask = this.#mask;
    let hole = hash & mask;
    while (pairs[hole * 2] !== hash || pairs[hole * 2 + 1] === 0) {
      hole = (hole + 1) & mask;
    }
    // What follows without a gap moves into the hole, if that is not before the place where its search begins.
    for (let place = (hole + 1) & mask; pairs[place * 2 + 1] !== 0; place = (place + 1) & mask) {
      const home = (pairs[place * 2] as number) & mask;
      if (((place - home) & mask) >= ((place - hole) & mask)) {
        pairs[hole * 2] = pairs[place * 2] as number;
        pairs[hole * 2 + 1] = pairs[place * 2 + 1] as number;
        hole = place;
      }
    }
    pairs[hole * 2 + 1] = 0;
    this.#size--;
  }

  /** Every hash with its slot. For checks. */
  *[Symbol.iterator](): Generator<[hash: number, slot: number]> {
    for (let place = 0; place <= this.#mask; place++) {
      const taken = this.#pairs[place * 2 + 1] as number;
      if (taken !== 0) {
        yield [this.#pairs[place * 2] as number, taken - 1];
      }
    }
  }
}
