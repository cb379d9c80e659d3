/**
 * The answer to a frame. When every record went well and none has anything to say, it is their count, a plain number.
 * Otherwise it is one msgpack array with a result per record, in order:
 *
 *     nil                      done, or nothing there
 *     true, false              yes, no
 *     float64                  a count
 *     [ tag, bin32 value ]     a stored value
 *     [ tag, bin32 value, float64 ]                 the same, with the milliseconds it has left
 *     [ encoding, bin32 key, tag, bin32 value ]     an entry; tag and value are nil where only its key is told. One that
 *                                                   expires has a fifth field: when, as float64
 *     [ float64 next, entry, entry, ... ]           a page of entries (array32)
 *     str                      JSON text: counts or advice of a shard (object), or `{ "error": { code, message } }`
 *
 * A damaged or hostile frame is answered by a single error in place of the array.
 */
import type { ShardAdvice } from './advice.ts';
import { CacheError, type ErrorRecord } from './errors.ts';
import type { ShardCounts, StoredEntry, StoredPage, StoredValue } from './operations.ts';

export type Result = undefined | boolean | number | StoredValue | StoredEntry | StoredPage | ShardReport | CacheError;
/** What a shard tells of itself. */
export type ShardReport = ShardCounts | ShardAdvice;

const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;
const BIN32 = 0xc6;
const FLOAT64 = 0xcb;
const STR32 = 0xdb;
const ARRAY32 = 0xdd;
const PAIR = 0x92;
const TRIPLE = 0x93;
const ENTRY = 0x94;
const MORTAL_ENTRY = 0x95;
const HEAD_BYTES = 5;
/** The marker and the count of a page, and where the next one begins. */
const PAGE_HEAD_BYTES = 14;
const INITIAL_BYTES = 1024;
/** A buffer that has grown past this is not kept for the next reply. */
const KEPT_BYTES = 2 * 1024 * 1024;
/** A reply takes one value of any size, but no second one that would make it larger than this. */
export const REPLY_BYTES_MAX = 64 * 1024 * 1024;

export class ReplyWriter {
  #buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #length = HEAD_BYTES;
  #count = 0;
  #valueBytes = 0;
  #plain = true;
  #pageAt = 0;
  #pageEntries = 0;

