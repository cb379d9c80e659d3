/**
 * The hashes that are met most often, in bounded memory: Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient
 * computation of frequent and top-k elements in data streams", ICDT 2005). There are COUNTERS counters. A hash that has none
 * takes over the least of them, count and all: what is met in more than one of COUNTERS cases always has one, and its
 * count is at most the one it took over too high.
 */

/** Whatever is more than 0.4 % of all is there; finding the least of them is a walk over 1 KiB. */
export const COUNTERS = 256;
const WORDS = 2 ** 32;

export interface HotHash {
  readonly hashLow: number;
  readonly hashHigh: number;
  /** Met at least so often: what was taken over is not in it. */
  readonly count: number;
}

export class HotHashes {
  /** Met so often, all hashes together. */
  total = 0;
  readonly #places = new Map<number, number>();
  readonly #ids = new Float64Array(COUNTERS);
  readonly #counts = new Uint32Array(COUNTERS);
  /** What each counter began with. */
  readonly #inherited = new Uint32Array(COUNTERS);
  #used = 0;

  /** `hashHigh` is at most 21 bits. */
  meet(hashLow: number, hashHigh: number): void {
    this.total++;
    const id = hashHigh * WORDS + (hashLow >>> 0);
    const place = this.#places.get(id) ?? this.#takeOver(id);
    (this.#counts[place] as number)++;
  }

  /** Those met most often, at most `most`. */
  top(most: number): HotHash[] {
    const places = Array.from({ length: this.#used }, (_, place) => place);
    return places
      .map((place) => ({
        hashLow: ((this.#ids[place] as number) % WORDS) | 0,
        hashHigh: Math.floor((this.#ids[place] as number) / WORDS),
        count: (this.#counts[place] as number) - (this.#inherited[place] as number),
      }))
      .sort((one, other) => other.count - one.count)
      .slice(0, most);
  }

  clear(): void {
    this.total = 0;
    this.#places.clear();
    this.#counts.fill(0);
    this.#used = 0;
  }

  #takeOver(id: number): number {
    const isFree = this.#used < COUNTERS;
    const place = isFree ? this.#used++ : this.#least();
    if (!isFree) {
      this.#places.delete(this.#ids[place] as number);
    }
    this.#places.set(id, place);
    this.#ids[place] = id;
    this.#inherited[place] = this.#counts[place] as number;
    return place;
  }

  #least(): number {
    const counts = this.#counts;
    let least = 0;
    for (let place = 1; place < COUNTERS; place++) {
      if ((counts[place] as number) < (counts[least] as number)) {
        least = place;
      }
    }
    return least;
  }
}
