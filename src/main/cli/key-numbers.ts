/**
 * Keys as numbers from 0 on, in the order of their first appearance.
 *
 * What is kept of a key is a fingerprint of 64 bits, so a key of 65,535 bytes costs as much as one of three: 12 bytes in a
 * table that is half full at most. A Map of strings takes ten times that, and ends at 16 million. Two of ten million keys
 * share a fingerprint in one of 400,000 traces; they would count as one.
 *
 * The fingerprint is made of two lanes, each multiplied and shifted for every byte and by another multiplier, and mixed with
 * each other at the end, like bryc's cyrb53 (public domain). Nothing is lost on the way: each step can be undone.
 *
 *     places   [ low | high | number + 1 ][ ... ]      found by linear probing from the low word
 */

/** With a table of 1.5 GiB. */
const KEYS_MAX = 2 ** 25;
const PLACES_FIRST = 2 ** 12;
const WORDS = 3;

export class KeyNumbers {
  #places = new Int32Array(PLACES_FIRST * WORDS);
  #mask = PLACES_FIRST - 1;
  #low = 0;
  #high = 0;
  count = 0;

  get isFull(): boolean {
    return this.count === KEYS_MAX;
  }

  /** The number of the key `bytes[start..end)`. A new one gets what `count` was. */
  numberOf(bytes: Uint8Array, start: number, end: number): number {
    this.#hash(bytes, start, end);
    const place = this.#find(this.#low, this.#high);
    const known = this.#places[place + 2] as number;
    if (known !== 0) {
      return known - 1;
    }
    this.#places[place] = this.#low;
    this.#places[place + 1] = this.#high;
    this.#places[place + 2] = ++this.count;
    if (this.count * 2 > this.#mask) {
      this.#grow();
    }
    return this.count - 1;
  }

  #hash(bytes: Uint8Array, start: number, end: number): void {
    let low = 0xdead_beef;
    let high = 0x41c6_ce57;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      low = Math.imul(low ^ byte, 0x9e37_79b1);
      low ^= low >>> 15;
      high = Math.imul(high ^ byte, 0x5f35_6495);
      high ^= high >>> 13;
    }
    low = Math.imul(low ^ (low >>> 16), 0x85eb_ca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2_ae35);
    high = Math.imul(high ^ (high >>> 16), 0x85eb_ca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2_ae35);
    this.#low = low;
    this.#high = high;
  }

  /** Where a fingerprint is, or would be. */
  #find(low: number, high: number): number {
    for (let at = low & this.#mask; ; at = (at + 1) & this.#mask) {
      const place = at * WORDS;
      if (this.#places[place + 2] === 0 || (this.#places[place] === low && this.#places[place + 1] === high)) {
        return place;
      }
    }
  }

  #grow(): void {
    const old = this.#places;
    this.#mask = this.#mask * 2 + 1;
    this.#places = new Int32Array((this.#mask + 1) * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 2] !== 0) {
        const place = this.#find(old[at] as number, old[at + 1] as number);
        this.#places.set(old.subarray(at, at + WORDS), place);
      }
    }
  }
}
