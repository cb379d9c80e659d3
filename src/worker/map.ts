/**
 * The hash table of one shard, written only by its owner while any thread reads it.
 *
 * Chained buckets over arena blocks, grown one bucket at a time by linear hashing (Litwin, "Linear hashing: a new tool
 * for file and table addressing", VLDB 1980), so no insert ever pays for a rehash. Every change happens while the
 * stripe of its hash is odd. Both halves of a split lie in one stripe, because bucket counts start at the number of
 * stripes; so at most one stripe is odd at a time, and an adopting owner has one stripe to mend.
 */
import {
  BLOCK_HASH,
  BLOCK_META,
  BLOCK_NEXT,
  BLOCK_SEQ_HIGH,
  BLOCK_SLOT,
  BUCKETS_MIN,
  bucketOf,
  HEADER_BUCKETS,
  HEADER_MOVE_TO,
  headWords,
  META_KEY_MASK,
  SEQ_HIGH_BITS,
  type ShardMemory,
  STRIPE_MASK,
  STRIPES,
  STRIPES_AT,
  tagOf,
  wordsFor,
} from '../protocol/memory.ts';

/** The part of a key's source that finding takes. */
export interface KeyWords {
  readonly hashLow: number;
  readonly keyBytes: number;
  keyWord(index: number): number;
}

export class ShardMap {
  readonly #memory: ShardMemory;
  readonly #bucketsMax: number;
  readonly #fence = new Int32Array(new SharedArrayBuffer(4));
  #entries: number;

  /** Over memory that was never used, or mended memory with so many entries. */
  constructor(memory: ShardMemory, entries = 0) {
    this.#memory = memory;
    this.#bucketsMax = memory.heads.length >>> 1;
    this.#entries = entries;
    if (memory.header[HEADER_BUCKETS] === 0) {
      memory.header[HEADER_BUCKETS] = BUCKETS_MIN;
    }
  }

  get entries(): number {
    return this.#entries;
  }

  /** The block of a key whose META_KEY_MASK bits are `meta`, or 0. */
  find(key: KeyWords, meta: number): number {
    const { heads, words, header } = this.#memory;
    const hash = key.hashLow;
    const head = bucketOf(hash, header[HEADER_BUCKETS] as number) << 1;
    if (((heads[head + 1] as number) & tagOf(hash)) === 0) {
      return 0;
    }
    for (let block = heads[head] as number; block !== 0; block = words[block + BLOCK_NEXT] as number) {
      if (words[block + BLOCK_HASH] === hash && ((words[block + BLOCK_META] as number) & META_KEY_MASK) === meta) {
        if (this.#holds(block, key)) {
          return block;
        }
      }
    }
    return 0;
  }

  /** The block of some key with this hash, of whose high word an entry keeps the low bits; 0 where there is none. */
  findHash(hashLow: number, hashHigh: number): number {
    const { heads, words, header } = this.#memory;
    let block = heads[bucketOf(hashLow, header[HEADER_BUCKETS] as number) << 1] as number;
    while (block !== 0 && !isOf(words, block, hashLow, hashHigh)) {
      block = words[block + BLOCK_NEXT] as number;
    }
    return block;
  }

  /** Publishes a whole block under its hash and slot, and grows the table by one bucket when it is full. */
  link(block: number): void {
    const { heads, words, slots, header } = this.#memory;
    const hash = words[block + BLOCK_HASH] as number;
    this.lock(hash);
    const head = bucketOf(hash, header[HEADER_BUCKETS] as number) << 1;
    words[block + BLOCK_NEXT] = heads[head] as number;
    heads[head] = block;
    (heads[head + 1] as number) |= tagOf(hash);
    slots[words[block + BLOCK_SLOT] as number] = block;
    this.unlock(hash);
    this.#entries++;
    if (this.#entries > (header[HEADER_BUCKETS] as number)) {
      this.#split();
    }
  }

  /** Puts `block` where `old`, a block of the same key and slot, stands: readers see one or the other. */
  replace(old: number, block: number): void {
    const { words, slots } = this.#memory;
    const hash = words[block + BLOCK_HASH] as number;
    this.lock(hash);
    words[block + BLOCK_NEXT] = words[old + BLOCK_NEXT] as number;
    this.#point(old, block, hash);
    slots[words[block + BLOCK_SLOT] as number] = block;
    this.unlock(hash);
  }

  /** Lets nobody read entries of this hash until `unlock`: for changes in place. */
  lock(hash: number): void {
    this.#bump(hash);
  }

  unlock(hash: number): void {
    this.#bump(hash);
  }

  /** Takes a block out of the table; its bytes may be reused from then on. */
  unlink(block: number): void {
    const { heads, words, slots, header } = this.#memory;
    const hash = words[block + BLOCK_HASH] as number;
    this.lock(hash);
    slots[words[block + BLOCK_SLOT] as number] = 0;
    this.#point(block, words[block + BLOCK_NEXT] as number, hash);
    const head = bucketOf(hash, header[HEADER_BUCKETS] as number) << 1;
    heads[head + 1] = this.#tagsOf(heads[head] as number);
    this.unlock(hash);
    this.#entries--;
  }

  /**
   * Moves a block within the arena. The header says where to meanwhile: once the bytes are copied the old place may be
   * overwritten in part, and until the slot names the new place nobody else knows of it. `mend.ts` finishes a move that dies.
   */
  relocate(from: number, to: number, length: number): void {
    const { words, slots, header } = this.#memory;
    const hash = words[from + BLOCK_HASH] as number;
    this.lock(hash);
    header[HEADER_MOVE_TO] = to;
    this.#point(from, to, hash);
    words.copyWithin(to, from, from + length);
    slots[words[to + BLOCK_SLOT] as number] = to;
    header[HEADER_MOVE_TO] = 0;
    this.unlock(hash);
  }

