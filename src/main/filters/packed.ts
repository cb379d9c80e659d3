/**
 * A filter as bytes: twelve words, then its table. Numbers are little-endian, as on every processor that Node runs on but
 * one family; there the first word reads backwards, and the bytes are refused.
 *
 *     word 0      1                           2-3    4-5       6-7        8       9       10     11         12-
 *       +-------+---------------------------+------+---------+----------+-------+-------+------+----------+- - - -+
 *       | SSFL  | version | kind | shape    | seed | keys    | capacity | size  | size  | salt | checksum | table |
 *       |       | 8 bits    8      16       |      | float64 | float64  |       | of a  |      | CRC-32   |       |
 *       +-------+---------------------------+------+---------+----------+-------+-part--+------+----------+- - - -+
 *
 * The checksum is over all other bytes. It finds what a disk or a copy did to them, not what somebody did on purpose: who can
 * write the bytes decides what the filter says. But no header makes us allocate more than the bytes are long.
 */
import { types } from 'node:util';
import { crc32 } from 'node:zlib';
import { CacheError } from '../../protocol/errors.ts';
import type { HashSeed } from '../../protocol/key.ts';
import { optionError } from './options.ts';

const MAGIC = 0x4c46_5353;
const VERSION = 1;
const HEADER_WORDS = 12;
const HEADER_BYTES = HEADER_WORDS * 4;
const CHECKSUM = 11;

export const PACKED_KINDS = {
  BloomFilter: 1,
  BlockedBloomFilter: 2,
  CuckooFilter: 3,
  XorFilter: 4,
  BinaryFuseFilter: 5,
};

export type PackedName = keyof typeof PACKED_KINDS;

export interface Packed {
  readonly seed: HashSeed;
  readonly keys: number;
  readonly capacity: number;
  /** Probes, or bits of a fingerprint. */
  readonly shape: number;
  /** Blocks, buckets, or cells of a block; segments. */
  readonly size: number;
  /** Cells of a segment. */
  readonly sizeOfPart: number;
  readonly salt: number;
  /** The table, padded to whole words. */
  readonly table: Uint8Array;
}

export function pack(name: PackedName, packed: Packed): Uint8Array {
  const { seed, keys, capacity, shape, size, sizeOfPart, salt, table } = packed;
  const words = new Int32Array(HEADER_WORDS + Math.ceil(table.length / 4));
  const bytes = new Uint8Array(words.buffer);
  words.set([MAGIC, VERSION | (PACKED_KINDS[name] << 8) | (shape << 16), seed.low, seed.high]);
  new Float64Array(words.buffer, 16, 2).set([keys, capacity]);
  words.set([size, sizeOfPart, salt], 8);
  bytes.set(table, HEADER_BYTES);
  words[CHECKSUM] = checksumOf(bytes);
  return bytes;
}

/**
 * The filter that `pack` made bytes of. Throws INVALID_CONFIG for what are no bytes, CACHE_LOAD_ERROR for those of something
 * else, of a newer version, or not as they were.
 */
export function unpack(name: PackedName, given: unknown): Packed {
  if (!types.isUint8Array(given)) {
    throw optionError('bytes', `the Uint8Array that \`toBytes\` of a ${name} returned`, given);
  }
  if (given.length < HEADER_BYTES) {
    throw unreadable(name, `${given.length} bytes are too few`);
  }
  // A copy: whole words, aligned, and nobody changes it after it was checked.
  const bytes = new Uint8Array(Math.ceil(given.length / 4) * 4);
  bytes.set(given);
  const words = new Int32Array(bytes.buffer);
  const [magic, described = 0, low = 0, high = 0] = words;
  if (magic !== MAGIC) {
    throw unreadable(name, 'they do not begin as a filter does');
  }
  const version = described & 0xff;
  if (version !== VERSION) {
    throw unreadable(name, `they have format ${version}, and this version of shardstash reads ${VERSION}`);
  }
  if ((words[CHECKSUM] as number) !== checksumOf(bytes) || bytes.length !== given.length) {
    throw unreadable(name, 'they are damaged: the checksum is another. Make the filter anew from its keys');
  }
  const kind = (described >>> 8) & 0xff;
  if (kind !== PACKED_KINDS[name]) {
    const other = Object.entries(PACKED_KINDS).find(([, candidate]) => candidate === kind)?.[0];
    throw unreadable(name, other === undefined ? `they hold a kind ${kind}` : `use \`${other}.fromBytes\``);
  }
  const [keys = 0, capacity = 0] = new Float64Array(bytes.buffer, 16, 2);
  const [size = 0, sizeOfPart = 0, salt = 0] = words.subarray(8, CHECKSUM);
  const packed = {
    seed: { low, high },
    keys,
    capacity,
    shape: described >>> 16,
    size,
    sizeOfPart,
    salt,
    table: bytes.subarray(HEADER_BYTES),
  };
  demand(name, Number.isSafeInteger(keys) && keys >= 0, 'keys');
  demand(name, Number.isSafeInteger(capacity) && capacity >= 0, 'capacity');
  return packed;
}

/** Throws CACHE_LOAD_ERROR for a header that cannot be: one that somebody made up, and gave the right checksum. */
export function demand(name: PackedName, holds: boolean, what: string): void {
  if (!holds) {
    throw unreadable(name, `their ${what} cannot be`);
  }
}

function unreadable(name: PackedName, why: string): CacheError {
  return new CacheError('CACHE_LOAD_ERROR', `The bytes cannot be read as a ${name}: ${why}`);
}

function checksumOf(bytes: Uint8Array): number {
  const table = bytes.subarray(HEADER_BYTES);
  return crc32(table, crc32(bytes.subarray(0, CHECKSUM * 4))) | 0;
}
