/**
 * A frame: every call that one client made of one shard in one turn, as one msgpack document.
 *
 *     [ VERSION, nil, [ record, record, ... ] ]
 *     record = [ op, encoding + flags * 8, tag, bin16 { hash low u32, hash high u32, argument f64, little-endian },
 *                nil, nil, nil, bin32 key, nil*, nil, nil, nil, bin32 value, nil* ]
 *
 * The nils are padding: they put key and value on 4-byte boundaries, so that both sides copy them word by word instead
 * of byte by byte. All lengths are written in their widest form, so a record has one layout and is read by position:
 *
 *     word 0                1                        2     3      4-5   6                 7        8
 *       +-------------------+------------------------+-----+------+-----+-----------------+--------+- - -+
 *       | dc 00 count op    | enc+flags tag c4 10    | low | high | ttl | c0 c0 c0 c6     | length | key |
 *       +-------------------+------------------------+-----+------+-----+-----------------+--------+- - -+
 *       then                                                            | c0 c0 c0 c6     | length | value
 *
 * Written in place into one reused buffer and sent as one exact-size copy: packing arrays of small buffers with msgpackr
 * costs three times as much. Any msgpack reader can decode a frame.
 */
import { exactCopy, ValueCopier } from './copies.ts';
import type { FramePool } from './frame-pool.ts';
import { isKeyShape, type KeyEncoder } from './key.ts';
import { KEY_BYTES_MAX, wordsFor } from './memory.ts';

export const FRAME_VERSION = 1;
/** A frame is sealed when it holds this many records or bytes; one larger value travels alone. */
export const FRAME_CALLS_MAX = 4096;
export const FRAME_BYTES_MAX = 1024 * 1024;
const FRAME_HEAD_WORDS = 2;
export const FRAME_HEAD_BYTES = FRAME_HEAD_WORDS * 4;
const RECORD_HEAD_WORDS = 8;
const VALUE_HEAD_WORDS = 2;
/** array16, bin 8 of 16 bytes, three nils and a bin32 marker, as they lie in a little-endian word. */
const ARRAY16 = 0xdc;
const HEAD_BIN = 0x10c4_0000;
const BIN32 = 0xc6c0_c0c0 | 0;
const NILS = 0xc0c0_c0c0;
const FIELDS_MIN = 12;
const INITIAL_BYTES = 16 * 1024;
const ENCODING_MASK = 7;
const FLAGS_SHIFT = 3;
const FLAGS_MASK = 15;
/** A byte that is a whole msgpack integer by itself. */
const TAG_MAX = 127;

const number = new Float64Array(1);
const numberWords = new Int32Array(number.buffer);

export class FrameWriter {
  readonly #pool: FramePool | undefined;
  #bytes = new Uint8Array(INITIAL_BYTES);
  #words = new Int32Array(this.#bytes.buffer);
  #length = FRAME_HEAD_WORDS;
  #count = 0;
  readonly #values = new ValueCopier();

  /** `pool`: for frames that need no buffer of their own. */
  constructor(pool?: FramePool) {
    this.#pool = pool;
  }

  /** Records in the frame. */
  get count(): number {
    return this.#count;
  }

  get byteLength(): number {
    return this.#length * 4;
  }

