/** The hashes of a shard's entries, slot by slot: what a filter is built anew from. */
import type { Blocks } from './blocks.ts';
import type { HashSource } from './filter/filter.ts';
import type { Slots } from './slots.ts';

export class LiveHashes implements HashSource {
  readonly #blocks: Blocks;
  readonly #slots: Slots;

  constructor(blocks: Blocks, slots: Slots) {
    this.#blocks = blocks;
    this.#slots = slots;
  }

  get used(): number {
    return this.#slots.used;
  }

  hashesOf(from: number, to: number, into: Int32Array): number {
    let found = 0;
    for (let slot = from; slot < to; slot++) {
      const block = this.#slots.blockOf(slot);
      if (block !== 0) {
        into[2 * found] = this.#blocks.hashLowOf(block);
        into[2 * found + 1] = this.#blocks.hashHighOf(block);
        found++;
      }
    }
    return found;
  }
}
