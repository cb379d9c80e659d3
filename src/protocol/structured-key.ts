/**
 * Keys by value: the canonical bytes of every key that is neither a string nor a number. Two keys have the same bytes
 * exactly when they are equal by structure, so `{ a: 1, b: 2 }` finds what was stored under `{ b: 2, a: 1 }`.
 *
 *     item     tag, then what the tag says; floats and dates are little-endian float64, -0 is 0 and there is one NaN
 *
 *       0 undefined      4 number  | float64 |                10 array   | count | item ...                   |
 *       1 null           5 string  | length | UTF-8 |         11 object  | count | length | name | item ...   |  by name
 *       2 false          6 bigint  | words | magnitude |      12 Map     | count | item | item ...            |  by bytes
 *       3 true           7 the same below zero                13 Set     | count | item ...                   |  by bytes
 *                        8 Date    | float64 of its ms |
 *                        9 bytes   | length | bytes |
 *
 *     length, count and words are LEB128: 7 bits a byte, low ones first, the top bit set while more follow. A magnitude is
 *     as many big-endian 64-bit words as it needs, at least one. Names are sorted by UTF-16 code unit.
 *
 * Every item says where it ends, so no list of items reads as another. Entries of a Map and members of a Set are written
 * and then put in the order of their own bytes. Those that are equal by structure but not identical, which only objects can
 * be, are kept as often as they occur. What counts of an object are its enumerable properties, as for JSON; accessors are
 * read. Of bytes only the bytes count: looking for properties beside them would cost more than all the rest.
 *
 * Nothing larger than allowed is ever built: sizes are compared with the room that is left before they are written. A key
 * has KEY_BYTES_MAX from the beginning; a writer of longer values begins with as much and doubles it.
 */
import { types } from 'node:util';
import { sortRanges } from './byte-order.ts';
import {
  illFormed,
  invalidDate,
  notDense,
  notPlain,
  tooDeep,
  tooLong,
  withProperties,
  withSymbols,
} from './invalid-key.ts';
import { KEY_BYTES_MAX, wordsFor } from './memory.ts';

export const TAG_UNDEFINED = 0;
export const TAG_NULL = 1;
export const TAG_FALSE = 2;
export const TAG_TRUE = 3;
export const TAG_NUMBER = 4;
export const TAG_STRING = 5;
export const TAG_BIGINT = 6;
export const TAG_NEGATIVE_BIGINT = 7;
export const TAG_DATE = 8;
export const TAG_BYTES = 9;
export const TAG_ARRAY = 10;
export const TAG_OBJECT = 11;
export const TAG_MAP = 12;
export const TAG_SET = 13;

/** Arrays, objects, Maps and Sets within each other. Deeper than any key people write; a cycle ends here. */
export const DEPTH_MAX = 100;
/** A longer string goes through the UTF-8 encoder of Node, which is faster from about here on. */
const ASCII_LOOP_MAX = 48;
/** A NaN has a payload in the machine, and two of them would be two keys: the high word of the one that is written. */
export const NAN_HIGH = 0x7ff8_0000;
/** Of a bigint's magnitude. */
export const WORD_BYTES = 8;

/** The bytes of a key in whole words, the rest of the last one zero. Good until the next key is encoded. */
export interface StructuredBytes {
  readonly words: Int32Array;
  readonly byteLength: number;
}

/** The writer that is free, if one is: an accessor in a key may use a cache, and so encode a key within a key. */
let idle: Writer | undefined;

/** The canonical bytes of a key. Throws INVALID_KEY for what has none. */
export function encodeStructured(key: unknown): StructuredBytes {
  if (key === undefined) {
    throw notPlain(key);
  }
  const writer = idle ?? new Writer(KEY_BYTES_MAX);
  idle = undefined;
  try {
    writer.write(key);
  } finally {
    writer.key = undefined;
    idle = writer;
  }
  return writer;
}

/** The canonical bytes of a value of up to `bytesMax` bytes, in memory of their own. Throws INVALID_KEY for what has none. */
export function encodeLongStructured(value: unknown, bytesMax: number): Buffer {
  const writer = new Writer(bytesMax);
  writer.write(value);
  return Buffer.from(writer.words.buffer, 0, writer.byteLength);
}

