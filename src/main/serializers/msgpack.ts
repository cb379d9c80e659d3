/**
 * The default serializer: msgpack, with a promise that msgpack alone does not make. A value that is stored comes back
 * equal, or the call that stored it fails with SERIALIZATION_ERROR; it never comes back different.
 *
 * Strings, bytes, numbers and the constants are stored bare under a tag of their own, which is several times faster
 * than any envelope. Structures that msgpack carries faithfully go through msgpackr. Those within the allow-list that it
 * would bend (-0, Set, Map, RegExp, Error, typed arrays, holes, large bigints, ill-formed strings, `__proto__` keys) go
 * through V8's structured serializer. Class instances, functions, symbols and cycles are refused.
 */
import { deserialize, serialize } from 'node:v8';
import { Packr } from 'msgpackr';
import { describe, misuse } from '../../protocol/errors.ts';
import { dehydrate, isBuiltInError, rehydrate } from './error-values.ts';
import type { Tag, ValueCodec } from './index.ts';

const MSGPACK = 0;
const ASCII = 1;
const UTF8 = 2;
const UTF16 = 3;
const BUFFER = 4;
const UINT8_ARRAY = 5;
const FLOAT64 = 6;
const UNDEFINED = 7;
const NULL = 8;
const FALSE = 9;
const TRUE = 10;
const STRUCTURED = 11;

/** Deeper than any data people cache; a cycle ends here. */
const DEPTH_MAX = 500;
const SCRATCH_BYTES = 64 * 1024;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const NOTHING = new Uint8Array(0);

export class MsgpackCodec implements ValueCodec {
  tag: Tag = UNDEFINED;
  bytes: Uint8Array = NOTHING;
  byteLength = 0;
  readonly #packr = new Packr({ useRecords: false, moreTypes: true, copyBuffers: true });
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  readonly #double = new Float64Array(1);
  readonly #doubleBytes = new Uint8Array(this.#double.buffer);

  check(value: unknown): void {
    if (typeof value === 'object' ? value !== null : typeof value !== 'string') {
      isPlain(value, 0);
    }
  }

  encode(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.#encodeString(value);
      case 'number':
        this.#double[0] = value;
        return this.#take(FLOAT64, this.#doubleBytes, 8);
      case 'boolean':
        return this.#take(value ? TRUE : FALSE, NOTHING, 0);
      case 'undefined':
        return this.#take(UNDEFINED, NOTHING, 0);
      default:
        break;
    }
    if (value === null) {
      return this.#take(NULL, NOTHING, 0);
    }
    if (value instanceof Uint8Array && (Buffer.isBuffer(value) || isPlainBytes(value))) {
      return this.#take(Buffer.isBuffer(value) ? BUFFER : UINT8_ARRAY, value, value.length);
    }
    if (isPlain(value, 0)) {
      const packed = this.#packr.pack(value);
      return this.#take(MSGPACK, packed, packed.length);
    }
    const bytes = serialize(dehydrate(value));
    this.#take(STRUCTURED, bytes, bytes.length);
  }

  decode(tag: Tag, bytes: Buffer, byteLength: number): unknown {
    switch (tag) {
      case MSGPACK:
        return this.#packr.unpack(bytes, byteLength);
      case ASCII:
        return bytes.toString('latin1', 0, byteLength);
      case UTF8:
        return bytes.toString('utf8', 0, byteLength);
      case UTF16:
        return bytes.toString('utf16le', 0, byteLength);
      case BUFFER:
        return Buffer.from(Uint8Array.prototype.slice.call(bytes, 0, byteLength).buffer);
      case UINT8_ARRAY:
        return new Uint8Array(Uint8Array.prototype.slice.call(bytes, 0, byteLength).buffer);
      case FLOAT64:
        for (let i = 0; i < 8; i++) {
          this.#doubleBytes[i] = bytes[i] as number;
        }
        return this.#double[0];
      case UNDEFINED:
        return undefined;
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case STRUCTURED:
        // A copy: typed arrays that V8 reads are views of the memory they were read from.
        return rehydrate(deserialize(Uint8Array.prototype.slice.call(bytes, 0, byteLength)));
      default:
        throw misuse('SERIALIZATION_ERROR', 'a value that this version of the msgpack serializer wrote', `tag ${tag}`);
    }
  }

  /** As many bytes as characters means ASCII, which decodes fastest. */
  #encodeString(value: string): void {
    const room = value.length * 3 <= SCRATCH_BYTES ? this.#scratch : Buffer.allocUnsafeSlow(value.length * 3);
    const written = room.write(value, 'utf8');
    if (written === value.length) {
      return this.#take(ASCII, room, written);
    }
    if (value.isWellFormed()) {
      return this.#take(UTF8, room, written);
    }
    return this.#take(UTF16, Buffer.from(value, 'utf16le'), value.length * 2);
  }

  #take(tag: Tag, bytes: Uint8Array, byteLength: number): void {
    this.tag = tag;
    this.bytes = bytes;
    this.byteLength = byteLength;
  }
}

