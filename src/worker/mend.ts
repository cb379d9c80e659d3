/**
 * Mends the memory of a shard whose owner died, so that readers find all of it again. The owner may have stopped between any
 * two stores; what it was at is told by the memory itself:
 *
 *     a move        HEADER_MOVE_TO names the new place. A hole is there until the bytes are copied, and a hole has FREE in its
 *                   first word (arena.ts), which no live block has: set, the block is where it was; not set, it is here
 *     a change      HEADER_CHANGE_BLOCK names the block that was to be changed in place: it is changed again
 *     a chain       the stripe is odd: its chains are made anew of the live slots whose hash it covers, even last
 *
 * A slot is live only if its block is whole, and an overwrite keeps its slot, so that is all there is to ask. Outside the odd
 * stripe chains and slots agree: no two stripes are ever odd at a time, and whatever changes a chain or the word of a live
 * slot does so while its stripe is. Those chains are left alone, for they are being read, and to take one apart for a moment
 * would tell readers of misses that are none.
 *
 * Whoever mends may die as well: each step leaves what says that it is due until it is done, and may be done twice. Memory
 * that is whole, or was never used, is left as it is.
 */
import {
  BLOCK_HASH,
  BLOCK_NEXT,
  BLOCK_SLOT,
  bucketOf,
  HEADER_BUCKETS,
  HEADER_MOVE_TO,
  HEADER_SLOTS_USED,
  type ShardMemory,
  STRIPE_MASK,
  STRIPES,
  STRIPES_AT,
  tagOf,
} from '../protocol/memory.ts';
import { isFree } from './arena.ts';
import { Blocks } from './blocks.ts';

/** Only after the owner's thread has ended, and before there is another one. */
export function mend(memory: ShardMemory): void {
  finishMove(memory);
  new Blocks(memory).redo();
  const { header } = memory;
  for (let stripe = 0; stripe < STRIPES; stripe++) {
    const lock = header[STRIPES_AT + stripe] as number;
    if ((lock & 1) !== 0) {
      relink(memory, stripe);
      Atomics.store(header, STRIPES_AT + stripe, (lock + 1) | 0);
      Atomics.notify(header, STRIPES_AT + stripe);
    }
  }
}

function finishMove({ header, words, slots }: ShardMemory): void {
  const to = header[HEADER_MOVE_TO] as number;
  if (to !== 0 && !isFree(words, to)) {
    slots[words[to + BLOCK_SLOT] as number] = to;
  }
  header[HEADER_MOVE_TO] = 0;
}

function relink(memory: ShardMemory, stripe: number): void {
  const { header, heads, words, slots } = memory;
  const buckets = header[HEADER_BUCKETS] as number;
  const used = header[HEADER_SLOTS_USED] as number;
  // The one behind the last as well: a split may have filled it.
  const end = Math.min(buckets + 1, heads.length >>> 1);
  for (let bucket = stripe; bucket < end; bucket += STRIPES) {
    heads[bucket << 1] = 0;
    heads[(bucket << 1) + 1] = 0;
  }
  for (let slot = 0; slot < used; slot++) {
    const block = slots[slot] as number;
    const hash = block > 0 ? (words[block + BLOCK_HASH] as number) : ~stripe;
    if ((hash & STRIPE_MASK) !== stripe) {
      continue;
    }
    const head = bucketOf(hash, buckets) << 1;
    words[block + BLOCK_NEXT] = heads[head] as number;
    heads[head] = block;
    (heads[head + 1] as number) |= tagOf(hash);
  }
}
