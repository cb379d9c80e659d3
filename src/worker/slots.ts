/**
 * The slots of a shard: which are free, and which block each of the others names.
 *
 * Free slots form a list through their own words, so that it costs no memory: -(next + 2), which is -1 at its end. Only
 * the map writes the word of a live slot, under the lock of its stripe. The list that a dead owner left is not believed, it may
 * lack the slot that was just taken: a new owner's holds whatever is not live.
 *
 * While a snapshot is saved there is a bit for each slot: its entry is none for the snapshot, since it has been written to it, or
 * came only after the snapshot had begun. So no key is in a snapshot twice, wherever its entry has been meanwhile.
 */
import { HEADER_SLOTS_USED, type ShardMemory } from '../protocol/memory.ts';

export const NO_SLOT = -1;
/** Slots that one search for what a save has left looks at, at most. */
const LEFT_LOOKS_MAX = 32;

export class Slots {
  readonly #words: Int32Array;
  readonly #header: Int32Array;
  #free = NO_SLOT;
  #used: number;
  /** Undefined while no snapshot is saved. */
  #passed: Int32Array | undefined;
  /** No slot below it holds an entry that the save has yet to write, when the save has come to what is left. */
  #leftAt = 0;

  constructor({ slots, header }: ShardMemory) {
    this.#words = slots;
    this.#header = header;
    this.#used = header[HEADER_SLOTS_USED] as number;
    for (let slot = this.#used - 1; slot >= 0; slot--) {
      if ((slots[slot] as number) <= 0) {
        this.give(slot);
      }
    }
  }

  /** Slots from 0 up that were ever taken. */
  get used(): number {
    return this.#used;
  }

  /** The block that a slot names; 0 when it names none. */
  blockOf(slot: number): number {
    return slot === NO_SLOT ? 0 : Math.max(0, this.#words[slot] as number);
  }

  /** Whether a number that somebody else gave is that of a live slot. */
  isLive(slot: number): boolean {
    return Number.isInteger(slot) && slot >= 0 && slot < this.#words.length && this.blockOf(slot) > 0;
  }

  /** A free slot. `previous` is the one that an entry with the same key has had to leave for this one, if any has. */
  take(previous = NO_SLOT): number {
    const slot = this.#takeFree();
    if (this.#passed !== undefined) {
      this.#mark(slot, previous === NO_SLOT || this.isPassed(previous));
    }
    return slot;
  }

  give(slot: number): void {
    this.#words[slot] = -(this.#free + 2);
    this.#free = slot;
  }

  /** From now until `endSave`, slots that are taken are passed over. */
  beginSave(): void {
    this.#passed = new Int32Array(Math.ceil(this.#words.length / 32));
    this.#leftAt = 0;
  }

  endSave(): void {
    this.#passed = undefined;
  }

  /** Whether the entry of a slot is none for the snapshot that is being saved, or not any more. */
  isPassed(slot: number): boolean {
    return ((this.#passed?.[slot >>> 5] ?? 0) & (1 << (slot & 31))) !== 0;
  }

  pass(slot: number): void {
    this.#mark(slot, true);
  }

  /** A slot that may hold an entry which nobody has passed; NO_SLOT when none does. */
  nextLeft(): number {
    for (let looks = 0; looks < LEFT_LOOKS_MAX && this.#leftAt < this.#used; looks++) {
      const slot = this.#leftAt++;
      if (this.blockOf(slot) !== 0 && !this.isPassed(slot)) {
        return slot;
      }
    }
    return this.#leftAt < this.#used ? this.#leftAt : NO_SLOT;
  }

  clear(): void {
    this.#words.fill(0, 0, this.#used);
    this.#header[HEADER_SLOTS_USED] = 0;
    this.#free = NO_SLOT;
    this.#used = 0;
  }

  #takeFree(): number {
    const slot = this.#free;
    if (slot === NO_SLOT) {
      // Told first: a slot that is not yet live may be looked at, one that is may not be overlooked.
      this.#header[HEADER_SLOTS_USED] = this.#used + 1;
      return this.#used++;
    }
    this.#free = -(this.#words[slot] as number) - 2;
    return slot;
  }

  #mark(slot: number, isPassed: boolean): void {
    const passed = this.#passed as Int32Array;
    const bit = 1 << (slot & 31);
    const bits = passed[slot >>> 5] as number;
    passed[slot >>> 5] = isPassed ? bits | bit : bits & ~bit;
    if (!isPassed) this.#leftAt = Math.min(this.#leftAt, slot);
  }
}