  /** Empties the table, stripe by stripe; it keeps its size. */
  clear(): void {
    const { heads, header, slots, words } = this.#memory;
    const buckets = header[HEADER_BUCKETS] as number;
    for (let stripe = 0; stripe < STRIPES; stripe++) {
      this.lock(stripe);
      for (let bucket = stripe; bucket < buckets; bucket += STRIPES) {
        for (let block = heads[bucket << 1] as number; block !== 0; block = words[block + BLOCK_NEXT] as number) {
          slots[words[block + BLOCK_SLOT] as number] = 0;
        }
        heads[bucket << 1] = 0;
        heads[(bucket << 1) + 1] = 0;
      }
      this.unlock(stripe);
    }
    this.#entries = 0;
  }

  /** Throws on the first contradiction between buckets, blocks and slots. For tests and fuzzers. */
  check(): void {
    const { heads, words, slots, header } = this.#memory;
    const buckets = header[HEADER_BUCKETS] as number;
    let entries = 0;
    for (let bucket = 0; bucket < buckets; bucket++) {
      let tags = 0;
      for (let block = heads[bucket << 1] as number; block !== 0; block = words[block + BLOCK_NEXT] as number) {
        const hash = words[block + BLOCK_HASH] as number;
        const slot = words[block + BLOCK_SLOT] as number;
        assert(bucketOf(hash, buckets) === bucket, `block ${block} is in bucket ${bucket}, not its own`);
        assert(slots[slot] === block, `slot ${slot} names ${slots[slot]}, not block ${block}`);
        tags |= tagOf(hash);
        entries++;
      }
      assert(heads[(bucket << 1) + 1] === tags, `bucket ${bucket} has other tags than its entries`);
    }
    assert(entries === this.#entries, `${entries} entries are linked, ${this.#entries} counted`);
    const live = slots.reduce((count, block) => count + (block > 0 ? 1 : 0), 0);
    assert(live === entries, `${live} slots are live, ${entries} entries linked`);
    for (let stripe = 0; stripe < STRIPES; stripe++) {
      assert(((header[STRIPES_AT + stripe] as number) & 1) === 0, `stripe ${stripe} is odd`);
    }
  }

  #holds(block: number, key: KeyWords): boolean {
    const words = this.#memory.words;
    const at = block + headWords(words[block + BLOCK_META] as number);
    const count = wordsFor(key.keyBytes);
    for (let i = 0; i < count; i++) {
      if (words[at + i] !== key.keyWord(i)) {
        return false;
      }
    }
    return true;
  }

  /** Makes whatever points to `block` point to `target`. */
  #point(block: number, target: number, hash: number): void {
    const { heads, words, header } = this.#memory;
    const head = bucketOf(hash, header[HEADER_BUCKETS] as number) << 1;
    let at = heads[head] as number;
    if (at === block) {
      heads[head] = target;
      return;
    }
    while (words[at + BLOCK_NEXT] !== block) {
      at = words[at + BLOCK_NEXT] as number;
    }
    words[at + BLOCK_NEXT] = target;
  }

  #tagsOf(first: number): number {
    const words = this.#memory.words;
    let tags = 0;
    for (let block = first; block !== 0; block = words[block + BLOCK_NEXT] as number) {
      tags |= tagOf(words[block + BLOCK_HASH] as number);
    }
    return tags;
  }

  /** Adds one bucket and gives it its part of the chain of the bucket it splits. */
  #split(): void {
    const { heads, words, header } = this.#memory;
    const buckets = header[HEADER_BUCKETS] as number;
    if (buckets >= this.#bucketsMax) {
      return;
    }
    const from = buckets - (1 << (31 - Math.clz32(buckets)));
    this.lock(from);
    let kept = 0;
    let given = 0;
    let next = 0;
    for (let block = heads[from << 1] as number; block !== 0; block = next) {
      next = words[block + BLOCK_NEXT] as number;
      if (bucketOf(words[block + BLOCK_HASH] as number, buckets + 1) === from) {
        words[block + BLOCK_NEXT] = kept;
        kept = block;
      } else {
        words[block + BLOCK_NEXT] = given;
        given = block;
      }
    }
    heads[buckets << 1] = given;
    heads[(buckets << 1) + 1] = this.#tagsOf(given);
    heads[from << 1] = kept;
    heads[(from << 1) + 1] = this.#tagsOf(kept);
    header[HEADER_BUCKETS] = buckets + 1;
    this.unlock(from);
  }

  /** Odd while the stripe is locked. */
  #bump(hash: number): void {
    const stripe = STRIPES_AT + (hash & STRIPE_MASK);
    const { header } = this.#memory;
    Atomics.store(header, stripe, ((header[stripe] as number) + 1) | 0);
    if (FENCED) {
      Atomics.add(this.#fence, 0, 1);
    }
  }
}

/** A sequentially consistent store is a full barrier on x64; elsewhere later plain stores may pass it. */
const FENCED = process.arch !== 'x64';

function assert(holds: boolean, message: string): void {
  if (!holds) {
    throw new Error(`map: ${message}`);
  }
}

function isOf(words: Int32Array, block: number, hashLow: number, hashHigh: number): boolean {
  return (
    words[block + BLOCK_HASH] === hashLow && (words[block + BLOCK_SEQ_HIGH] as number) >>> SEQ_HIGH_BITS === hashHigh
  );
}
