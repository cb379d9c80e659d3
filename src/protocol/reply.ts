/**
 * The answer to a frame. When every record went well and none has anything to say, it is their count, a plain number.
 * Otherwise it is one msgpack array with a result per record, in order:
 *
 *     nil                      done, or nothing there
 *     true, false              yes, no
 *     float64                  a count
 *     [ tag, bin32 value ]     a stored value
 *     [ tag, bin32 value, float64 ]                 the same, with the milliseconds it has left
 *     [ [ tag, bin32 value, float64 ] ]             the same of one that was found in the tier
 *     [ encoding, bin32 key, tag, bin32 value ]     an entry; tag and value are nil where only its key is told. One that
 *                                                   expires has a fifth field: when, as float64
 *     [ float64 next, entry, entry, ... ]           a page of entries (array32)
 *     str                      JSON text: counts or advice of a shard (object), or `{ "error": { code, message } }`
 *
 * A damaged or hostile frame is answered by a single error in place of the array.
 */
import type { ShardAdvice } from './advice.ts';
import type { CacheError, ErrorRecord } from './errors.ts';
import type { ShardCounts, StoredEntry, StoredPage, StoredValue } from './operations.ts';

export type Result = undefined | boolean | number | StoredValue | StoredEntry | StoredPage | ShardReport | CacheError;
/** What a shard tells of itself. */
export type ShardReport = ShardCounts | ShardAdvice;

/** Markers of msgpack, for the reader, too. */
export const NIL = 0xc0;
export const FALSE = 0xc2;
export const TRUE = 0xc3;
export const BIN32 = 0xc6;
export const FLOAT64 = 0xcb;
export const STR32 = 0xdb;
export const ARRAY32 = 0xdd;
export const SINGLE = 0x91;
export const PAIR = 0x92;
export const TRIPLE = 0x93;
export const ENTRY = 0x94;
export const MORTAL_ENTRY = 0x95;
export const REPLY_HEAD_BYTES = 5;
/** The marker and the count of a page, and where the next one begins. */
const PAGE_HEAD_BYTES = 14;
const INITIAL_BYTES = 1024;
/** A buffer that has grown past this is not kept for the next reply. */
const KEPT_BYTES = 2 * 1024 * 1024;
/** A reply takes one value of any size, but no second one that would make it larger than this. */
export const REPLY_BYTES_MAX = 64 * 1024 * 1024;

/** What a reply has room for, in however many parts it is written. */
export class ReplyRoom {
  #valueBytes = 0;

  /** Whether values of this size still belong into the reply. */
  admits(valueBytes: number): boolean {
    return this.#valueBytes === 0 || this.#valueBytes + valueBytes <= REPLY_BYTES_MAX;
  }

  take(valueBytes: number): void {
    this.#valueBytes += valueBytes;
  }

  /** What was taken will not be written, or is about to be. */
  giveBack(valueBytes: number): void {
    this.#valueBytes -= valueBytes;
  }

  clear(): void {
    this.#valueBytes = 0;
  }
}

export class ReplyWriter {
  #buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #length = REPLY_HEAD_BYTES;
  #count = 0;
  #room = new ReplyRoom();
  #plain = true;
  #pageAt = 0;
  #pageEntries = 0;

  /** What is written from now on belongs to the reply that has this room, until it is sealed. */
  writeInto(room: ReplyRoom): void {
    this.#room = room;
  }

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
    return this.#room.admits(valueBytes);
  }

  value(tag: number, bytes: Uint8Array): void {
    this.#tagged(PAIR, tag, bytes);
    this.#finish();
  }

  /** A value that has so many milliseconds left. */
  mortalValue(tag: number, bytes: Uint8Array, leftMs: number, isFromTier = false): void {
    if (isFromTier) {
      this.#reserve(1);
      this.#buffer[this.#length++] = SINGLE;
    }
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
    this.#room.clear();
    this.#empty();
    return reply;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** What was written as a part of a reply, and an empty writer. */
  take(): ReplyPart {
    const isDone = this.#plain && this.#count === 1;
    const part = isDone ? DONE : { count: this.#count, isPlain: this.#plain, body: this.#body(REPLY_HEAD_BYTES) };
    this.#empty();
    return part;
  }

  #empty(): void {
    this.#length = REPLY_HEAD_BYTES;
    this.#count = 0;
    this.#plain = true;
    if (this.#buffer.length > KEPT_BYTES) {
      this.#buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    }
  }

  #close(): Uint8Array {
    writeHead(this.#buffer, this.#count);
    return this.#body(0);
  }

  /** A copy. */
  #body(from: number): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#buffer, from, this.#length);
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
    this.#room.take(bytes.length);
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
    this.#room.take(bytes.length);
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

/** Results that follow each other in a reply. */
export interface ReplyPart {
  readonly count: number;
  /** Whether all went well and none has anything to say. */
  readonly isPlain: boolean;
  readonly body: Uint8Array;
}

/** What most writes answer: there is no need of another one for each. */
const DONE: ReplyPart = { count: 1, isPlain: true, body: Uint8Array.of(NIL) };

/** The reply that consists of these parts. */
export function joinParts(parts: readonly ReplyPart[]): number | Uint8Array {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  if (parts.every(({ isPlain }) => isPlain)) {
    return count;
  }
  const reply = Buffer.allocUnsafeSlow(parts.reduce((sum, { body }) => sum + body.length, REPLY_HEAD_BYTES));
  writeHead(reply, count);
  let at = REPLY_HEAD_BYTES;
  for (const { body } of parts) {
    reply.set(body, at);
    at += body.length;
  }
  return reply;
}

function writeHead(reply: Buffer, count: number): void {
  reply[0] = ARRAY32;
  reply.writeUInt32BE(count, 1);
}
