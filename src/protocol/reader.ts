/**
 * A get without a hop: looks a key up in a shard's memory from any thread.
 *
 * The owner makes a stripe's lock odd before it changes anything that the stripe covers, and even again after. A reader
 * loads the lock, walks the chain, copies the value to private memory, and believes what it saw only if the lock is even
 * and the same as before (a sequence lock: Lameter 2005; Boehm, "Can seqlocks get along with programming language
 * memory models?", MSPC 2012). Until then everything it meets may be torn: every offset and length is checked before it
 * is used, walks are bounded, and nothing is decoded.
 *
 * The second look at the lock must not overtake the reads before it. On x64 loads stay in order, and V8 keeps typed
 * array loads in order around Atomics; elsewhere an atomic read-modify-write on a private word is the fence. That
 * arm64 is safe is argued, not tested here. On x64 the fence would cost 7 ns of 70.
 */
import type { Clock } from './clock.ts';
import type { KeyEncoder } from './key.ts';
import {
  BLOCK_EXPIRES_AT,
  BLOCK_HASH,
  BLOCK_META,
  BLOCK_NEXT,
  BLOCK_SEQ_HIGH,
  BLOCK_SEQ_LOW,
  BLOCK_SLIDE,
  BLOCK_SLOT,
  BLOCK_VALUE_LENGTH,
  BLOCK_WORDS,
  bucketOf,
  HEADER_BUCKETS,
  headWords,
  META_EXPIRES,
  META_KEY_MASK,
  META_SLIDES,
  META_TAG_SHIFT,
  type ShardMemory,
  STRIPE_MASK,
  STRIPES_AT,
  TOUCHED_MAX,
  tagOf,
  wordsFor,
} from './memory.ts';

export const MISS = 0;
export const HIT = 1;
/** The stripe stayed in motion for as long as the reader may wait: ask the owner. */
export const BUSY = 2;
const TORN = 3;

const ATTEMPTS_MAX = 200;
/** Chains hold one entry on average; a walk this long follows words that are no chain. */
const STEPS_MAX = 4096;
/** Below this many bytes an int32 loop copies faster than `set(subarray)`, which costs 90 ns before the first byte. */
const LOOP_BYTES_MAX = 160;
/** A reader keeps a scratch of this size; larger values get memory of their own, which goes when they are decoded. */
const SCRATCH_BYTES = 64 * 1024;
const FENCED = process.arch !== 'x64';

export class Reader {
  /** The value of the last hit, in private memory; valid until the next read. */
  bytes: Buffer;
  length = 0;

  readonly #memory: ShardMemory;
  readonly #clock: Clock;
  readonly #fence = new Int32Array(1);
  readonly #scratch: Buffer;
  readonly #scratchWords: Int32Array;
  #slot = 0;
  #seqLow = 0;
  #seqHigh = 0;
  #meta = 0;
  /** The lock of the stripe at the last look that could be believed. */
  #lock = 0;
  /** Of the last entry that had an expiry: when it was looked at, and when it dies. */
  #nowMs = 0;
  #expiresAtMs = 0;

  constructor(memory: ShardMemory, clock: Clock) {
    this.#memory = memory;
    this.#clock = clock;
    const scratch = new ArrayBuffer(SCRATCH_BYTES);
    this.#scratch = Buffer.from(scratch);
    this.#scratchWords = new Int32Array(scratch);
    this.bytes = this.#scratch;
  }