/** True where msgpack carries the value faithfully, false where the structured form must; throws where neither may. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed();
    case 'number':
      return value !== 0 || !Object.is(value, -0);
    case 'boolean':
    case 'undefined':
      return true;
    case 'bigint':
      return value >= INT64_MIN && value <= INT64_MAX;
    case 'object':
      return value === null || isPlainObject(value, depth);
    default:
      throw refused(value);
  }
}

function isPlainObject(value: object, depth: number): boolean {
  if (depth >= DEPTH_MAX) {
    throw misuse('SERIALIZATION_ERROR', `a value without cycles, nested at most ${DEPTH_MAX} deep`, value);
  }
  if (Array.isArray(value)) {
    return isPlainArray(value, depth + 1);
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) {
    let plain = true;
    for (const key in value) {
      plain = isPlain((value as Record<string, unknown>)[key], depth + 1) && key !== '__proto__' && plain;
    }
    if (Object.getOwnPropertySymbols(value).length > 0) {
      throw misuse('SERIALIZATION_ERROR', 'an object without symbol keys', value);
    }
    return plain;
  }
  return isPlainBuiltIn(value, prototype, depth + 1);
}

function isPlainArray(value: readonly unknown[], depth: number): boolean {
  if (Object.getPrototypeOf(value) !== Array.prototype) {
    throw refused(value);
  }
  let plain = true;
  for (let i = 0; i < value.length; i++) {
    const item = value[i];
    plain = isPlain(item, depth) && (item !== undefined || i in value) && plain;
  }
  // The match of a regular expression has properties beside its items. Counting keys costs a fifth of packing objects.
  const keys = Object.keys(value);
  if (keys.length !== value.length) {
    for (const key of keys) {
      isPlain((value as unknown as Record<string, unknown>)[key], depth);
    }
    return false;
  }
  return plain;
}

/** Everything of the allow-list that is neither an array nor a plain object. */
function isPlainBuiltIn(value: object, prototype: unknown, depth: number): boolean {
  switch (prototype) {
    case Date.prototype:
      return !Number.isNaN((value as Date).getTime());
    case Buffer.prototype:
      return true;
    case RegExp.prototype:
      return false;
    case Map.prototype:
      for (const [key, item] of value as Map<unknown, unknown>) {
        isPlain(key, depth);
        isPlain(item, depth);
      }
      return false;
    case Set.prototype:
      for (const item of value as Set<unknown>) {
        isPlain(item, depth);
      }
      return false;
    default:
      break;
  }
  if (isTypedArray(value, prototype)) {
    return false;
  }
  if (isBuiltInError(value, prototype)) {
    isPlain({ ...value }, depth);
    isPlain((value as Error).cause, depth);
    return false;
  }
  throw refused(value);
}

const typedArrays = new Set<unknown>(
  [
    Uint8Array,
    Int8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ].map((kind) => kind.prototype),
);

function isTypedArray(value: object, prototype: unknown): boolean {
  return ArrayBuffer.isView(value) && typedArrays.has(prototype);
}

function isPlainBytes(value: Uint8Array): boolean {
  return Object.getPrototypeOf(value) === Uint8Array.prototype;
}

function refused(value: unknown): TypeError {
  return misuse(
    'SERIALIZATION_ERROR',
    'a value of plain data (class instances, functions and symbols cannot be stored)',
    value,
    { value: describe(value) },
  );
}
