/** Reads what `reply.ts` writes. A reply comes from a shard's thread; one that is damaged is told, and nothing is believed of it. */
import { CacheError, type ErrorRecord } from './errors.ts';
import type { StoredEntry, StoredPage, StoredValue } from './operations.ts';
import {
  ARRAY32,
  BIN32,
  ENTRY,
  FALSE,
  FLOAT64,
  MORTAL_ENTRY,
  NIL,
  PAIR,
  REPLY_HEAD_BYTES,
  type Result,
  type ShardReport,
  SINGLE,
  STR32,
  TRIPLE,
  TRUE,
} from './reply.ts';

/** The results of a reply, in order, or their count when none has anything to say. Throws RangeError for anything else. */
export function readReply(reply: unknown): number | Result[] {
  if (typeof reply === 'number') {
    return reply;
  }
  if (!(reply instanceof Uint8Array) || reply.length < REPLY_HEAD_BYTES || reply[0] !== ARRAY32) {
    throw new RangeError('not a reply');
  }
  const results = new ReplyReader(reply);
  const count = results.count;
  return Array.from({ length: count }, () => results.next());
}

class ReplyReader {
  readonly count: number;
  readonly #buffer: Buffer;
  #at = REPLY_HEAD_BYTES;

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
      case TRIPLE:
        return this.#value();
      case SINGLE:
        this.#at++;
        return { ...this.#value(), isFromTier: true };
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

  #value(): StoredValue {
    const marker = this.#buffer[this.#at];
    if (marker !== PAIR && marker !== TRIPLE) {
      throw this.#broken();
    }
    const tag = this.#buffer[this.#at + 1] as number;
    this.#at += 2;
    const bytes = this.#bytes();
    return marker === PAIR ? { tag, bytes } : { tag, bytes, leftMs: this.#double() };
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
