/** The fields of an entry's block, as its owner writes and reads them. `protocol/memory.ts` draws them. */
import type { FrameReader } from '../protocol/frame.ts';
import { type CacheKey, decodeKey } from '../protocol/key.ts';
import {
  BLOCK_EXPIRES_AT,
  BLOCK_HASH,
  BLOCK_META,
  BLOCK_SEQ_HIGH,
  BLOCK_SEQ_LOW,
  BLOCK_SLOT,
  BLOCK_VALUE_LENGTH,
  BLOCK_WORDS,
  EXPIRY_WORDS,
  HEADER_SEQ_HIGH,
  HEADER_SEQ_LOW,
  headWords,
  META_ENCODING_SHIFT,
  META_EXPIRES,
  META_TAG_SHIFT,
  SEQ_HIGH_BITS,
  SEQ_HIGH_MASK,
  type ShardMemory,
  wordsFor,
} from '../protocol/memory.ts';

/** An int32 loop copies faster than `set(subarray)` up to here. */
const LOOP_BYTES_MAX = 160;

export class Blocks {
  readonly #memory: ShardMemory;
  #seqLow = 0;
  #seqHigh = 0;

  constructor(memory: ShardMemory) {
    this.#memory = memory;
  }

  /** Words of the block that a record's entry needs. */
  wordsOf(record: FrameReader): number {
    const expiry = record.ttlMs > 0 ? EXPIRY_WORDS : 0;
    return BLOCK_WORDS + expiry + wordsFor(record.keyBytes) + Math.ceil(record.valueBytes / 4);
  }

  /** Writes everything but the size and the link. `expiresAtMs` Infinity takes no room. */
  write(block: number, slot: number, record: FrameReader, expiresAtMs: number): void {
    const { words, bytes, doubles } = this.#memory;
    const expires = expiresAtMs !== Number.POSITIVE_INFINITY;
    this.nextSequence();
    words[block + BLOCK_SLOT] = slot;
    words[block + BLOCK_HASH] = record.hashLow;
    words[block + BLOCK_META] = keyMeta(record) | (record.tag << META_TAG_SHIFT) | (expires ? META_EXPIRES : 0);
    words[block + BLOCK_VALUE_LENGTH] = record.valueBytes;
    words[block + BLOCK_SEQ_LOW] = this.#seqLow;
    words[block + BLOCK_SEQ_HIGH] = this.#seqHigh | (record.hashHigh << SEQ_HIGH_BITS);
    let at = block + BLOCK_WORDS;
    if (expires) {
      doubles[at >> 1] = expiresAtMs;
      at += EXPIRY_WORDS;
    }
    const keyWords = wordsFor(record.keyBytes);
    for (let i = 0; i < keyWords; i++) {
      words[at++] = record.keyWord(i);
    }
    if (record.valueBytes <= LOOP_BYTES_MAX) {
      const source = record.words;
      const end = record.valueAt + wordsFor(record.valueBytes);
      for (let from = record.valueAt; from < end; from++) {
        words[at++] = source[from] as number;
      }
    } else {
      bytes.set(record.value, at * 4);
    }
  }

  /** Takes the next number of the shard's write sequence: for every change, stored or not. */
  nextSequence(): void {
    this.#seqLow = (this.#seqLow + 1) | 0;
    if (this.#seqLow === 0) {
      this.#seqHigh = (this.#seqHigh + 1) & SEQ_HIGH_MASK;
    }
    this.#memory.header[HEADER_SEQ_LOW] = this.#seqLow;
    this.#memory.header[HEADER_SEQ_HIGH] = this.#seqHigh;
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

  expires(block: number): boolean {
    return (this.#metaOf(block) & META_EXPIRES) !== 0;
  }

  /** Monotonic milliseconds; Infinity for an entry that lives for ever. */
  expiresAt(block: number): number {
    return this.expires(block)
      ? (this.#memory.doubles[(block + BLOCK_EXPIRES_AT) >> 1] as number)
      : Number.POSITIVE_INFINITY;
  }

  /** Bytes of key and value. */
  payloadOf(block: number): number {
    return (this.#metaOf(block) & 0xffff) + this.#valueLengthOf(block);
  }

  /** The value's bytes, in the arena: good until the next write. */
  valueOf(block: number): Uint8Array {
    const meta = this.#metaOf(block);
    const start = (block + headWords(meta) + wordsFor(meta & 0xffff)) * 4;
    return this.#memory.bytes.subarray(start, start + this.#valueLengthOf(block));
  }

  keyOf(block: number): CacheKey {
    const meta = this.#metaOf(block);
    const start = (block + headWords(meta)) * 4;
    const bytes = this.#memory.bytes.subarray(start, start + (meta & 0xffff));
    return decodeKey(bytes, (meta >>> META_ENCODING_SHIFT) & 7);
  }

  #metaOf(block: number): number {
    return this.#memory.words[block + BLOCK_META] as number;
  }

  #valueLengthOf(block: number): number {
    return (this.#memory.words[block + BLOCK_VALUE_LENGTH] as number) >>> 0;
  }
}

/** Key length and encoding of a record as they stand in a block's meta word. */
export function keyMeta(record: FrameReader): number {
  return record.keyBytes | (record.encoding << META_ENCODING_SHIFT);
}
