/**
 * Keys as LMDB holds them: it has none that is empty, and none of more than some 2,000 bytes.
 *
 *     'user:1'             75 73 65 72 3a 31                   its UTF-8
 *     ''                   fe                                  bytes that begin no UTF-8
 *     above 1,024 bytes    ff, SHA-256                         and before the record: length (uint32), UTF-8
 *
 * A long key is compared with the one beside the record, so that two with one hash would not be taken for each other; the later
 * one would replace the earlier. Nobody has found two.
 */
import { createHash } from 'node:crypto';

/** Below what LMDB takes for pages of 4 kB, so that a file is the same for every size of page. */
const KEY_BYTES_MAX = 1_024;
const HASHED = 0xff;
const EMPTY = Buffer.from([0xfe]);
const LENGTH_BYTES = 4;

export class LmdbKey {
  /** What LMDB knows it by. */
  readonly bytes: Buffer;
  /** The key itself, where it goes by its hash. */
  readonly #long: Buffer | undefined;

  constructor(key: string) {
    const bytes = Buffer.from(key);
    this.#long = bytes.length > KEY_BYTES_MAX ? bytes : undefined;
    this.bytes = this.#long === undefined ? (bytes.length === 0 ? EMPTY : bytes) : hashOf(bytes);
  }

  /** The value to store for a record: memory of its own. */
  wrap(record: Uint8Array): Buffer {
    const long = this.#long;
    if (long === undefined) {
      return Buffer.from(record);
    }
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(long.length);
    return Buffer.concat([length, long, record]);
  }

  /** The record in a value; undefined where the value is another key's. */
  unwrap(value: Buffer | undefined): Buffer | undefined {
    const long = this.#long;
    if (long === undefined || value === undefined) {
      return value;
    }
    return longKeyOf(value)?.equals(long) ? value.subarray(LENGTH_BYTES + long.length) : undefined;
  }
}

/** Whether an LMDB key says nothing of the key but its hash. */
export function isHashed(bytes: Uint8Array): boolean {
  return bytes[0] === HASHED;
}

/** The key of what is not hashed. */
export function keyOfLmdb(bytes: Buffer): string {
  return bytes[0] === EMPTY[0] ? '' : bytes.toString();
}

/** The key beside a record; undefined where there is none. */
export function longKeyOf(value: Buffer): Buffer | undefined {
  const end = LENGTH_BYTES + (value.length < LENGTH_BYTES ? 0 : value.readUInt32LE(0));
  return value.length < end ? undefined : value.subarray(LENGTH_BYTES, end);
}

/** Whether a value that goes by a hash has the key of that hash. */
export function isHashOf(bytes: Buffer, value: Buffer): boolean {
  const key = longKeyOf(value);
  return key !== undefined && hashOf(key).equals(bytes);
}

function hashOf(key: Buffer): Buffer {
  return Buffer.concat([Buffer.from([HASHED]), createHash('sha256').update(key).digest()]);
}
