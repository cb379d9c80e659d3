/**
 * A block of a snapshot: entries of one shard, one behind the other.
 *
 *     word 0     1         2-5   6
 *     SBLK       entries   id    record record ...
 *
 *     record     0      1        2                                        then
 *                meta   value    standing, deadline, slide, grace,        key bytes       value bytes
 *                       length   those that the entry has                 (whole words)   (whole words)
 *
 * Meta is the word of the same name in an entry's block in memory (protocol/memory.ts): length of the key, its encoding, the tag of the value,
 * and whether it expires, slides and has a grace; bit 30 says that there is a standing. That is a uint32, the lengths are uint32,
 * the deadline is float64 milliseconds since 1970, slide and grace are float64 milliseconds; what an entry has not takes no room, so
 * one that lives for ever takes 8 bytes beyond key and value, and 3 on average to round those up with zeros. Since key and
 * value lie in memory as they lie here, an owner copies both in one piece.
 *
 * A block is as long as its entries make it, about BLOCK_BYTES; an entry that is longer has one for itself.
 */
import { crc32 } from 'node:zlib';
import { isKeyShape } from '../key.ts';
import { META_ENCODING_SHIFT, META_EXPIRES, META_GRACE, META_SLIDES, META_TAG_SHIFT, wordsFor } from '../memory.ts';
import { TAG_CUSTOM, TAG_NUMBER } from '../value-tags.ts';
import { damaged } from './faults.ts';
import { ID_BYTES } from './file.ts';
import type { BlockPlace } from './tasks.ts';

/** Long enough that a write of it takes longer than to ask for it, short enough that none takes a millisecond. */
export const BLOCK_BYTES = 256 * 1024;
const MAGIC = 0x4b4c4253;
const HEAD_WORDS = 2 + ID_BYTES / 4;
const RECORD_WORDS = 2;
const META_STANDING = 1 << 30;
const META_KNOWN = ~(1 << 31);
/** What a record may have beside key and value: standing, deadline, slide, grace. */
const EXTRA_WORDS_MAX = 7;

const numbers = new Float64Array(1);
const numberWords = new Int32Array(numbers.buffer);

/** What of an entry is neither key nor value. */
export interface RecordHead {
  /** As in memory: of a key's bytes and encoding, a value's tag, and the flags of an expiry. */
  readonly meta: number;
  readonly valueBytes: number;
  /** A uint32. */
  readonly standing: number;
  /** Milliseconds since 1970; only of one that expires, as the other two. */
  readonly deadlineMs: number;
  readonly slideMs: number;
  readonly graceMs: number;
}

/** Fills one block after the other. */
export class BlockWriter {
  /** Where records are copied to. */
  words: Int32Array<ArrayBuffer> = new Int32Array(BLOCK_BYTES / 4);
  entries = 0;
  readonly #standard = this.words;
  readonly #id: Int32Array;
  #length = HEAD_WORDS;

  constructor(id: Uint8Array) {
    this.#id = new Int32Array(Uint8Array.from(id.subarray(0, ID_BYTES)).buffer);
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#length * 4;
  }

  /** Whether an entry whose key and value are so many words long goes into this block, or into an empty one. */
  hasRoom(words: number): boolean {
    return this.entries === 0 || this.#length + RECORD_WORDS + EXTRA_WORDS_MAX + words <= this.words.length;
  }