  /** The bytes of the last hit: a view, valid until the next read. */
  get value(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** The tag of the last hit's value. */
  get tag(): number {
    return (this.#meta >>> META_TAG_SHIFT) & 0xff;
  }

  /** Milliseconds that the last hit had left when it was looked at; Infinity when it lives for ever. */
  get leftMs(): number {
    return (this.#meta & META_EXPIRES) === 0 ? Number.POSITIVE_INFINITY : this.#expiresAtMs - this.#nowMs;
  }

  /** The slot and the low word of the write sequence of the last hit, as a recency ring takes them. */
  get slot(): number {
    return this.#slot;
  }

  get seqLow(): number {
    return this.#seqLow;
  }

  /** The word of the last hit that has the high part of its write sequence. */
  get seqHigh(): number {
    return this.#seqHigh;
  }

  /** Whether the last hit expires later by being read. */
  get slides(): boolean {
    return (this.#meta & META_SLIDES) !== 0;
  }

  /** The time by which entries expire. */
  get nowMs(): number {
    return this.#clock.now();
  }

  /** When the last hit expires, by the clock; Infinity for never. */
  get expiresAtMs(): number {
    return (this.#meta & META_EXPIRES) === 0 ? Number.POSITIVE_INFINITY : this.#expiresAtMs;
  }

  /** The lock of the last look's stripe: as long as it `isStill` that, all that was seen there is so. */
  get lock(): number {
    return this.#lock;
  }

  /** Whether nothing has changed in the stripe of this hash since its lock was `lock`. */
  isStill(lock: number, hashLow: number): boolean {
    return Atomics.load(this.#memory.header, STRIPES_AT + (hashLow & STRIPE_MASK)) === lock;
  }

  /** Looks the encoded key up: MISS, HIT (then `bytes`, `length` and `tag` hold the value) or BUSY. */
  read(key: KeyEncoder): number {
    return this.#consistent(key, true);
  }

  /** As `read`, but leaves the value where it is. */
  probe(key: KeyEncoder): number {
    return this.#consistent(key, false);
  }

  /** Blocks this thread while the key's stripe is odd, at most `ms`. */
  waitForStripe(key: KeyEncoder, ms: number): void {
    const { header } = this.#memory;
    const stripe = STRIPES_AT + (key.hashLow & STRIPE_MASK);
    const seen = Atomics.load(header, stripe);
    if ((seen & 1) !== 0) {
      Atomics.wait(header, stripe, seen, ms);
    }
  }

  /** Tells a policy that counts by bytes that the entry of a slot was used. Unlocked: a lost count is a lost count. */
  touchByte(slot: number): void {
    const touched = this.#memory.touched;
    const count = touched[slot] as number;
    if (count < TOUCHED_MAX) {
      touched[slot] = count + 1;
    }
  }

  /** Lets the last hit live on, if its expiry slides. Unlocked: two readers at once differ by less than the clock does. */
  slide(): void {
    const { lastRead } = this.#memory;
    if ((this.#meta & META_SLIDES) !== 0 && this.#nowMs > (lastRead[this.#slot] as number)) {
      lastRead[this.#slot] = this.#nowMs;
    }
  }

  #consistent(key: KeyEncoder, copies: boolean): number {
    const header = this.#memory.header;
    const stripe = STRIPES_AT + (key.hashLow & STRIPE_MASK);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const before = Atomics.load(header, stripe);
      if ((before & 1) !== 0) {
        continue;
      }
      const seen = this.#walk(key, copies, stripe, before);
      if (FENCED) {
        Atomics.add(this.#fence, 0, 1);
      }
      if (Atomics.load(header, stripe) === before && seen !== TORN) {
        this.#lock = before;
        return seen;
      }
    }
    return BUSY;
  }

  #walk(key: KeyEncoder, copies: boolean, stripe: number, before: number): number {
    const { header, heads, words } = this.#memory;
    const hash = key.hashLow;
    const bucket = bucketOf(hash, header[HEADER_BUCKETS] as number) << 1;
    if (((heads[bucket + 1] as number) & tagOf(hash)) === 0) {
      return MISS;
    }
    // The smallest block; what lies behind its head is checked when the head says how much that is.
    const blockMax = words.length - BLOCK_WORDS;
    const meta = key.meta;
    let block = heads[bucket] as number;
    for (let step = 0; step < STEPS_MAX; step++) {
      if (block === 0) {
        return MISS;
      }
      if (block < 0 || block > blockMax) {
        return TORN;
      }
      if (words[block + BLOCK_HASH] === hash && ((words[block + BLOCK_META] as number) & META_KEY_MASK) === meta) {
        const seen = this.#take(key, block, copies, stripe, before);
        if (seen !== MISS) {
          return seen === EXPIRED ? MISS : seen;
        }
      }
      block = words[block + BLOCK_NEXT] as number;
    }
    return TORN;
  }

  /** MISS when the block holds another key of the same hash. */
  #take(key: KeyEncoder, block: number, copies: boolean, stripe: number, before: number): number {
    const { header, words, bytes, touched } = this.#memory;
    const meta = words[block + BLOCK_META] as number;
    const keyAt = block + headWords(meta);
    const keyWords = wordsFor(key.byteLength);
    const valueAt = keyAt + keyWords;
    const length = (words[block + BLOCK_VALUE_LENGTH] as number) >>> 0;
    const valueWords = Math.ceil(length / 4);
    if (valueAt + valueWords > words.length) {
      return TORN;
    }
    const own = key.words;
    for (let i = 0; i < keyWords; i++) {
      if (words[keyAt + i] !== own[i]) {
        return MISS;
      }
    }
    const slot = words[block + BLOCK_SLOT] as number;
    if (slot < 0 || slot >= touched.length) {
      return TORN;
    }
    if ((meta & META_EXPIRES) !== 0 && this.#isExpired(block, slot, meta)) {
      return EXPIRED;
    }
    this.#slot = slot;
    this.#seqLow = words[block + BLOCK_SEQ_LOW] as number;
    this.#seqHigh = words[block + BLOCK_SEQ_HIGH] as number;
    this.#meta = meta;
    this.length = length;
    if (!copies) {
      return HIT;
    }
    if (length <= LOOP_BYTES_MAX) {
      const scratch = this.#scratchWords;
      for (let i = 0; i < valueWords; i++) {
        scratch[i] = words[valueAt + i] as number;
      }
      this.bytes = this.#scratch;
      return HIT;
    }
    // A torn length could ask for gigabytes: look at the lock before there is memory for it.
    if (Atomics.load(header, stripe) !== before) {
      return TORN;
    }
    this.bytes = length <= SCRATCH_BYTES ? this.#scratch : Buffer.allocUnsafeSlow(length);
    this.bytes.set(bytes.subarray(valueAt * 4, valueAt * 4 + length));
    return HIT;
  }

  #isExpired(block: number, slot: number, meta: number): boolean {
    const { doubles, lastRead } = this.#memory;
    const nowMs = this.#clock.now();
    let expiresAtMs = doubles[(block + BLOCK_EXPIRES_AT) >> 1] as number;
    if ((meta & META_SLIDES) !== 0) {
      const livesOnMs = doubles[(block + BLOCK_SLIDE) >> 1] as number;
      expiresAtMs = Math.max(expiresAtMs, (lastRead[slot] as number) + livesOnMs);
    }
    this.#nowMs = nowMs;
    this.#expiresAtMs = expiresAtMs;
    return nowMs >= expiresAtMs;
  }
}

const EXPIRED = 4;
