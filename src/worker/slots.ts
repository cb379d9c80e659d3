/**
 * The slots of a shard: which are free, and which block each of the others names.
 *
 * Free slots form a list through their own words, so that it costs no memory: -(next + 2), which is -1 at its end. Only
 * the map writes the word of a live slot, under the lock of its stripe. The list that a dead owner left is not believed, it may
 * lack the slot that was just taken: a new owner's holds whatever is not live.
 */
import { HEADER_SLOTS_USED, type ShardMemory } from '../protocol/memory.ts';

export const NO_SLOT = -1;

export class Slots {
  readonly #words: Int32Array;
  readonly #header: Int32Array;
  #free = NO_SLOT;
  #used: number;

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

  take(): number {
    const slot = this.#free;
    if (slot === NO_SLOT) {
      // Told first: a slot that is not yet live may be looked at, one that is may not be overlooked.
      this.#header[HEADER_SLOTS_USED] = this.#used + 1;
      return this.#used++;
    }
    this.#free = -(this.#words[slot] as number) - 2;
    return slot;
  }

  give(slot: number): void {
    this.#words[slot] = -(this.#free + 2);
    this.#free = slot;
  }

  clear(): void {
    this.#words.fill(0, 0, this.#used);
    this.#header[HEADER_SLOTS_USED] = 0;
    this.#free = NO_SLOT;
    this.#used = 0;
  }
}