  /** The frame so far; it aliases the writer. */
  get view(): FrameReader {
    this.#close();
    return new FrameReader(this.#bytes.subarray(0, this.#length * 4));
  }

  /** Whether another record of these sizes still belongs into this frame. */
  admits(keyBytes: number, valueBytes: number): boolean {
    return (
      this.#count === 0 ||
      (this.#count < FRAME_CALLS_MAX && this.byteLength + recordBytes(keyBytes, valueBytes) <= FRAME_BYTES_MAX)
    );
  }

  /**
   * Appends a call on the encoded key, and says at which word. What `argument` and `flags` (0 to 15) mean is up to the
   * operation. `value` may be longer than `valueBytes`.
   */
  add(
    op: number,
    key: KeyEncoder,
    tag: number,
    argument: number,
    value: Uint8Array,
    valueBytes: number,
    flags = 0,
  ): number {
    const keyBytes = key.byteLength;
    const at = this.#begin(op, key.encoding | (flags << FLAGS_SHIFT), tag, keyBytes, valueBytes);
    const words = this.#words;
    words[at + 2] = key.hashLow;
    words[at + 3] = key.hashHigh;
    number[0] = argument;
    words[at + 4] = numberWords[0] as number;
    words[at + 5] = numberWords[1] as number;
    const keyWords = wordsFor(keyBytes);
    let to = at + RECORD_HEAD_WORDS;
    const source = key.words;
    for (let i = 0; i < keyWords; i++) {
      words[to++] = source[i] as number;
    }
    pad(words, to, keyBytes);
    words[to++] = BIN32;
    words[to++] = swap(valueBytes);
    if (valueBytes > 0) {
      this.#values.copy(value, valueBytes, this.#bytes, words, to);
      to += wordsFor(valueBytes);
      pad(words, to, valueBytes);
    }
    this.#length = to;
    return at;
  }

  /** An exact-size copy of the frame, and an empty writer. */
  seal(): Uint8Array {
    this.#close();
    const frame = this.#pool?.copy(this.#words, this.#length) ?? exactCopy(this.#bytes, this.#length * 4);
    this.#length = FRAME_HEAD_WORDS;
    this.#count = 0;
    if (this.#bytes.length > FRAME_BYTES_MAX * 2) {
      this.#grow(INITIAL_BYTES);
    }
    return frame;
  }

  #close(): void {
    const bytes = this.#bytes;
    bytes[0] = 0x93;
    bytes[1] = FRAME_VERSION;
    bytes[2] = 0xc0;
    bytes[3] = 0xdd;
    this.#words[1] = swap(this.#count);
  }

  #begin(op: number, kind: number, tag: number, keyBytes: number, valueBytes: number): number {
    const at = this.#length;
    const end = at * 4 + recordBytes(keyBytes, valueBytes);
    if (end > this.#bytes.length) {
      this.#grow(Math.max(end, this.#bytes.length * 2));
    }
    const fields = FIELDS_MIN + (-keyBytes & 3) + (-valueBytes & 3);
    const words = this.#words;
    words[at] = ARRAY16 | (fields << 16) | (op << 24);
    words[at + 1] = kind | (tag << 8) | HEAD_BIN;
    words[at + 6] = BIN32;
    words[at + 7] = swap(keyBytes);
    this.#count++;
    return at;
  }

  #grow(byteLength: number): void {
    const grown = new Uint8Array(Math.ceil(byteLength / 8) * 8);
    grown.set(this.#bytes.subarray(0, Math.min(this.#length * 4, grown.length)));
    this.#bytes = grown;
    this.#words = new Int32Array(grown.buffer);
  }
}

/** Reads a frame record by record. The fields describe the current one; `words` may be shared with nobody. */
export class FrameReader {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly count: number;
  op = 0;
  tag = 0;
  encoding = 0;
  flags = 0;
  hashLow = 0;
  hashHigh = 0;
  argument = 0;
  /** Word index and byte length of key and value. */
  keyAt = 0;
  keyBytes = 0;
  valueAt = 0;
  valueBytes = 0;
  #at = FRAME_HEAD_WORDS;
  #record = FRAME_HEAD_WORDS;