  /** Begins a record, for which there is room. The key, and the value behind it, go to the word that is returned. */
  add(head: RecordHead): number {
    const { meta, valueBytes } = head;
    const payload = wordsFor(meta & 0xffff) + wordsOf(valueBytes);
    const atMost = this.#length + RECORD_WORDS + EXTRA_WORDS_MAX + payload;
    if (atMost > this.words.length) {
      const words = new Int32Array(atMost);
      words.set(this.words.subarray(0, this.#length));
      this.words = words;
    }
    const { words } = this;
    let at = this.#length;
    words[at++] = head.standing === 0 ? meta : meta | META_STANDING;
    words[at++] = valueBytes;
    if (head.standing !== 0) words[at++] = head.standing;
    if ((meta & META_EXPIRES) !== 0) at = this.#put(at, head.deadlineMs);
    if ((meta & META_SLIDES) !== 0) at = this.#put(at, head.slideMs);
    if ((meta & META_GRACE) !== 0) at = this.#put(at, head.graceMs);
    this.#length = at + payload;
    this.entries++;
    return at;
  }

  /** The whole block, good until the next `add`, and what the index says of it but its offset. The writer begins another one. */
  seal(): { readonly bytes: Uint8Array; readonly entries: number; readonly checksum: number } {
    const { words, entries } = this;
    words[0] = MAGIC;
    words[1] = entries;
    words.set(this.#id, 2);
    const bytes = new Uint8Array(words.buffer, 0, this.#length * 4);
    this.words = this.#standard;
    this.entries = 0;
    this.#length = HEAD_WORDS;
    return { bytes, entries, checksum: crc32(bytes) };
  }

  #put(at: number, value: number): number {
    numbers[0] = value;
    this.words[at] = numberWords[0] as number;
    this.words[at + 1] = numberWords[1] as number;
    return at + 2;
  }
}

/** One record, wherever it lies. Fields are those of the one that `read` was asked for last. */
export class RecordReader {
  readonly words: Int32Array;
  meta = 0;
  valueBytes = 0;
  standing = 0;
  /** Milliseconds since 1970; Infinity for an entry that lives for ever. */
  deadlineMs = Number.POSITIVE_INFINITY;
  slideMs = 0;
  graceMs = 0;
  /** Words. */
  keyAt = 0;
  valueAt = 0;

  constructor(words: Int32Array) {
    this.words = words;
  }

  get keyBytes(): number {
    return this.meta & 0xffff;
  }

  get encoding(): number {
    return (this.meta >>> META_ENCODING_SHIFT) & 7;
  }

  get tag(): number {
    return (this.meta >>> META_TAG_SHIFT) & 0xff;
  }

  /** When nobody may be served with it any more. */
  get diesAtMs(): number {
    return this.deadlineMs + this.graceMs;
  }

  /** Reads the record at a word, of which nothing lies at `end` or beyond, and returns where it ends; 0 where it is none. */
  read(from: number, end: number): number {
    const { words } = this;
    if (from + RECORD_WORDS > end) {
      return 0;
    }
    const meta = words[from] as number;
    const valueBytes = (words[from + 1] as number) >>> 0;
    let at = from + RECORD_WORDS;
    const extra = extraWords(meta);
    if (at + extra > end) {
      return 0;
    }
    this.meta = meta;
    this.valueBytes = valueBytes;
    this.standing = 0;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.slideMs = 0;
    this.graceMs = 0;
    if (extra > 0) {
      if ((meta & META_STANDING) !== 0) this.standing = (words[at++] as number) >>> 0;
      if ((meta & META_EXPIRES) !== 0) at = this.#number(at, 'deadlineMs');
      if ((meta & META_SLIDES) !== 0) at = this.#number(at, 'slideMs');
      if ((meta & META_GRACE) !== 0) at = this.#number(at, 'graceMs');
    }
    this.keyAt = at;
    this.valueAt = at + wordsFor(meta & 0xffff);
    const next = this.valueAt + wordsOf(valueBytes);
    return next <= end && this.#isSound() ? next : 0;
  }

  #number(at: number, field: 'deadlineMs' | 'slideMs' | 'graceMs'): number {
    numberWords[0] = this.words[at] as number;
    numberWords[1] = this.words[at + 1] as number;
    this[field] = numbers[0] as number;
    return at + 2;
  }

  /** Whether this may be an entry, whoever wrote it. What is in the key and in the value is not looked at. */
  #isSound(): boolean {
    const { meta, keyBytes, encoding, tag } = this;
    const times = meta & (META_EXPIRES | META_SLIDES | META_GRACE);
    if (times !== 0) {
      const isTimed =
        (meta & META_EXPIRES) !== 0 &&
        Number.isFinite(this.deadlineMs) &&
        ((meta & META_SLIDES) === 0 || isSpan(this.slideMs)) &&
        ((meta & META_GRACE) === 0 || isSpan(this.graceMs));
      if (!isTimed) {
        return false;
      }
    }
    return (
      (meta & ~META_KNOWN) === 0 &&
      tag <= TAG_CUSTOM &&
      (tag !== TAG_NUMBER || this.valueBytes === 8) &&
      isKeyShape(encoding, keyBytes) &&
      isPadded(this.words, this.keyAt, keyBytes)
    );
  }
}

/** Reads the records of a block, in order. */
export class BlockReader {
  readonly record: RecordReader;
  /** The word at which the present record begins. */
  at = 0;
  /** The word at which it ends. */
  next = HEAD_WORDS;
  readonly #path: string;
  readonly #place: BlockPlace;
  readonly #end: number;
  #left: number;

