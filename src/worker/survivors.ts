/**
 * The entries that a dead owner left, in the orders in which the next one takes them over: by their place in the arena, which
 * is how the arena is made of them and how their memory is walked fastest, and by when they were written, oldest first, which
 * is how a policy hears of them. Only of memory that was mended; of one that was never used there are none.
 *
 * For the time of the adoption this takes 24 bytes an entry.
 */
import {
  BLOCK_SEQ_HIGH,
  BLOCK_SEQ_LOW,
  BLOCK_SLOT,
  HEADER_SLOTS_USED,
  type ShardMemory,
  sequenceOf,
} from '../protocol/memory.ts';
import { radixSort } from './radix-sort.ts';

const WORDS = 2 ** 32;

export class Survivors {
  /** By place. */
  readonly blocks: Int32Array;
  readonly #words: Int32Array;
  readonly #slots: Int32Array;

  constructor({ header, slots, words }: ShardMemory) {
    this.#words = words;
    this.#slots = slots;
    const used = header[HEADER_SLOTS_USED] as number;
    const blocks = new Int32Array(used);
    let count = 0;
    for (let slot = 0; slot < used; slot++) {
      const block = slots[slot] as number;
      if (block > 0) {
        blocks[count++] = block;
      }
    }
    this.blocks = blocks.slice(0, count);
    radixSort(new Uint32Array(this.blocks), this.blocks);
  }

  /** Their slots, in the order in which they were written. */
  slotsByAge(): Int32Array {
    const { blocks } = this;
    let first = Number.POSITIVE_INFINITY;
    let last = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < blocks.length; i++) {
      const sequence = this.#sequenceOf(blocks[i] as number);
      first = Math.min(first, sequence);
      last = Math.max(last, sequence);
    }
    // Counted from the first: the closer the numbers lie, the fewer digits there are to sort by.
    const ages = new Uint32Array(blocks.length);
    const order = new Int32Array(blocks.length);
    for (let i = 0; i < order.length; i++) {
      const block = blocks[i] as number;
      order[i] = this.#words[block + BLOCK_SLOT] as number;
      ages[i] = (this.#sequenceOf(block) - first) % WORDS;
    }
    radixSort(ages, order);
    if (last - first >= WORDS) {
      for (let i = 0; i < order.length; i++) {
        const block = this.#slots[order[i] as number] as number;
        ages[i] = Math.floor((this.#sequenceOf(block) - first) / WORDS);
      }
      radixSort(ages, order);
    }
    return order;
  }

  #sequenceOf(block: number): number {
    const words = this.#words;
    return sequenceOf(words[block + BLOCK_SEQ_LOW] as number, words[block + BLOCK_SEQ_HIGH] as number);
  }
}
