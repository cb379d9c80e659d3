/**
 * Loads the memory that the next calls of a frame will need, before the first of them is made.
 *
 * At a million entries nearly all that a write touches is a cache miss, and each of its loads waits for the one before: bucket,
 * block, slot, links. Loads that are made for nothing else wait for none of another call's. So each kind of them is made for
 * all calls before the next kind; what they find means nothing, and is only given back so that no compiler leaves them out.
 *
 * Everything here is a guess. A key may turn out to be another one of the same hash, or be gone when its call comes: then
 * the loads were for nothing.
 */
import { BLOCK_HASH, BLOCK_NEXT, BLOCK_SLOT, bucketOf, HEADER_BUCKETS, type ShardMemory } from '../protocol/memory.ts';
import type { EvictionPolicy } from '../protocol/policy.ts';
import { isWarming } from './eviction/warming.ts';

/** Calls that are looked ahead for at once: more would push each other out of the first-level cache. */
export const LOOKAHEAD_CALLS = 64;
/** A cache line of 64 bytes: a block of a small entry spans two. One shorter than that may end where the arena does. */
const LINE_WORDS = 16;
/** Blocks of a chain that are passed over. With one entry a bucket, 8 keys of 100 lie deeper. */
const STEPS = 2;

export class Lookahead {
  /** Of the last look: the slots that were found, and 0 for keys that were not. */
  readonly slots = new Int32Array(LOOKAHEAD_CALLS);
  readonly #memory: ShardMemory;
  readonly #policy: EvictionPolicy;

  constructor(memory: ShardMemory, policy: EvictionPolicy) {
    this.#memory = memory;
    this.#policy = policy;
  }

  /**
   * For overwriting the entries of the hashes `from` to `to`, LOOKAHEAD_CALLS at most: their blocks, what lies behind those, and
   * all there is of their slots. For a key that is not there slot 0 is, by way of block 0: that is none, and what lies there are
   * the first words of another, so nothing is followed from it.
   */
  overwrites(hashes: Int32Array, from: number, to: number): number {
    const { heads, words, header } = this.#memory;
    const found = this.slots;
    const buckets = header[HEADER_BUCKETS] as number;
    const count = to - from;
    let warmed = 0;
    for (let i = 0; i < count; i++) {
      const hash = hashes[from + i] as number;
      const head = bucketOf(hash, buckets) << 1;
      // All ones where the bucket has the tag, else zero.
      const block = (heads[head] as number) & -(((heads[head + 1] as number) >>> (hash >>> 27)) & 1);
      found[i] = block;
      warmed ^= words[block + BLOCK_HASH] as number;
    }
    for (let step = 0; step < STEPS; step++) {
      for (let i = 0; i < count; i++) {
        const block = found[i] as number;
        const unlike = (words[block + BLOCK_HASH] as number) ^ (hashes[from + i] as number);
        // All ones where it is a block, and another key's, else zero: nobody could predict the branch.
        const other = ((unlike | -unlike) & -block) >> 31;
        const next = (block & ~other) | ((words[block + BLOCK_NEXT] as number) & other);
        found[i] = next;
        warmed ^= words[next + BLOCK_HASH] as number;
      }
    }
    return warmed ^ this.#blocksAndSlots(count);
  }

  /** For evicting the entries that the policy would name next, and writing others in their place. */
  victims(): number {
    const { heads, words, slots: blocks, header } = this.#memory;
    const slots = this.slots;
    const buckets = header[HEADER_BUCKETS] as number;
    const count = this.#policy.ahead?.(slots) ?? 0;
    const last = words.length - 1;
    let warmed = 0;
    for (let i = 0; i < count; i++) {
      slots[i] = blocks[slots[i] as number] as number;
    }
    for (let i = 0; i < count; i++) {
      const block = slots[i] as number;
      slots[i] = words[block + BLOCK_HASH] as number;
      warmed ^= words[Math.min(block + LINE_WORDS, last)] as number;
    }
    for (let i = 0; i < count; i++) {
      warmed ^= heads[bucketOf(slots[i] as number, buckets) << 1] as number;
    }
    return warmed;
  }

  /** Makes slots of the blocks that were found. */
  #blocksAndSlots(count: number): number {
    const { words, slots, touched } = this.#memory;
    const found = this.slots;
    const last = words.length - 1;
    let warmed = 0;
    for (let i = 0; i < count; i++) {
      const block = found[i] as number;
      const slot = words[block + BLOCK_SLOT] as number;
      found[i] = slot;
      warmed ^= words[Math.min(block + LINE_WORDS, last)] as number;
      warmed ^= (slots[slot] as number) ^ (touched[slot] as number);
      // The head of what lies behind: it is told when the block is free.
      warmed ^= words[block + ((words[block] as number) >>> 2) * 2] as number;
    }
    return isWarming(this.#policy) ? warmed ^ this.#policy.warm(found, count) : warmed;
  }
}
