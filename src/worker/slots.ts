/**
 * The slots of a shard: which are free, and which block each of the others names.
 *
 * Free slots form a list through their own words, so that it costs no memory: -(next + 2), which is -1 at its end. Only
 * the map writes the word of a live slot, under the lock of its stripe.
 */
import type { ShardMemory } from '../protocol/memory.ts';

export const NO_SLOT = -1;

export class Slots {
  readonly #words: Int32Array;
  #free = NO_SLOT;
  #used = 0;

  constructor({ slots }: ShardMemory) {
    this.#words = slots;
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
    this.#free = NO_SLOT;
    this.#used = 0;
  }
}
