/**
 * From the canonical bytes of a key back to a key equal to it. The format is drawn in structured-key.ts.
 *
 * A null-prototype object comes back as a plain one and a Buffer as a Uint8Array: they are equal keys.
 */

import type { CacheKey, CacheKeyPart } from './cache-key.ts';
import { CacheError } from './errors.ts';
import {
  DEPTH_MAX,
  TAG_ARRAY,
  TAG_BIGINT,
  TAG_BYTES,
  TAG_DATE,
  TAG_FALSE,
  TAG_MAP,
  TAG_NEGATIVE_BIGINT,
  TAG_NULL,
  TAG_NUMBER,
  TAG_OBJECT,
  TAG_SET,
  TAG_STRING,
  TAG_TRUE,
  TAG_UNDEFINED,
  WORD_BYTES,
} from './structured-key.ts';

/** Throws PROTOCOL_ERROR for bytes that are no key. They must not change meanwhile. */
export function decodeStructured(bytes: Buffer): CacheKey {
  return new Reader(bytes).key();
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  key(): CacheKey {
    const key = this.#item(0);
    if (key === undefined || this.#at !== this.#bytes.length) {
      throw damaged();
    }
    return key;
  }

  #item(depth: number): CacheKeyPart {
    const tag = this.#bytes[this.#take(1)] as number;
    if (depth > DEPTH_MAX) {
      throw damaged();
    }
    switch (tag) {
      case TAG_UNDEFINED:
        return undefined;
      case TAG_NULL:
        return null;
      case TAG_FALSE:
        return false;
      case TAG_TRUE:
        return true;
      case TAG_NUMBER:
        return this.#float64();
      case TAG_STRING:
        return this.#text();
      case TAG_BIGINT:
        return this.#magnitude();
      case TAG_NEGATIVE_BIGINT:
        return -this.#magnitude();
      case TAG_DATE:
        return new Date(this.#float64());
      case TAG_BYTES: {
        const length = this.#count();
        const start = this.#take(length);
        return Uint8Array.from(this.#bytes.subarray(start, start + length));
      }
      case TAG_ARRAY:
        return this.#list(() => this.#item(depth + 1));
      case TAG_OBJECT:
        // Defines properties, where an assignment to `__proto__` would set the prototype.
        return Object.fromEntries(this.#list(() => [this.#text(), this.#item(depth + 1)]));
      case TAG_MAP:
        return new Map(this.#list(() => [this.#item(depth + 1), this.#item(depth + 1)]));
      case TAG_SET:
        return new Set(this.#list(() => this.#item(depth + 1)));
      default:
        throw damaged();
    }
  }

  /** A count, and so many of what follows. Every one takes a byte, so a damaged count ends with the bytes. */
  #list<T>(next: () => T): T[] {
    const list: T[] = [];
    for (let left = this.#count(); left > 0; left--) {
      list.push(next());
    }
    return list;
  }

  #magnitude(): bigint {
    const byteLength = this.#count() * WORD_BYTES;
    const start = this.#take(byteLength);
    if (byteLength === 0) {
      throw damaged();
    }
    return BigInt(`0x${this.#bytes.toString('hex', start, start + byteLength)}`);
  }

  #float64(): number {
    return this.#bytes.readDoubleLE(this.#take(8));
  }

  #text(): string {
    const byteLength = this.#count();
    const start = this.#take(byteLength);
    return this.#bytes.toString('utf8', start, start + byteLength);
  }

  #count(): number {
    let count = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#take(1)] as number;
      count |= (byte & 0x7f) << shift;
      if (byte <= 0x7f) {
        return count >>> 0;
      }
    }
  }

  /** Steps over so many bytes and says where they begin. */
  #take(byteLength: number): number {
    const start = this.#at;
    this.#at += byteLength;
    if (this.#at > this.#bytes.length) {
      throw damaged();
    }
    return start;
  }
}

function damaged(): CacheError {
  return new CacheError('PROTOCOL_ERROR', 'The bytes are no key that this version of shardstash writes');
}