class Writer implements StructuredBytes {
  words = new Int32Array(wordsFor(KEY_BYTES_MAX));
  byteLength = 0;
  /** The whole key, for messages. */
  key: unknown;
  #bytes = Buffer.from(this.words.buffer);
  #view = new DataView(this.words.buffer);
  /** What may be written without a further look: bytesMax, or less while the memory is smaller. */
  #roomMax: number;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#roomMax = Math.min(bytesMax, this.words.byteLength);
  }

  write(key: unknown): void {
    this.key = key;
    this.byteLength = 0;
    this.#item(key, 0);
    for (let at = this.byteLength; (at & 3) !== 0; at++) {
      this.#bytes[at] = 0;
    }
  }

  #item(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        this.#byte(TAG_STRING);
        return this.#text(value);
      case 'number':
        this.#byte(TAG_NUMBER);
        return this.#float64(value);
      case 'boolean':
        return this.#byte(value ? TAG_TRUE : TAG_FALSE);
      case 'undefined':
        return this.#byte(TAG_UNDEFINED);
      case 'bigint':
        return this.#bigint(value);
      case 'object':
        return value === null ? this.#byte(TAG_NULL) : this.#structure(value, depth);
      default:
        throw notPlain(value);
    }
  }

  #structure(value: object, depth: number): void {
    if (depth === DEPTH_MAX) {
      throw tooDeep(this.key, DEPTH_MAX);
    }
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      return this.#object(value as Record<string, unknown>, depth + 1);
    }
    if (prototype === Array.prototype && Array.isArray(value)) {
      return this.#array(value, depth + 1);
    }
    if ((prototype === Uint8Array.prototype || prototype === Buffer.prototype) && types.isUint8Array(value)) {
      return this.#uint8Array(value);
    }
    const isDate = prototype === Date.prototype && types.isDate(value);
    const isMap = prototype === Map.prototype && types.isMap(value);
    const isSet = prototype === Set.prototype && types.isSet(value);
    if (!isDate && !isMap && !isSet) {
      throw notPlain(value);
    }
    if (Reflect.ownKeys(value).length > 0) {
      throw withProperties(value);
    }
    if (isDate) {
      return this.#date(value);
    }
    return isMap ? this.#map(value, depth + 1) : this.#set(value as Set<unknown>, depth + 1);
  }

  #object(value: Readonly<Record<string, unknown>>, depth: number): void {
    const names = Object.keys(value);
    // A property is two bytes at least, and names are sorted only when they can fit.
    this.#begin(TAG_OBJECT, names.length, 2);
    if (Object.getOwnPropertySymbols(value).length > 0) {
      throw withSymbols(value);
    }
    if (!isSorted(names)) {
      names.sort();
    }
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      this.#text(name);
      this.#item(value[name], depth);
    }
  }

  #array(value: readonly unknown[], depth: number): void {
    const { length } = value;
    this.#begin(TAG_ARRAY, length, 1);
    if (Object.keys(value).length !== length || Object.getOwnPropertySymbols(value).length > 0) {
      throw notDense(value);
    }
    for (let i = 0; i < length; i++) {
      const item = value[i];
      if (item === undefined && !Object.hasOwn(value, i)) {
        throw notDense(value);
      }
      this.#item(item, depth);
    }
  }

  #map(value: ReadonlyMap<unknown, unknown>, depth: number): void {
    this.#begin(TAG_MAP, value.size, 2);
    const starts = [this.byteLength];
    // A copy: an accessor among the keys could change the Map, and the count is written.
    for (const [key, item] of [...value]) {
      this.#item(key, depth);
      this.#item(item, depth);
      starts.push(this.byteLength);
    }
    sortRanges(this.#bytes, starts);
  }

  #set(value: ReadonlySet<unknown>, depth: number): void {
    this.#begin(TAG_SET, value.size, 1);
    const starts = [this.byteLength];
    for (const member of [...value]) {
      this.#item(member, depth);
      starts.push(this.byteLength);
    }
    sortRanges(this.#bytes, starts);
  }

  #uint8Array(value: Uint8Array): void {
    this.#begin(TAG_BYTES, value.length, 1);
    this.#bytes.set(value, this.byteLength);
    this.byteLength += value.length;
  }

  #date(value: Date): void {
    const ms = Date.prototype.getTime.call(value);
    if (Number.isNaN(ms)) {
      throw invalidDate(value);
    }
    this.#byte(TAG_DATE);
    this.#float64(ms);
  }

  #bigint(value: bigint): void {
    // Looks at no more bits than may fit, where text or arithmetic would first make a copy of all.
    if (BigInt.asIntN(this.#bytesMax * 8, value) !== value) {
      throw tooLong(this.key, this.#bytesMax);
    }
    const magnitude = value < 0n ? -value : value;
    const tag = value < 0n ? TAG_NEGATIVE_BIGINT : TAG_BIGINT;
    // Bigints are mostly ids of 64 bits: 30 ns against 140 by way of their digits.
    if (BigInt.asUintN(64, magnitude) === magnitude) {
      this.#begin(tag, 1, WORD_BYTES);
      this.#view.setBigUint64(this.byteLength, magnitude);
      this.byteLength += WORD_BYTES;
      return;
    }
    const digits = magnitude.toString(16);
    const words = Math.ceil(digits.length / (WORD_BYTES * 2));
    this.#begin(tag, words, WORD_BYTES);
    this.byteLength += this.#bytes.write(digits.padStart(words * WORD_BYTES * 2, '0'), this.byteLength, 'hex');
  }

  #float64(value: number): void {
    this.#room(8);
    if (Number.isNaN(value)) {
      this.#view.setUint32(this.byteLength, 0, true);
      this.#view.setUint32(this.byteLength + 4, NAN_HIGH, true);
    } else {
      // -0 + 0 is 0.
      this.#view.setFloat64(this.byteLength, value + 0, true);
    }
    this.byteLength += 8;
  }

  /** Length and UTF-8 of a text. */
  #text(text: string): void {
    const { length } = text;
    const start = this.byteLength;
    this.#room(1 + length);
    if (length <= ASCII_LOOP_MAX) {
      const bytes = this.#bytes;
      let seen = 0;
      bytes[start] = length;
      for (let i = 0; i < length; i++) {
        const code = text.charCodeAt(i);
        seen |= code;
        bytes[start + 1 + i] = code;
      }
      if (seen <= 0x7f) {
        this.byteLength = start + 1 + length;
        return;
      }
    }
    if (!text.isWellFormed()) {
      throw illFormed(text);
    }
    const byteLength = Buffer.byteLength(text);
    this.#count(byteLength);
    this.#room(byteLength);
    this.byteLength += this.#bytes.write(text, this.byteLength, 'utf8');
  }

  #byte(byte: number): void {
    this.#room(1);
    this.#bytes[this.byteLength++] = byte;
  }

  /** A tag and a count, where so many of what follows, each of `bytesLeast` or more, can still fit. */
  #begin(tag: number, count: number, bytesLeast: number): void {
    this.#byte(tag);
    this.#count(count);
    this.#room(count * bytesLeast);
  }

  #count(count: number): void {
    let rest = count;
    for (; rest > 0x7f; rest >>>= 7) {
      this.#byte((rest & 0x7f) | 0x80);
    }
    this.#byte(rest);
  }

  #room(byteLength: number): void {
    if (this.byteLength + byteLength > this.#roomMax) {
      this.#grow(this.byteLength + byteLength);
    }
  }

  #grow(byteLength: number): void {
    if (byteLength > this.#bytesMax) {
      throw tooLong(this.key, this.#bytesMax);
    }
    const words = new Int32Array(wordsFor(Math.min(Math.max(byteLength, this.#roomMax * 2), this.#bytesMax)));
    words.set(this.words);
    this.words = words;
    this.#bytes = Buffer.from(words.buffer);
    this.#view = new DataView(words.buffer);
    this.#roomMax = Math.min(this.#bytesMax, words.byteLength);
  }
}

function isSorted(names: readonly string[]): boolean {
  for (let i = 1; i < names.length; i++) {
    if ((names[i - 1] as string) > (names[i] as string)) {
      return false;
    }
  }
  return true;
}