  /** Done, or nothing there. */
  done(): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = NIL;
    this.#count++;
  }

  boolean(value: boolean): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value ? TRUE : FALSE;
    this.#finish();
  }

  number(value: number): void {
    this.#double(value);
    this.#finish();
  }

  /** Whether a value of this size still belongs into this reply. */
  admits(valueBytes: number): boolean {
    return this.#valueBytes === 0 || this.#valueBytes + valueBytes <= REPLY_BYTES_MAX;
  }

  value(tag: number, bytes: Uint8Array): void {
    this.#tagged(PAIR, tag, bytes);
    this.#finish();
  }

  /** A value that has so many milliseconds left. */
  mortalValue(tag: number, bytes: Uint8Array, leftMs: number): void {
    this.#tagged(TRIPLE, tag, bytes);
    this.#double(leftMs);
    this.#finish();
  }

  /** An entry; without its value where `bytes` is undefined. */
  entry(encoding: number, key: Uint8Array, tag: number, bytes: Uint8Array | undefined): void {
    this.#entry(encoding, key, tag, bytes);
    this.#finish();
  }

  /** Begins a page; its entries are added with `pageEntry`, and `endPage` ends it. */
  beginPage(): void {
    this.#reserve(PAGE_HEAD_BYTES);
    this.#pageAt = this.#length;
    this.#pageEntries = 0;
    this.#length += PAGE_HEAD_BYTES;
  }

  /** `expiresAtMs` Infinity for an entry that lives for ever. */
  pageEntry(encoding: number, key: Uint8Array, tag: number, bytes: Uint8Array | undefined, expiresAtMs: number): void {
    const start = this.#length;
    this.#entry(encoding, key, tag, bytes);
    if (expiresAtMs !== Number.POSITIVE_INFINITY) {
      this.#double(expiresAtMs);
      this.#buffer[start] = MORTAL_ENTRY;
    }
    this.#pageEntries++;
  }

  endPage(next: number): void {
    const buffer = this.#buffer;
    buffer[this.#pageAt] = ARRAY32;
    buffer.writeUInt32BE(this.#pageEntries + 1, this.#pageAt + 1);
    buffer[this.#pageAt + 5] = FLOAT64;
    buffer.writeDoubleBE(next, this.#pageAt + 6);
    this.#finish();
  }

  report(report: ShardReport): void {
    this.#text(JSON.stringify(report));
  }

  error(error: ErrorRecord): void {
    this.#text(JSON.stringify({ error }));
  }

  /** The reply to all that was written, and an empty writer. */
  seal(): number | Uint8Array {
    const reply = this.#plain ? this.#count : this.#close();
    this.#length = HEAD_BYTES;
    this.#count = 0;
    this.#valueBytes = 0;
    this.#plain = true;
    if (this.#buffer.length > KEPT_BYTES) {
      this.#buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    }
    return reply;
  }

  #close(): Uint8Array {
    this.#buffer[0] = ARRAY32;
    this.#buffer.writeUInt32BE(this.#count, 1);
    return Uint8Array.prototype.slice.call(this.#buffer, 0, this.#length);
  }

  #double(value: number): void {
    this.#reserve(9);
    this.#buffer[this.#length] = FLOAT64;
    this.#buffer.writeDoubleBE(value, this.#length + 1);
    this.#length += 9;
  }

  #tagged(marker: number, tag: number, bytes: Uint8Array): void {
    this.#reserve(2);
    this.#buffer[this.#length] = marker;
    this.#buffer[this.#length + 1] = tag;
    this.#length += 2;
    this.#bin(bytes);
    this.#valueBytes += bytes.length;
  }

  #entry(encoding: number, key: Uint8Array, tag: number, bytes: Uint8Array | undefined): void {
    this.#tagged(ENTRY, encoding, key);
    if (bytes === undefined) {
      this.#reserve(2);
      this.#buffer.fill(NIL, this.#length, this.#length + 2);
      this.#length += 2;
      return;
    }
    this.#reserve(1);
    this.#buffer[this.#length++] = tag;
    this.#bin(bytes);
    this.#valueBytes += bytes.length;
  }

  #bin(bytes: Uint8Array): void {
    this.#reserve(5 + bytes.length);
    const buffer = this.#buffer;
    buffer[this.#length] = BIN32;
    buffer.writeUInt32BE(bytes.length, this.#length + 1);
    buffer.set(bytes, this.#length + 5);
    this.#length += 5 + bytes.length;
  }

  #text(text: string): void {
    const byteLength = Buffer.byteLength(text);
    this.#reserve(5 + byteLength);
    this.#buffer[this.#length] = STR32;
    this.#buffer.writeUInt32BE(byteLength, this.#length + 1);
    this.#buffer.write(text, this.#length + 5);
    this.#length += 5 + byteLength;
    this.#finish();
  }

  #finish(): void {
    this.#count++;
    this.#plain = false;
  }

  #reserve(byteLength: number): void {
    const end = this.#length + byteLength;
    if (end > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
  }
}

/** The results of a reply, in order, or their count when none has anything to say. Throws RangeError for anything else. */
export function readReply(reply: unknown): number | Result[] {
  if (typeof reply === 'number') {
    return reply;
  }
  if (!(reply instanceof Uint8Array) || reply.length < HEAD_BYTES || reply[0] !== ARRAY32) {
    throw new RangeError('not a reply');
  }
  const results = new ReplyReader(reply);
  const count = results.count;
  return Array.from({ length: count }, () => results.next());
}

class ReplyReader {
  readonly count: number;
  readonly #buffer: Buffer;
  #at = HEAD_BYTES;

  constructor(reply: Uint8Array) {
    this.#buffer = Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength);
    this.count = this.#buffer.readUInt32BE(1);
    // Every result takes a byte: a count that lies must not make room for four billion.
    if (this.count > reply.length) {
      throw this.#broken();
    }
  }

  next(): Result {
    const buffer = this.#buffer;
    const marker = buffer[this.#at];
    switch (marker) {
      case NIL:
        this.#at++;
        return undefined;
      case TRUE:
      case FALSE:
        this.#at++;
        return marker === TRUE;
      case FLOAT64:
        return this.#double();
      case PAIR:
      case TRIPLE: {
        const tag = buffer[this.#at + 1] as number;
        this.#at += 2;
        const bytes = this.#bytes();
        return marker === PAIR ? { tag, bytes } : { tag, bytes, leftMs: this.#double() };
      }
      case ENTRY:
        return this.#entry();
      case ARRAY32:
        return this.#page();
      case STR32: {
        const end = this.#endAt(this.#at + 1);
        const text = buffer.toString('utf8', this.#at + 5, end);
        this.#at = end;
        return parse(text);
      }
      default:
        throw this.#broken();
    }
  }

  #entry(): StoredEntry {
    const buffer = this.#buffer;
    const marker = buffer[this.#at];
    if (marker !== ENTRY && marker !== MORTAL_ENTRY) {
      throw this.#broken();
    }
    const encoding = buffer[this.#at + 1] as number;
    this.#at += 2;
    const key = this.#bytes();
    const value = this.#valueOfEntry();
    return marker === ENTRY ? { encoding, key, value } : { encoding, key, value, expiresAtMs: this.#double() };
  }

  /** Nil twice where there is none. */
  #valueOfEntry(): StoredValue | undefined {
    const tag = this.#buffer[this.#at] as number;
    if (tag === NIL) {
      this.#at += 2;
      return undefined;
    }
    this.#at += 1;
    return { tag, bytes: this.#bytes() };
  }

  #page(): StoredPage {
    const entries: StoredEntry[] = [];
    const count = this.#buffer.readUInt32BE(this.#at + 1) - 1;
    this.#at += 5;
    const next = this.#double();
    for (let i = 0; i < count; i++) {
      entries.push(this.#entry());
    }
    return { next, entries };
  }

  #double(): number {
    if (this.#buffer[this.#at] !== FLOAT64) {
      throw this.#broken();
    }
    this.#at += 9;
    return this.#buffer.readDoubleBE(this.#at - 8);
  }

  #bytes(): Buffer {
    if (this.#buffer[this.#at] !== BIN32) {
      throw this.#broken();
    }
    const start = this.#at + 5;
    this.#at = this.#endAt(this.#at + 1);
    return this.#buffer.subarray(start, this.#at);
  }

  /** Where the bytes end whose length is at `lengthAt`. A view past the end would be cut short without a word. */
  #endAt(lengthAt: number): number {
    const end = lengthAt + 4 + this.#buffer.readUInt32BE(lengthAt);
    if (end > this.#buffer.length) {
      throw new RangeError(`a result that ends at byte ${end} of a reply of ${this.#buffer.length}`);
    }
    return end;
  }

  #broken(): RangeError {
    return new RangeError(`no result at byte ${this.#at} of a reply of ${this.#buffer.length}`);
  }
}

function parse(text: string): ShardReport | CacheError {
  const result = JSON.parse(text) as ShardReport | { error: ErrorRecord };
  return 'error' in result ? new CacheError(result.error.code, result.error.message) : result;
}