  /** Throws RangeError when the head is not that of a frame of this version. */
  constructor(frame: Uint8Array) {
    // Not `frame.slice()`: that of a Buffer is a view, as odd as before.
    const aligned = frame.byteOffset % 4 === 0 ? frame : Uint8Array.from(frame);
    if (
      aligned.length < FRAME_HEAD_WORDS * 4 ||
      aligned[0] !== 0x93 ||
      aligned[1] !== FRAME_VERSION ||
      aligned[3] !== 0xdd
    ) {
      throw new RangeError(`not a frame of version ${FRAME_VERSION}: ${aligned.length} bytes`);
    }
    this.bytes = aligned;
    this.words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length >>> 2);
    this.count = swap(this.words[1] as number) >>> 0;
  }

  rewind(): void {
    this.#at = FRAME_HEAD_WORDS;
  }

  /** Moves to the record that begins at word `place`, as the writer said when it was added. */
  jump(place: number): void {
    this.#at = place;
    this.next();
  }

  /** The word at which the current record begins. */
  get place(): number {
    return this.#record;
  }

  /** Moves to the next record. Throws RangeError where the bytes are not a record that fits the frame. */
  next(): void {
    const { words } = this;
    const at = this.#at;
    const head = words[at] as number;
    const shape = words[at + 1] as number;
    if (at + RECORD_HEAD_WORDS + VALUE_HEAD_WORDS > words.length || !isHead(head, shape) || words[at + 6] !== BIN32) {
      throw new RangeError(`no record at byte ${at * 4} of a frame of ${words.length * 4}`);
    }
    const keyBytes = swap(words[at + 7] as number) >>> 0;
    const keyAt = at + RECORD_HEAD_WORDS;
    const valueHead = keyAt + wordsFor(keyBytes);
    if (keyBytes > KEY_BYTES_MAX || valueHead + VALUE_HEAD_WORDS > words.length || words[valueHead] !== BIN32) {
      throw new RangeError(`no value after the key at byte ${keyAt * 4} of a frame of ${words.length * 4}`);
    }
    const valueBytes = swap(words[valueHead + 1] as number) >>> 0;
    const valueAt = valueHead + VALUE_HEAD_WORDS;
    const end = valueAt + Math.ceil(valueBytes / 4);
    if (end > words.length) {
      throw new RangeError(`a value of ${valueBytes} bytes runs out of a frame of ${words.length * 4}`);
    }
    const tag = (shape >>> 8) & 0xff;
    if (tag > TAG_MAX) {
      throw new RangeError(`a tag of ${tag} at byte ${at * 4 + 5}, where at most ${TAG_MAX} is one`);
    }
    const encoding = shape & ENCODING_MASK;
    if (!isKeyShape(encoding, keyBytes)) {
      throw new RangeError(`no key has ${keyBytes} bytes in the encoding ${encoding}, as at byte ${keyAt * 4}`);
    }
    this.op = head >>> 24;
    this.encoding = encoding;
    this.flags = (shape >>> FLAGS_SHIFT) & FLAGS_MASK;
    this.tag = tag;
    this.hashLow = words[at + 2] as number;
    this.hashHigh = words[at + 3] as number;
    numberWords[0] = words[at + 4] as number;
    numberWords[1] = words[at + 5] as number;
    this.argument = number[0] as number;
    this.keyAt = keyAt;
    this.keyBytes = keyBytes;
    this.valueAt = valueAt;
    this.valueBytes = valueBytes;
    this.#record = at;
    this.#at = end;
  }

  /** The last word of the key with its padding taken off: zero where bytes are not of the key. */
  keyWord(index: number): number {
    const word = this.words[this.keyAt + index] as number;
    const over = this.keyBytes - index * 4;
    return over >= 4 ? word : word & ((1 << (over * 8)) - 1);
  }

  get key(): Uint8Array {
    return this.bytes.subarray(this.keyAt * 4, this.keyAt * 4 + this.keyBytes);
  }

  get value(): Uint8Array {
    return this.bytes.subarray(this.valueAt * 4, this.valueAt * 4 + this.valueBytes);
  }

  /** Number `index` of a value that is float64s. */
  numberAt(index: number): number {
    numberWords[0] = this.words[this.valueAt + index * 2] as number;
    numberWords[1] = this.words[this.valueAt + index * 2 + 1] as number;
    return number[0] as number;
  }

  /** Makes one number the value of the current record, in place of a longer value. */
  becomeNumber(value: number, tag: number): void {
    number[0] = value;
    this.words[this.valueAt] = numberWords[0] as number;
    this.words[this.valueAt + 1] = numberWords[1] as number;
    this.valueBytes = 8;
    this.tag = tag;
  }

  /** Whether the current record is about the encoded key. */
  isAbout(key: KeyEncoder): boolean {
    if (this.hashLow !== key.hashLow || this.hashHigh !== key.hashHigh) {
      return false;
    }
    if (this.keyBytes !== key.byteLength || this.encoding !== key.encoding) {
      return false;
    }
    const count = wordsFor(this.keyBytes);
    for (let i = 0; i < count; i++) {
      if (this.keyWord(i) !== key.words[i]) {
        return false;
      }
    }
    return true;
  }

  /** Makes the current record an OP_NONE, so that it does nothing and its place in the reply stays. */
  blank(): void {
    (this.words[this.#record] as number) &= 0x00ff_ffff;
  }
}

function isHead(head: number, shape: number): boolean {
  return (head & 0xffff) === ARRAY16 && (shape & 0xffff_0000) === HEAD_BIN;
}

/** Bytes that a record of these sizes takes in a frame. */
export function recordBytes(keyBytes: number, valueBytes: number): number {
  return (RECORD_HEAD_WORDS + VALUE_HEAD_WORDS + wordsFor(keyBytes) + Math.ceil(valueBytes / 4)) * 4;
}

/** Fills the rest of the last word before `end` with nils. */
function pad(words: Int32Array, end: number, byteLength: number): void {
  const used = byteLength & 3;
  if (used !== 0) {
    const mask = (1 << (used * 8)) - 1;
    words[end - 1] = ((words[end - 1] as number) & mask) | (NILS & ~mask);
  }
}

/** Little-endian word of a big-endian msgpack length, and back. */
function swap(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}
