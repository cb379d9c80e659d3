/**
 * Ghosts: the hashes of keys that left lately, in the order they left. A policy that remembers them knows a key that comes
 * back too soon from one that is new.
 *
 *     table    [ node + 1 | 0 | node + 1 | ... ]     by hash, open addressing, linear probing
 *     nodes    [ hash | weight ] and their links in a list, oldest first
 *
 * About 22 bytes a ghost. Keys with the same 32 bits of hash are one ghost: of ten million, one new key in 400 would be
 * taken for one of them. Taking one back closes the gap in the table by moving those behind it up, so that there are no
 * tombstones to sweep.
 */
import { SlotLists } from './lists.ts';

const NONE = -1;
/** Places in the table for each node: longer probes if less, more memory if more. */
const PLACES_PER_NODE = 1.5;
/** Of so many places less than one is taken: that is few. */
const FEW = 64;
const WORDS = 2 ** 32;

export class Ghosts {
  readonly #order: SlotLists;
  readonly #hashes: Int32Array;
  readonly #weights: Uint32Array;
  readonly #table: Int32Array;
  readonly #nodes: number;
  #used = 0;
  #free = NONE;
  #count = 0;
  #weight = 0;

  /** Remembers at most `nodes`: one more forgets the oldest. */
  constructor(nodes: number) {
    this.#nodes = Math.max(1, nodes);
    this.#order = new SlotLists(this.#nodes);
    // Shared only so that pages are handed out when touched.
    this.#hashes = new Int32Array(new SharedArrayBuffer(this.#nodes * 4));
    this.#weights = new Uint32Array(new SharedArrayBuffer(this.#nodes * 4));
    this.#table = new Int32Array(new SharedArrayBuffer(Math.ceil(this.#nodes * PLACES_PER_NODE) * 4 + 4));
  }

  get count(): number {
    return this.#count;
  }

  get weight(): number {
    return this.#weight;
  }

  /** Remembers a key as the newest. One that is there already keeps its place. */
  push(hash: number, weight: number): void {
    if (this.#find(hash) >= 0) {
      return;
    }
    if (this.#count === this.#nodes) {
      this.#dropOldest();
    }
    const node = this.#takeNode();
    this.#hashes[node] = hash;
    this.#weights[node] = weight;
    this.#order.push(node);
    this.#count++;
    this.#weight += weight;
    let place = this.#home(hash);
    while (this.#table[place] !== 0) {
      place = this.#after(place);
    }
    this.#table[place] = node + 1;
  }

  /** Forgets a key and says what it weighed, -1 where it was not remembered. */
  take(hash: number): number {
    // A cache that fills up asks in vain a million times, each a miss of the processor's cache, too.
    const place = this.#count === 0 ? NONE : this.#find(hash);
    if (place < 0) {
      return -1;
    }
    const node = (this.#table[place] as number) - 1;
    const weight = this.#weights[node] as number;
    this.#drop(place, node);
    return weight;
  }

  has(hash: number): boolean {
    return this.#find(hash) >= 0;
  }

  /** Forgets the oldest until the rest weighs no more than this. */
  trim(weightMax: number): void {
    while (this.#weight > weightMax && this.#count > 0) {
      this.#dropOldest();
    }
  }

  clear(): void {
    // A few of many are dropped one by one: to fill the whole table would hand out memory that was never used.
    while (this.#count > 0 && this.#count < this.#table.length / FEW) {
      this.#dropOldest();
    }
    if (this.#count > 0) {
      this.#table.fill(0);
      this.#order.clear();
      this.#used = 0;
      this.#free = NONE;
      this.#count = 0;
      this.#weight = 0;
    }
  }

  /** Throws on the first broken invariant. For tests and fuzzers. */
  check(): void {
    let weight = 0;
    let count = 0;
    for (let node = this.#order.oldest(); node !== NONE; node = this.#order.newerThan(node)) {
      const place = this.#find(this.#hashes[node] as number);
      if (place < 0 || this.#table[place] !== node + 1) {
        throw new Error(`ghosts: node ${node} is not where its hash says`);
      }
      weight += this.#weights[node] as number;
      count++;
    }
    const placed = this.#table.reduce((places, node) => places + (node === 0 ? 0 : 1), 0);
    if (weight !== this.#weight || count !== this.#count || placed !== count) {
      throw new Error(`ghosts: ${count} nodes of weight ${weight}, counted ${this.#count} of ${this.#weight}`);
    }
  }

  #dropOldest(): void {
    const node = this.#order.oldest();
    this.#drop(this.#find(this.#hashes[node] as number), node);
  }

  #drop(place: number, node: number): void {
    this.#order.remove(node);
    this.#count--;
    this.#weight -= this.#weights[node] as number;
    this.#hashes[node] = this.#free;
    this.#free = node;
    this.#vacate(place);
  }

  /** Empties a place, and moves up those behind it that the gap would hide. */
  #vacate(place: number): void {
    const table = this.#table;
    let gap = place;
    for (let at = this.#after(gap); table[at] !== 0; at = this.#after(at)) {
      const home = this.#home(this.#hashes[(table[at] as number) - 1] as number);
      // Whoever has his home in (gap, at], seen around the end, is not reached through the gap.
      const isReached = gap <= at ? home <= gap || home > at : home <= gap && home > at;
      if (isReached) {
        table[gap] = table[at] as number;
        gap = at;
      }
    }
    table[gap] = 0;
  }

  /** The place of a hash, -1 where it is not remembered. */
  #find(hash: number): number {
    const table = this.#table;
    for (let place = this.#home(hash); ; place = this.#after(place)) {
      const node = table[place] as number;
      if (node === 0) {
        return NONE;
      }
      if (this.#hashes[node - 1] === hash) {
        return place;
      }
    }
  }

  /** The high bits choose: they are as good as the low ones, and any length of table will do. */
  #home(hash: number): number {
    return Math.floor((hash >>> 0) * (this.#table.length / WORDS));
  }

  #after(place: number): number {
    return place + 1 === this.#table.length ? 0 : place + 1;
  }

  #takeNode(): number {
    const node = this.#free;
    if (node === NONE) {
      return this.#used++;
    }
    this.#free = this.#hashes[node] as number;
    return node;
  }
}
