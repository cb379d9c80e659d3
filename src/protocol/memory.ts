/**
 * The memory of one shard: eight regions of shared memory that its owner writes and every thread reads. They outlive the
 * owner: the next one mends what it left half done (worker/mend.ts) and goes on from there.
 *
 *   header   words 0-15: the owner's, but that clients count up `wishes`; 16 and 17: of both, see wake.ts, in a cache line
 *            that else is written seldom, 18 to 21 by the owner, for the load of a snapshot; 32 up: one sequence lock
 *            per stripe
 *
 *              0         1         2          3       4         5       6      7        8    9       10-13       14
 *            +---------+---------+----------+-------+---------+-------+------+--------+----+-------+-----------+--------+
 *            | buckets | seq low | seq high | slots | move to | epoch | beat | change | at | words | new words | wishes |
 *            |         |         |          | used  |         |       |      | block  |    |       |           |        |
 *            +---------+---------+----------+-------+---------+-------+------+--------+----+-------+-----------+--------+
 *              16       17      18     19        20         21
 *            +--------+-------+------+---------+----------+---------+
 *            | caller | seats | load | its seq | its seq  | load    |
 *            |        |       |      | low     | high     | cleared |
 *            +--------+-------+------+---------+----------+---------+
 *
 *   heads    one pair of words per bucket: [ first block | tags ]
 *   slots    one word per slot: the entry's block, 0 or less while the slot is free (the free list runs through it). It
 *            is written last when an entry is born and first when it leaves, so a slot that names a block names a
 *            whole one, whenever its owner may be stopped.
 *   touched  one byte per slot, stored by readers without a lock (saturates at TOUCHED_MAX)
 *   lastRead one float64 per slot: when a reader last used an entry whose expiry slides, stored without a lock
 *   filter   see filter.ts; empty for a shard without one
 *   tally    what the owner counts, as float64: see worker/tally.ts
 *   arena    blocks, 8-byte aligned, named by the index of their first word; 0 is no block
 *
 * A live block is one entry, in one piece:
 *
 *     word 0      1      2      3      4      5        6        7                  8 (9)
 *       +-------+------+------+------+------+--------+--------+--------------+--------------+- - - -+- - - - -+
 *       | size  | slot | hash | next | meta | value  | seq    | seq high 21  | expires at,  |  key  |  value  |
 *       | flags |      | low  |      |      | length | low    | hash high 11 | if it has one| bytes |  bytes  |
 *       +-------+------+------+------+------+--------+--------+--------------+--------------+- - - -+- - - - -+
 *
 * Key and value are padded to whole words, the key with zeros. A read of a small entry costs two cache misses that wait for
 * each other, the bucket and the block. Measured at 1 M entries of 80 bytes against a {hash, next} column and a
 * 24-byte row per slot: 435 against 590 ns a hit, 45 against 67 ns a miss (4 M: 560 / 780, 101 / 183). A miss is that
 * cheap because each bucket carries a set of 32 tags: only when one of its entries has the same tag is its chain walked.
 *
 * Bytes per entry beyond key and value: bucket 8, block 32, slot 4, touched 1, links of a policy 8 and more (each tells its
 * own), filter 3, and 6 on average to round key and value up: 62. With an expiry 16 more (8 in the block, 8 for the wheel); one that slides
 * takes 16 on top (8 in the block, 8 for the last read).
 *
 * Every region is reserved at its full size when the cache opens; the system hands out pages when they are touched.
 */

import { type FilterSpec, filterBytes, tierFilterBytes } from './filter.ts';

export const HEADER_BUCKETS = 0;
/** High-water mark of the write sequence, so that a new owner never reuses one. */
export const HEADER_SEQ_LOW = 1;
export const HEADER_SEQ_HIGH = 2;
/** Slots from 0 up that were ever taken: a new owner looks no further for live ones. */
export const HEADER_SLOTS_USED = 3;
/** Where the arena is moving a block to; 0 when it moves none. A new owner finishes the move. */
export const HEADER_MOVE_TO = 4;
/** Owners there were, the present one counted in. */
export const HEADER_EPOCH = 5;
/** Counted up by an owner that gets on with its work, so that a slow one is told from one that has stalled. */
export const HEADER_BEAT = 6;
/**
 * A change in place of more words than one: the block, the first word in it that changes, how many do, and what they will
 * be. Block is written last and is 0 when no change is on. A new owner makes the change again.
 */
