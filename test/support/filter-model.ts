/**
 * A shard reduced to what a filter sees of it: slots that hold hashes, taken and given back as a shard does, and a reader.
 * Each call tells the filter what a shard would tell it, in the same order.
 */
import { type FilterName, FilterReader, filterBytes } from '../../src/protocol/filter.ts';
import type { HashSource, MembershipFilter } from '../../src/worker/filter/filter.ts';
import { filters } from '../../src/worker/filter/index.ts';
import type { Random } from './random.ts';

/** What a block keeps of the hash's high word; the rest of it must not matter. */
const HIGH_MASK = 0x7ff;

export class FilterModel implements HashSource {
  readonly slots: number;
  readonly words: Int32Array;
  readonly reader: FilterReader;
  /** Slots that the filter has asked for. */
  asked = 0;
  used = 0;
  /** Called whenever the filter asks for hashes. */
  onAsked: (() => void) | undefined;
  readonly #type: FilterName;
  readonly #rate: number;
  readonly #random: Random;
  #filter: MembershipFilter;
  #entries = 0;
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  /** Live slots, packed, and where each slot stands among them; -1 for a free one. */
  readonly #live: Int32Array;
  readonly #place: Int32Array;
  readonly #free: number[] = [];

  constructor(type: FilterName, slots: number, rate: number, random: Random) {
    this.#type = type;
    this.slots = slots;
    this.#rate = rate;
    this.#random = random;
    this.#low = new Int32Array(slots);
    this.#high = new Int32Array(slots);
    this.#live = new Int32Array(slots);
    this.#place = new Int32Array(slots).fill(-1);
    this.words = new Int32Array(new SharedArrayBuffer(filterBytes({ type, falsePositiveRate: rate }, slots)));
    this.#filter = this.#create();
    this.reader = new FilterReader(this.words);
  }

  get filter(): MembershipFilter {
    return this.#filter;
  }

  get entries(): number {
    return this.#entries;
  }

  get isFull(): boolean {
    return this.#entries >= this.slots;
  }

  hashesOf(from: number, to: number, into: Int32Array): number {
    this.asked += to - from;
    this.onAsked?.();
    let found = 0;
    for (let slot = from; slot < to; slot++) {
      if ((this.#place[slot] as number) >= 0) {
        into[2 * found] = this.#low[slot] as number;
        into[2 * found + 1] = (this.#high[slot] as number) & HIGH_MASK;
        found++;
      }
    }
    return found;
  }

  /** A key that never was there before, unless its hash is given. Its slot. */
  insert(low = this.#random.word() | 0, high = this.#random.word() | 0): number {
    this.#filter.add(low, high);
    return this.#publish(low, high);
  }

  remove(slot: number): void {
    this.#release(slot);
    this.#filter.removed(this.#low[slot] as number, this.#high[slot] as number);
  }

  clear(): void {
    this.#filter.clear();
    this.#place.fill(-1);
    this.#entries = 0;
    this.used = 0;
    this.#free.length = 0;
  }

  /** A new owner over the same memory and entries. */
  adopt(): void {
    this.#filter = this.#create();
  }

  anyLive(): number {
    return this.#live[this.#random.below(this.#entries)] as number;
  }

  /** Replaces a random entry by a new key when full. */
  churn(): number {
    if (this.isFull) {
      this.remove(this.anyLive());
    }
    return this.insert();
  }

  isLive(slot: number): boolean {
    return (this.#place[slot] as number) >= 0;
  }

  /** Whether a reader would say that the key of this slot, live or the last to be there, is not in the cache. */
  isRuledOut(slot: number): boolean {
    return this.reader.rulesOut(this.#low[slot] as number, this.#high[slot] as number);
  }

  /** Live entries that a reader would rule out. */
  lost(): number {
    let lost = 0;
    for (let i = 0; i < this.#entries; i++) {
      lost += this.isRuledOut(this.#live[i] as number) ? 1 : 0;
    }
    return lost;
  }

  /** The share of strangers that the reader does not rule out. */
  falsePositives(probes: number): number {
    let maybe = 0;
    for (let i = 0; i < probes; i++) {
      maybe += this.reader.rulesOut(this.#random.word() | 0, this.#random.word() | 0) ? 0 : 1;
    }
    return maybe / probes;
  }

  #create(): MembershipFilter {
    return filters[this.#type]({ words: this.words, slots: this.slots, falsePositiveRate: this.#rate, source: this });
  }

  #publish(low: number, high: number): number {
    const slot = this.#free.pop() ?? this.used++;
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#place[slot] = this.#entries;
    this.#live[this.#entries++] = slot;
    return slot;
  }

  #release(slot: number): void {
    const place = this.#place[slot] as number;
    const last = this.#live[--this.#entries] as number;
    this.#live[place] = last;
    this.#place[last] = place;
    this.#place[slot] = -1;
    this.#free.push(slot);
  }
}

/**
 * Random adds, removals and clears, in waves: the cache fills, stays full and drains. Says how many live keys were found
 * ruled out.
 */
export function runOperations(target: FilterModel, random: Random, operations: number): number {
  const wave = 8 * target.slots + 2_000;
  const checkEvery = Math.max(1_000, target.slots >> 1);
  let lost = 0;
  for (let step = 1; step <= operations; step++) {
    const drains = step % wave > 0.7 * wave;
    const dice = random.below(100);
    if (target.entries === 0 || dice < (drains ? 25 : 55)) {
      lost += target.isRuledOut(target.churn()) ? 1 : 0;
    } else if (drains || random.oneIn(3)) {
      target.remove(target.anyLive());
    } else if (random.oneIn(target.slots + 5_000)) {
      target.clear();
    }
    if (step % checkEvery === 0) {
      target.filter.check();
      lost += target.lost();
    }
  }
  target.filter.check();
  return lost + target.lost();
}