  /** `block` begins at a whole word of its memory. Throws CACHE_LOAD_ERROR for what is not the block that the index names. */
  constructor(block: Uint8Array, place: BlockPlace, id: Uint8Array, path: string) {
    this.#path = path;
    this.#place = place;
    const isWhole = block.length === place.bytes && block.length >= HEAD_WORDS * 4 && block.length % 4 === 0;
    if (!isWhole || crc32(block) !== place.checksum) {
      throw damaged(path, `the block at ${place.offset} has changed`);
    }
    const words = new Int32Array(block.buffer, block.byteOffset, block.length / 4);
    const isOwn = Buffer.from(block.buffer, block.byteOffset + 8, ID_BYTES).equals(id);
    if (words[0] !== MAGIC || !isOwn) {
      throw damaged(path, `the block at ${place.offset} is that of another one`);
    }
    this.record = new RecordReader(words);
    this.#end = words.length;
    this.#left = place.entries;
    if ((words[1] as number) >>> 0 !== place.entries) {
      throw this.#fault('has not as many entries as the index says');
    }
  }

  /** Goes to the next record; false behind the last. Throws CACHE_LOAD_ERROR. */
  advance(): boolean {
    if (this.#left === 0) {
      if (this.next !== this.#end) {
        throw this.#fault('goes on behind its last entry');
      }
      return false;
    }
    this.#left--;
    this.at = this.next;
    this.next = this.record.read(this.at, this.#end);
    if (this.next === 0) {
      throw this.#fault(`has at byte ${this.at * 4} what is no entry`);
    }
    return true;
  }

  /** Throws that the present record is none: its key is not one. */
  refuse(): never {
    throw this.#fault(`has at byte ${this.at * 4} what is no key`);
  }

  #fault(what: string): Error {
    return damaged(this.#path, `the block at ${this.#place.offset} ${what}`);
  }
}

/** The flags of a meta word for an entry with these times: Infinity for one that lives for ever, 0 for what it has not. */
export function expiryFlags(deadlineMs: number, slideMs: number, graceMs: number): number {
  if (deadlineMs === Number.POSITIVE_INFINITY) {
    return 0;
  }
  return META_EXPIRES | (slideMs > 0 ? META_SLIDES : 0) | (graceMs > 0 ? META_GRACE : 0);
}

/** As `wordsFor`, also of more than 2 GiB. */
export function wordsOf(valueBytes: number): number {
  return Math.ceil(valueBytes / 4);
}

function extraWords(meta: number): number {
  return (
    ((meta >>> 30) & 1) +
    ((meta & META_EXPIRES) === 0 ? 0 : 2) +
    ((meta & META_SLIDES) === 0 ? 0 : 2) +
    ((meta & META_GRACE) === 0 ? 0 : 2)
  );
}

function isSpan(ms: number): boolean {
  return ms > 0 && ms < Number.POSITIVE_INFINITY;
}

/** Whether the last word of a key has zeros behind it: keys are compared and hashed word by word. */
function isPadded(words: Int32Array, keyAt: number, keyBytes: number): boolean {
  const rest = keyBytes & 3;
  return rest === 0 || (words[keyAt + (keyBytes >> 2)] as number) >>> (rest * 8) === 0;
}