export const HEADER_CHANGE_BLOCK = 7;
export const HEADER_CHANGE_AT = 8;
export const HEADER_CHANGE_LENGTH = 9;
export const HEADER_CHANGE_WORDS = 10;
/** Counted up by a client that listens to other events than before: the one word that it writes, and the owner reads. */
export const HEADER_WISHES = 14;
/** An expiry that slides: two float64. */
export const CHANGE_WORDS_MAX = 4;
/** Where the owner is to be called, or who calls it: see wake.ts. */
export const HEADER_CALLER = 16;
/** How many seats owners have given to clients, ever. */
export const HEADER_SEATS = 17;
/**
 * The load of a snapshot that was begun last, 0 for none, and the write sequence when it was: a new owner that is asked to begin it
 * again does not. The load is written last.
 */
export const HEADER_LOAD = 18;
export const HEADER_LOAD_SEQ_LOW = 19;
export const HEADER_LOAD_SEQ_HIGH = 20;
/** That of the loads since whose beginning the shard was cleared last: nothing more of it is stored. */
export const HEADER_LOAD_CLEARED = 21;
const HEADER_WORDS = 32;

/** Stripes: `hash & STRIPE_MASK`. Bucket counts are multiples of it at birth, so a chain lies in one stripe for ever. */
export const STRIPES = 1024;
export const STRIPE_MASK = STRIPES - 1;
export const STRIPES_AT = HEADER_WORDS;
export const BUCKETS_MIN = STRIPES;

export const BLOCK_SLOT = 1;
export const BLOCK_HASH = 2;
export const BLOCK_NEXT = 3;
export const BLOCK_META = 4;
export const BLOCK_VALUE_LENGTH = 5;
export const BLOCK_SEQ_LOW = 6;
/** Bits 0-20: the high part of the write sequence. Bits 21-31: the low 11 bits of the hash's high word. */
export const BLOCK_SEQ_HIGH = 7;
export const BLOCK_EXPIRES_AT = 8;
export const BLOCK_WORDS = 8;
/** Milliseconds, as float64, for which a read prolongs the life of an entry that slides. */
export const BLOCK_SLIDE = 10;
export const EXPIRY_WORDS = 2;

/**
 * Bits 0-15 key length in bytes, 16-23 the value's tag, 24-26 the key's encoding, 27 whether it expires, and of one that does
 * 28 whether that slides, 29 whether it is kept for a while after it: for how long are the last two words of the head.
 */
export const META_TAG_SHIFT = 16;
export const META_ENCODING_SHIFT = 24;
export const META_EXPIRES = 1 << 27;
export const META_SLIDES = 1 << 28;
export const META_GRACE = 1 << 29;
export const META_KEY_MASK = 0xffff | (7 << META_ENCODING_SHIFT);
export const KEY_BYTES_MAX = 0xffff;
export const SEQ_HIGH_BITS = 21;
export const SEQ_HIGH_MASK = (1 << SEQ_HIGH_BITS) - 1;

export const TOUCHED_MAX = 3;

/** Float64s in the tally: 35, and one to spare. */
export const TALLY_CELLS = 36;

/** What an entry costs outside its block: bucket 8, slot 4, touched 1, policy links 8, filter 3. */
export const ENTRY_COLUMN_BYTES = 24;
/** What it costs on top when it expires (links of the wheel), and when that slides (the last read). */
export const TIMER_COLUMN_BYTES = 8;
export const SLIDE_COLUMN_BYTES = 8;
/** The smallest block an entry can have: a header, an empty key and an empty value. */
const BLOCK_BYTES_MIN = BLOCK_WORDS * 4;
/** Byte views end at 4 GiB on Node 20, and block indexes stay small integers below it. */
export const SHARD_BYTES_MAX = 2 ** 32;
const ARENA_BYTES_MAX = SHARD_BYTES_MAX - 8;
/** Below this an arena cannot hold one block beside its sentinels. */
const ARENA_BYTES_MIN = 128;

export interface ShardLimits {
  /** Ceiling of keys, values, block headers and columns of the shard, in bytes. */
  readonly bytesMax: number;
  /** Ceiling of live entries; Infinity when only bytes bound the shard. */
  readonly entriesMax: number;
}

/** The shared buffers of a shard, as they travel to other threads. */
export interface ShardRegions {
  readonly header: SharedArrayBuffer;
  readonly heads: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly touched: SharedArrayBuffer;
  readonly lastRead: SharedArrayBuffer;
  readonly filter: SharedArrayBuffer;
  readonly tally: SharedArrayBuffer;
  readonly arena: SharedArrayBuffer;
}

