/**
 * The answer to a frame. When every record went well and none has anything to say, it is their count, a plain number.
 * Otherwise it is one msgpack array with a result per record, in order:
 *
 *     nil                      done, or nothing there
 *     true, false              yes, no
 *     float64                  a count
 *     [ tag, bin32 value ]     a stored value
 *     str                      JSON text: counts of a shard (object), or `{ "error": { code, message } }`
 *
 * A damaged or hostile frame is answered by a single error in place of the array.
 */
import { CacheError, type ErrorRecord } from './errors.ts';
import type { ShardCounts, StoredValue } from './operations.ts';

export type Result = undefined | boolean | number | StoredValue | ShardCounts | CacheError;

const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;
const BIN32 = 0xc6;
const FLOAT64 = 0xcb;
const STR32 = 0xdb;
const ARRAY32 = 0xdd;
const PAIR = 0x92;
const HEAD_BYTES = 5;
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
    this.#reserve(9);
    this.#buffer[this.#length] = FLOAT64;
    this.#buffer.writeDoubleBE(value, this.#length + 1);
    this.#length += 9;
    this.#finish();
  }

  /** Whether a value of this size still belongs into this reply. */
  admits(valueBytes: number): boolean {
    return this.#valueBytes === 0 || this.#valueBytes + valueBytes <= REPLY_BYTES_MAX;
  }

  value(tag: number, bytes: Uint8Array): void {
    this.#reserve(7 + bytes.length);
    const buffer = this.#buffer;
    buffer[this.#length] = PAIR;
    buffer[this.#length + 1] = tag;
    buffer[this.#length + 2] = BIN32;
    buffer.writeUInt32BE(bytes.length, this.#length + 3);
    buffer.set(bytes, this.#length + 7);
    this.#length += 7 + bytes.length;
    this.#valueBytes += bytes.length;
    this.#finish();
  }

  counts(counts: ShardCounts): void {
    this.#text(JSON.stringify(counts));
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
  const buffer = Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength);
  const count = buffer.readUInt32BE(1);
  const results: Result[] = [];
  let at = HEAD_BYTES;
  for (let i = 0; i < count; i++) {
    switch (buffer[at]) {
      case NIL:
        results.push(undefined);
        at += 1;
        break;
      case TRUE:
      case FALSE:
        results.push(buffer[at] === TRUE);
        at += 1;
        break;
      case FLOAT64:
        results.push(buffer.readDoubleBE(at + 1));
        at += 9;
        break;
      case PAIR: {
        const end = endOf(at + 3, buffer);
        results.push({ tag: buffer[at + 1] as number, bytes: buffer.subarray(at + 7, end) });
        at = end;
        break;
      }
      case STR32: {
        const end = endOf(at + 1, buffer);
        results.push(parse(buffer.toString('utf8', at + 5, end)));
        at = end;
        break;
      }
      default:
        throw new RangeError(`no result at byte ${at} of a reply of ${buffer.length}`);
    }
  }
  return results;
}

/** Where the bytes end whose length is at `lengthAt`. A view past the end would be cut short without a word. */
function endOf(lengthAt: number, buffer: Buffer): number {
  const end = lengthAt + 4 + buffer.readUInt32BE(lengthAt);
  if (end > buffer.length) {
    throw new RangeError(`a result that ends at byte ${end} of a reply of ${buffer.length}`);
  }
  return end;
}

function parse(text: string): ShardCounts | CacheError {
  const result = JSON.parse(text) as ShardCounts | { error: ErrorRecord };
  return 'error' in result ? new CacheError(result.error.code, result.error.message) : result;
}
