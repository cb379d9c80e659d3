/**
 * Values that need no envelope: strings, bytes, numbers and the constants are stored as they are, under a tag of their
 * own. That is several times faster than any format around them, so the built-in serializers share it and differ in the
 * rest: each extends this class with a format for everything else.
 *
 *     tag    1 ASCII | 2 UTF-8 | 3 UTF-16 | 4 Buffer | 5 Uint8Array | 6 number     | 7 undefined ... 10 true
 *     bytes  text    | text    | text, LE | bytes    | bytes        | float64, LE  | none
 */
import { types } from 'node:util';
import { misuse } from '../../protocol/errors.ts';
import {
  TAG_ASCII,
  TAG_BUFFER,
  TAG_FALSE,
  TAG_NULL,
  TAG_NUMBER,
  TAG_TRUE,
  TAG_UINT8_ARRAY,
  TAG_UNDEFINED,
  TAG_UTF8,
  TAG_UTF16,
  type Tag,
} from '../../protocol/value-tags.ts';
import { failed, type ValueCodec } from './codec.ts';

const SCRATCH_BYTES = 64 * 1024;
const NUMBER_BYTES = 8;
const NOTHING = new Uint8Array(0);
/** Where numbers become bytes, and back. Like frames, this takes the machine to be little-endian. */
const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

export abstract class BareCodec implements ValueCodec {
  abstract readonly name: string;
  tag: Tag = TAG_UNDEFINED;
  bytes: Uint8Array = NOTHING;
  byteLength = 0;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

  /** Throws when `encodeRest` would. */
  protected abstract checkRest(value: unknown): void;
  /** Takes a value that is not bare: a bigint, an object, or what must be refused. */
  protected abstract encodeRest(value: unknown): void;
  /** The value of a tag that is not bare. */
  protected abstract decodeRest(tag: Tag, bytes: Buffer, byteLength: number): unknown;

  check(value: unknown): void {
    switch (typeof value) {
      case 'string':
      case 'number':
      case 'boolean':
      case 'undefined':
        return;
      default:
        break;
    }
    if (value === null) {
      return;
    }
    try {
      this.checkRest(value);
    } catch (cause) {
      throw failed(`The serializer '${this.name}' cannot store this value`, cause);
    }
  }

  encode(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.#encodeString(value);
      case 'number':
        double[0] = value;
        return this.take(TAG_NUMBER, doubleBytes, NUMBER_BYTES);
      case 'boolean':
        return this.take(value ? TAG_TRUE : TAG_FALSE, NOTHING, 0);
      case 'undefined':
        return this.take(TAG_UNDEFINED, NOTHING, 0);
      default:
        break;
    }
    if (value === null) {
      return this.take(TAG_NULL, NOTHING, 0);
    }
    const bytesTag = bytesTagOf(value);
    if (bytesTag !== undefined) {
      return this.take(bytesTag, value as Uint8Array, (value as Uint8Array).length);
    }
    try {
      this.encodeRest(value);
    } catch (cause) {
      throw failed(`The serializer '${this.name}' cannot store this value`, cause);
    }
  }

  decode(tag: Tag, bytes: Buffer, byteLength: number): unknown {
    switch (tag) {
      case TAG_ASCII:
        return bytes.toString('latin1', 0, byteLength);
      case TAG_UTF8:
        return bytes.toString('utf8', 0, byteLength);
      case TAG_UTF16:
        return bytes.toString('utf16le', 0, byteLength);
      case TAG_BUFFER:
        return decodeBuffer(bytes, byteLength);
      case TAG_UINT8_ARRAY:
        return decodeUint8Array(bytes, byteLength);
      case TAG_NUMBER:
        return decodeNumber(bytes, byteLength);
      case TAG_UNDEFINED:
        return undefined;
      case TAG_NULL:
        return null;
      case TAG_FALSE:
        return false;
      case TAG_TRUE:
        return true;
      default:
        break;
    }
    try {
      return this.decodeRest(tag, bytes, byteLength);
    } catch (cause) {
      throw failed(`The serializer '${this.name}' cannot read what is stored`, cause);
    }
  }

  protected take(tag: Tag, bytes: Uint8Array, byteLength: number): void {
    this.tag = tag;
    this.bytes = bytes;
    this.byteLength = byteLength;
  }

  /** Takes well-formed text as UTF-8. */
  protected takeText(tag: Tag, text: string): void {
    const room = this.#roomFor(text);
    this.take(tag, room, room.write(text, 'utf8'));
  }

  /** As many bytes as characters means ASCII, which decodes fastest. */
  #encodeString(value: string): void {
    const room = this.#roomFor(value);
    const written = room.write(value, 'utf8');
    if (written === value.length) {
      return this.take(TAG_ASCII, room, written);
    }
    if (value.isWellFormed()) {
      return this.take(TAG_UTF8, room, written);
    }
    return this.take(TAG_UTF16, Buffer.from(value, 'utf16le'), value.length * 2);
  }

  #roomFor(text: string): Buffer {
    return text.length * 3 <= SCRATCH_BYTES ? this.#scratch : Buffer.allocUnsafeSlow(text.length * 3);
  }
}

/** The tag of a Buffer or Uint8Array, undefined for all else. What somebody hangs on one beside its bytes is not seen. */
export function bytesTagOf(value: unknown): Tag | undefined {
  if (!types.isUint8Array(value)) {
    return undefined;
  }
  switch (Object.getPrototypeOf(value)) {
    case Buffer.prototype:
      return TAG_BUFFER;
    case Uint8Array.prototype:
      return TAG_UINT8_ARRAY;
    default:
      return undefined;
  }
}

/**
 * A Buffer as `Buffer.from` makes one: below 4 KiB a part of Node's pool. With memory of its own 100 bytes take 6 times as
 * long (700 ns against 120), most of it for the allocation, and the collection of what lies outside the heap.
 */
export function decodeBuffer(bytes: Buffer, byteLength: number): Buffer {
  const buffer = Buffer.allocUnsafe(byteLength);
  bytes.copy(buffer, 0, 0, byteLength);
  return buffer;
}

export function decodeUint8Array(bytes: Uint8Array, byteLength: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint8Array.prototype.slice.call(bytes, 0, byteLength).buffer);
}

export function decodeNumber(bytes: Uint8Array, byteLength: number): number {
  if (byteLength !== NUMBER_BYTES) {
    throw misuse('SERIALIZATION_ERROR', `a number of ${NUMBER_BYTES} bytes`, `${byteLength} bytes`);
  }
  for (let i = 0; i < NUMBER_BYTES; i++) {
    doubleBytes[i] = bytes[i] as number;
  }
  return double[0] as number;
}
