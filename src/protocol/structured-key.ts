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
 * Nothing larger than a key may be is ever built: sizes are compared with the room that is left before they are written.
 */
import { types } from 'node:util';
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
  const writer = idle ?? new Writer();
  idle = undefined;
  try {
    writer.write(key);
  } finally {
    writer.key = undefined;
    idle = writer;
  }
  return writer;
}

class Writer implements StructuredBytes {
  readonly words = new Int32Array(wordsFor(KEY_BYTES_MAX));
  byteLength = 0;
  /** The whole key, for messages. */
  key: unknown;
  readonly #bytes = Buffer.from(this.words.buffer);
  readonly #view = new DataView(this.words.buffer);

  write(key: unknown): void {
    if (key === undefined) {
      throw notPlain(key);
    }
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
    this.#sort(starts);
  }

  #set(value: ReadonlySet<unknown>, depth: number): void {
    this.#begin(TAG_SET, value.size, 1);
    const starts = [this.byteLength];
    for (const member of [...value]) {
      this.#item(member, depth);
      starts.push(this.byteLength);
    }
    this.#sort(starts);
  }

  /** Puts ranges in the order of their bytes. Each ends where the next one starts, the last where the last start is. */
  #sort(starts: readonly number[]): void {
    const [first, end] = [starts[0] as number, this.byteLength];
    const count = starts.length - 1;
    let sorted = 1;
    while (sorted < count && this.#compare(starts, sorted - 1, sorted) <= 0) {
      sorted++;
    }
    if (sorted >= count) {
      return;
    }
    const order = Array.from({ length: count }, (_, index) => index).sort((a, b) => this.#compare(starts, a, b));
    const unsorted = Buffer.from(this.#bytes.subarray(first, end));
    let at = first;
    for (const index of order) {
      const [from, to] = [starts[index] as number, starts[index + 1] as number];
      at += unsorted.copy(this.#bytes, at, from - first, to - first);
    }
  }

  /** A loop, since ranges differ soon: Buffer's compare takes longer to start than most of these take to end. */
  #compare(starts: readonly number[], left: number, right: number): number {
    const bytes = this.#bytes;
    let a = starts[left] as number;
    let b = starts[right] as number;
    const end = starts[left + 1] as number;
    // Ranges say where they end, so none of two different ones begins with the other.
    while (a < end && bytes[a] === bytes[b]) {
      a++;
      b++;
    }
    return a === end ? 0 : (bytes[a] as number) - (bytes[b] as number);
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
    if (BigInt.asIntN(KEY_BYTES_MAX * 8, value) !== value) {
      throw tooLong(this.key);
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
    if (this.byteLength + byteLength > KEY_BYTES_MAX) {
      throw tooLong(this.key);
    }
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