/**
 * Reserves the regions of a shard; that of the filter is empty without one, and in a cache of so many shards with a tier has
 * room for all that may be there. Throws RangeError when the machine cannot reserve that much.
 */
export function reserveShard(
  limits: ShardLimits,
  filter: FilterSpec | false = false,
  tieredShards?: number,
): ShardRegions {
  const slots = slotsFor(limits);
  const ofMemory = filter === false ? 0 : filterBytes(filter, slots);
  const arenaBytes = Math.min(ARENA_BYTES_MAX, Math.max(ARENA_BYTES_MIN, Math.floor(limits.bytesMax / 8) * 8));
  return {
    header: new SharedArrayBuffer((STRIPES_AT + STRIPES) * 4),
    heads: new SharedArrayBuffer(Math.max(BUCKETS_MIN, slots) * 8),
    slots: new SharedArrayBuffer(slots * 4),
    touched: new SharedArrayBuffer(slots),
    lastRead: new SharedArrayBuffer(slots * 8),
    filter: new SharedArrayBuffer(
      filter === false || tieredShards === undefined ? ofMemory : tierFilterBytes(filter, tieredShards),
    ),
    tally: new SharedArrayBuffer(TALLY_CELLS * 8),
    arena: new SharedArrayBuffer(arenaBytes),
  };
}

/** As many as entries fit: an overwrite keeps its slot. */
function slotsFor({ bytesMax, entriesMax }: ShardLimits): number {
  return Math.min(entriesMax, Math.floor(bytesMax / (BLOCK_BYTES_MIN + ENTRY_COLUMN_BYTES)) + 1);
}

/** Typed views over the regions of a shard; every thread builds its own. */
export class ShardMemory {
  readonly header: Int32Array;
  readonly heads: Int32Array;
  readonly slots: Int32Array;
  readonly touched: Uint8Array;
  /** Monotonic milliseconds. */
  readonly lastRead: Float64Array;
  readonly filter: Int32Array;
  readonly tally: Float64Array;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** The arena as float64: the expiry of block `b` is at `(b + BLOCK_EXPIRES_AT) >> 1`. */
  readonly doubles: Float64Array;

  constructor(regions: ShardRegions) {
    this.header = new Int32Array(regions.header);
    this.heads = new Int32Array(regions.heads);
    this.slots = new Int32Array(regions.slots);
    this.touched = new Uint8Array(regions.touched);
    this.lastRead = new Float64Array(regions.lastRead);
    this.filter = new Int32Array(regions.filter);
    this.tally = new Float64Array(regions.tally);
    this.words = new Int32Array(regions.arena);
    this.bytes = new Uint8Array(regions.arena);
    this.doubles = new Float64Array(regions.arena);
  }

  /** The owner's side: it gets on with its work. */
  beat(): void {
    this.header[HEADER_BEAT] = ((this.header[HEADER_BEAT] as number) + 1) | 0;
  }
}

/** The bucket of a hash in a table of `buckets`, which linear hashing grows one at a time (Litwin, VLDB 1980). */
export function bucketOf(hash: number, buckets: number): number {
  const top = 1 << (31 - Math.clz32(buckets));
  const bucket = hash & ((top << 1) - 1);
  return bucket < buckets ? bucket : bucket & (top - 1);
}

/** The one bit of 32 that an entry sets in the tags of its bucket: high bits, since chain mates share the low ones. */
export function tagOf(hash: number): number {
  return 1 << (hash >>> 27);
}

/** Words of a block before its key: two more for each of META_EXPIRES, META_SLIDES and META_GRACE. */
export function headWords(meta: number): number {
  return BLOCK_WORDS + ((meta >>> 26) & 2) + ((meta >>> 27) & 2) + ((meta >>> 28) & 2);
}

/** Bytes that an entry takes outside its block. */
export function columnBytes(meta: number): number {
  const timer = meta & META_EXPIRES ? TIMER_COLUMN_BYTES : 0;
  return ENTRY_COLUMN_BYTES + timer + (meta & META_SLIDES ? SLIDE_COLUMN_BYTES : 0);
}

export function wordsFor(byteLength: number): number {
  return (byteLength + 3) >>> 2;
}

/** A number of the write sequence, of its two words: 53 bits. The high one may have part of a hash above its own bits. */
export function sequenceOf(low: number, high: number): number {
  return (high & SEQ_HIGH_MASK) * 2 ** 32 + (low >>> 0);
}
