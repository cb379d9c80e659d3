/** The fields of an entry's block, as its owner writes and reads them. `protocol/memory.ts` draws them. */
import type { CacheKey } from '../protocol/cache-key.ts';
import { decodeKey } from '../protocol/key.ts';
import {
  BLOCK_EXPIRES_AT,
  BLOCK_HASH,
  BLOCK_META,
  BLOCK_SEQ_HIGH,
  BLOCK_SEQ_LOW,
  BLOCK_SLIDE,
  BLOCK_SLOT,
  BLOCK_VALUE_LENGTH,
  CHANGE_WORDS_MAX,
  columnBytes,
  HEADER_CHANGE_AT,
  HEADER_CHANGE_BLOCK,
  HEADER_CHANGE_LENGTH,
  HEADER_CHANGE_WORDS,
  HEADER_SEQ_HIGH,
  HEADER_SEQ_LOW,
  headWords,
  META_ENCODING_SHIFT,
  META_EXPIRES,
  META_GRACE,
  META_SLIDES,
  META_TAG_SHIFT,
  SEQ_HIGH_BITS,
  SEQ_HIGH_MASK,
  type ShardMemory,
  wordsFor,
} from '../protocol/memory.ts';

/** An int32 loop copies faster than `set(subarray)` up to here. */
const LOOP_BYTES_MAX = 160;

const numbers = new Float64Array(CHANGE_WORDS_MAX / 2);
const numberWords = new Int32Array(numbers.buffer);

/** Where the bytes of a key are found: a frame, or a test. */
export interface KeySource {
  readonly hashLow: number;
  readonly keyBytes: number;
  readonly encoding: number;
  /** Words of the key, the last one padded with zeros. */
  keyWord(index: number): number;
}

/** Where an entry to be written is found: the record of a frame, or the copy of another block. */
export interface EntrySource extends KeySource {
  readonly hashHigh: number;
  readonly tag: number;
  /** The value begins at word `valueAt` of `words`. */
  readonly words: Int32Array;
  readonly valueAt: number;
  readonly valueBytes: number;
  readonly value: Uint8Array;
}

/**
 * When an entry expires: at a monotonic ms, Infinity for never, and if it slides not before `slideMs` after its last read;
 * and for how long it is kept after that.
 */
export interface Expiry {
  readonly atMs: number;
  /** 0: it does not slide. */
  readonly slideMs: number;
  /** 0: it is gone when it has expired. */
  readonly graceMs: number;
}

export const FOR_EVER: Expiry = { atMs: Number.POSITIVE_INFINITY, slideMs: 0, graceMs: 0 };

export class Blocks {
  readonly #memory: ShardMemory;
  #seqLow: number;
  #seqHigh: number;

  /** The write sequence goes on from where the last owner, if any, has left it. */
  constructor(memory: ShardMemory) {
    this.#memory = memory;
    this.#seqLow = memory.header[HEADER_SEQ_LOW] as number;
    this.#seqHigh = memory.header[HEADER_SEQ_HIGH] as number;
  }

  /** Words of the block that an entry needs whose meta bits are `meta`. */
  wordsOf(source: EntrySource, meta: number): number {
    return headWords(meta) + wordsFor(source.keyBytes) + Math.ceil(source.valueBytes / 4);
  }

  /** Writes everything but the size and the link. `meta` is what `metaOf` makes of source and expiry. */
  write(block: number, slot: number, source: EntrySource, meta: number, { atMs, slideMs, graceMs }: Expiry): void {
    const { words, bytes, doubles, slots, lastRead } = this.#memory;
    this.nextSequence();
    words[block + BLOCK_SLOT] = slot;
    words[block + BLOCK_HASH] = source.hashLow;
    words[block + BLOCK_META] = meta;
    words[block + BLOCK_VALUE_LENGTH] = source.valueBytes;
    words[block + BLOCK_SEQ_LOW] = this.#seqLow;
    words[block + BLOCK_SEQ_HIGH] = this.#seqHigh | (source.hashHigh << SEQ_HIGH_BITS);
    if ((meta & META_EXPIRES) !== 0) {
      doubles[(block + BLOCK_EXPIRES_AT) >> 1] = atMs;
      if ((meta & META_SLIDES) !== 0) {
        doubles[(block + BLOCK_SLIDE) >> 1] = slideMs;
        // Not of an entry that is being overwritten: that one is read until this one is there.
        if ((slots[slot] as number) <= 0) lastRead[slot] = Number.NEGATIVE_INFINITY;
      }
      if ((meta & META_GRACE) !== 0) {
        doubles[graceAt(block, meta)] = graceMs;
      }
    }
    let at = block + headWords(meta);
    const keyWords = wordsFor(source.keyBytes);
    for (let i = 0; i < keyWords; i++) {
      words[at++] = source.keyWord(i);
    }
    if (source.valueBytes <= LOOP_BYTES_MAX) {
      const from = source.words;
      const end = source.valueAt + wordsFor(source.valueBytes);
      for (let i = source.valueAt; i < end; i++) {
        words[at++] = from[i] as number;
      }
    } else {
      bytes.set(source.value, at * 4);
    }
  }

  /** Puts one float64 in the place of the value, which is one. Only while the stripe is locked. */
  writeNumber(block: number, value: number): void {
    numbers[0] = value;
    this.#change(block, this.#valueAt(block) - block, 2);
  }

  /** Gives an entry that expires another deadline. Only while the stripe is locked. */
  writeExpiry(block: number, { atMs, slideMs }: Expiry): void {
    numbers[0] = atMs;
    numbers[1] = slideMs;
    this.#change(block, BLOCK_EXPIRES_AT, this.slides(block) ? 4 : 2);
  }

  /**
   * Makes the change in place that the header tells of, if it does. To make it twice is to make it once, so a new owner
   * makes the one of a dead owner again: nobody can tell how far that had come.
   */
  redo(): void {
    const { header, words, lastRead } = this.#memory;
    const block = header[HEADER_CHANGE_BLOCK] as number;
    if (block === 0) return;
    const at = header[HEADER_CHANGE_AT] as number;
    const length = header[HEADER_CHANGE_LENGTH] as number;
    for (let i = 0; i < length; i++) {
      words[block + at + i] = header[HEADER_CHANGE_WORDS + i] as number;
    }
    if (at === BLOCK_EXPIRES_AT && this.slides(block)) {
      lastRead[this.slotOf(block)] = Number.NEGATIVE_INFINITY;
    }
    this.#stamp(block);
    header[HEADER_CHANGE_BLOCK] = 0;
  }

  /** A reader used an entry that slides: it lives on. */
  slide(block: number, nowMs: number): void {
    const { lastRead } = this.#memory;
    const slot = this.slotOf(block);
    // Never back: a reader in another thread may have been here since this batch's time was read.
    if (nowMs > (lastRead[slot] as number)) {
      lastRead[slot] = nowMs;
    }
  }

  /** Takes the next number of the shard's write sequence: for every change, stored or not. */
  nextSequence(): void {
    const { header } = this.#memory;
    this.#seqLow = (this.#seqLow + 1) | 0;
    if (this.#seqLow === 0) {
      // High before low: an owner that dies in between leaves numbers out, and never has one given twice.
      this.#seqHigh = (this.#seqHigh + 1) & SEQ_HIGH_MASK;
      header[HEADER_SEQ_HIGH] = this.#seqHigh;
    }
    header[HEADER_SEQ_LOW] = this.#seqLow;
  }

  slotOf(block: number): number {
    return this.#memory.words[block + BLOCK_SLOT] as number;
  }

  seqLowOf(block: number): number {
    return this.#memory.words[block + BLOCK_SEQ_LOW] as number;
  }

  tagOf(block: number): number {
    return (this.#metaOf(block) >>> META_TAG_SHIFT) & 0xff;
  }

  encodingOf(block: number): number {
    return (this.#metaOf(block) >>> META_ENCODING_SHIFT) & 7;
  }

  hashLowOf(block: number): number {
    return this.#memory.words[block + BLOCK_HASH] as number;
  }

  /** The bits of the hash's high word that an entry keeps: the low 11. */
  hashHighOf(block: number): number {
    return (this.#memory.words[block + BLOCK_SEQ_HIGH] as number) >>> SEQ_HIGH_BITS;
  }

  expires(block: number): boolean {
    return (this.#metaOf(block) & META_EXPIRES) !== 0;
  }

  slides(block: number): boolean {
    return (this.#metaOf(block) & META_SLIDES) !== 0;
  }

  /** Monotonic milliseconds, reads that let it live on counted in; Infinity for an entry that lives for ever. */
  expiresAt(block: number): number {
    const { doubles, lastRead } = this.#memory;
    if (!this.expires(block)) {
      return Number.POSITIVE_INFINITY;
    }
    const atMs = doubles[(block + BLOCK_EXPIRES_AT) >> 1] as number;
    return this.slides(block) ? Math.max(atMs, (lastRead[this.slotOf(block)] as number) + this.slideOf(block)) : atMs;
  }

  /** When the entry is gone: when it has expired, and its grace is over. */
  diesAt(block: number): number {
    return this.expiresAt(block) + this.graceOf(block);
  }

  /** For how long the entry is kept when it has expired. */
  graceOf(block: number): number {
    const meta = this.#metaOf(block);
    return (meta & META_GRACE) === 0 ? 0 : (this.#memory.doubles[graceAt(block, meta)] as number);
  }

  /** For how long a read lets the entry live on; 0 for one whose expiry does not slide. */
  slideOf(block: number): number {
    return this.slides(block) ? (this.#memory.doubles[(block + BLOCK_SLIDE) >> 1] as number) : 0;
  }

  /** Bytes that the entry takes outside its block. */
  columnsOf(block: number): number {
    return columnBytes(this.#metaOf(block));
  }

  /** Bytes of key and value. */
  payloadOf(block: number): number {
    return (this.#metaOf(block) & 0xffff) + this.valueLengthOf(block);
  }

  valueLengthOf(block: number): number {
    return (this.#memory.words[block + BLOCK_VALUE_LENGTH] as number) >>> 0;
  }

  /** The value's bytes, in the arena: good until the next write. */
  valueOf(block: number): Uint8Array {
    const start = this.#valueAt(block) * 4;
    return this.#memory.bytes.subarray(start, start + this.valueLengthOf(block));
  }

  /** The value of a counter. */
  numberOf(block: number): number {
    const at = this.#valueAt(block);
    numberWords[0] = this.#memory.words[at] as number;
    numberWords[1] = this.#memory.words[at + 1] as number;
    return numbers[0] as number;
  }

  /** The key's bytes, in the arena: good until the next write. */
  keyBytesOf(block: number): Uint8Array {
    const meta = this.#metaOf(block);
    const start = (block + headWords(meta)) * 4;
    return this.#memory.bytes.subarray(start, start + (meta & 0xffff));
  }

  keyOf(block: number): CacheKey {
    return decodeKey(this.keyBytesOf(block), this.encodingOf(block));
  }

  /** The entry again, in private memory: to be written anew when its block must change its size. */
  copyOf(block: number): EntrySource {
    const meta = this.#metaOf(block);
    const keyWords = wordsFor(meta & 0xffff);
    const from = block + headWords(meta);
    const valueBytes = this.valueLengthOf(block);
    const words = this.#memory.words.slice(from, from + keyWords + Math.ceil(valueBytes / 4));
    return {
      hashLow: this.hashLowOf(block),
      hashHigh: this.hashHighOf(block),
      keyBytes: meta & 0xffff,
      encoding: this.encodingOf(block),
      keyWord: (index) => words[index] as number,
      tag: this.tagOf(block),
      words,
      valueAt: keyWords,
      valueBytes,
      value: new Uint8Array(words.buffer, keyWords * 4, valueBytes),
    };
  }

  /** Changes words of a block to the first of `numberWords`. */
  #change(block: number, at: number, length: number): void {
    const { header } = this.#memory;
    for (let i = 0; i < length; i++) {
      header[HEADER_CHANGE_WORDS + i] = numberWords[i] as number;
    }
    header[HEADER_CHANGE_AT] = at;
    header[HEADER_CHANGE_LENGTH] = length;
    header[HEADER_CHANGE_BLOCK] = block;
    this.redo();
  }

  /** Gives a block that was changed in place the next number of the write sequence. */
  #stamp(block: number): void {
    const { words } = this.#memory;
    this.nextSequence();
    words[block + BLOCK_SEQ_LOW] = this.#seqLow;
    words[block + BLOCK_SEQ_HIGH] = this.#seqHigh | ((words[block + BLOCK_SEQ_HIGH] as number) & ~SEQ_HIGH_MASK);
  }

  #valueAt(block: number): number {
    const meta = this.#metaOf(block);
    return block + headWords(meta) + wordsFor(meta & 0xffff);
  }

  #metaOf(block: number): number {
    return this.#memory.words[block + BLOCK_META] as number;
  }
}

/** Key length and encoding of a record as they stand in a block's meta word. */
export function keyMeta(source: KeySource): number {
  return source.keyBytes | (source.encoding << META_ENCODING_SHIFT);
}

/** The whole meta word of an entry. */
export function metaOf(source: EntrySource, { atMs, slideMs, graceMs }: Expiry): number {
  const meta = keyMeta(source) | (source.tag << META_TAG_SHIFT);
  if (atMs === Number.POSITIVE_INFINITY) {
    return meta;
  }
  return meta | META_EXPIRES | (slideMs > 0 ? META_SLIDES : 0) | (graceMs > 0 ? META_GRACE : 0);
}

/** Where the arena as float64 has the grace of a block. */
function graceAt(block: number, meta: number): number {
  return (block + headWords(meta) - 2) >> 1;
}
