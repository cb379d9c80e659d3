/**
 * Bloom filters on their own, of both layouts: `protocol/bloom.ts` and `protocol/blocked-bloom.ts` have their arithmetic and
 * papers. They take keys one at a time and forget none. With more keys than they were made for they go on: none is lost,
 * and more strangers pass, as `falsePositiveRate` says.
 */
import { blockedBloom } from '../../protocol/blocked-bloom.ts';
import { plainBloom } from '../../protocol/bloom.ts';
import { BLOOM_BLOCK_BITS, BLOOM_BLOCK_WORDS, type BloomLayout, blocksFor } from '../../protocol/bloom-layout.ts';
import type { CacheKey } from '../../protocol/cache-key.ts';
import type { HashSeed, KeyEncoder } from '../../protocol/key.ts';
import { encoderOf, type FilterOptions, reserveWords, resolveFilter } from './options.ts';
import { demand, type PackedName, pack, unpack } from './packed.ts';

/** What a filter is made for whose content comes from bytes. */
const UNFILLED: FilterOptions = { capacity: 1, seed: 0 };

abstract class LayoutFilter {
  readonly #name: PackedName;
  readonly #layout: BloomLayout;
  #seed: HashSeed;
  #key: KeyEncoder;
  #words: Int32Array;
  #blocks: number;
  #probes: number;
  #capacity: number;
  #keys = 0;

  /** Throws INVALID_CONFIG. */
  constructor(name: PackedName, layout: BloomLayout, options: FilterOptions) {
    const { capacity, falsePositiveRate, seed } = resolveFilter(options);
    const shape = layout.shapeFor(falsePositiveRate);
    this.#name = name;
    this.#layout = layout;
    this.#seed = seed;
    this.#key = encoderOf(seed);
    this.#blocks = blocksFor(capacity, shape);
    this.#probes = shape.probes;
    this.#capacity = capacity;
    this.#words = reserveWords(this.#blocks * BLOOM_BLOCK_WORDS, capacity);
  }

  /** Adds a key. Throws INVALID_KEY. */
  add(key: CacheKey): void {
    this.#key.encode(key);
    const { hashLow, hashHigh } = this.#key;
    this.#layout.setBits(this.#words, 0, this.#blocks, this.#probes, hashLow, hashHigh);
    this.#keys++;
  }

  /** False only if the key was never added; true for it, and by mistake for some others. Throws INVALID_KEY. */
  has(key: CacheKey): boolean {
    this.#key.encode(key);
    const { hashLow, hashHigh } = this.#key;
    return this.#layout.hasBits(this.#words, 0, this.#blocks, this.#probes, hashLow, hashHigh);
  }

  /** How often a key was added; one that was added twice counts twice. */
  get size(): number {
    return this.#keys;
  }

  /** Keys for which it was made. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Bits of its table. */
  get bits(): number {
    return this.#blocks * BLOOM_BLOCK_BITS;
  }

  /** Bits for each key that was added; Infinity before the first. */
  get bitsPerKey(): number {
    return this.bits / this.#keys;
  }

  /** The share of strangers for which `has` is true, to be expected of as many keys as were added. */
  get falsePositiveRate(): number {
    return this.#layout.rateAt(this.#keys / this.#blocks, this.#probes);
  }

  /** All of it, hash seed included, for `fromBytes`. */
  toBytes(): Uint8Array {
    return pack(this.#name, {
      seed: this.#seed,
      keys: this.#keys,
      capacity: this.#capacity,
      shape: this.#probes,
      size: this.#blocks,
      sizeOfPart: 0,
      salt: 0,
      table: new Uint8Array(this.#words.buffer),
    });
  }

  /** Becomes the filter that these are the bytes of. */
  protected takeOver(bytes: Uint8Array): this {
    const name = this.#name;
    const { seed, keys, capacity, shape, size, table } = unpack(name, bytes);
    demand(name, shape >= 1 && shape <= this.#layout.probesMax, 'number of probes');
    demand(name, capacity >= 1, 'capacity');
    demand(name, size >= 1 && table.length === (size * BLOOM_BLOCK_BITS) / 8, 'size');
    this.#seed = seed;
    this.#key = encoderOf(seed);
    this.#words = new Int32Array(table.slice().buffer);
    this.#blocks = size;
    this.#probes = shape;
    this.#capacity = capacity;
    this.#keys = keys;
    return this;
  }
}

/**
 * The Bloom filter of 1970: the fewest bits a key of those that grow, and a cache miss for each of the bits it looks at.
 *
 * @example
 * const seen = new BloomFilter({ capacity: 1_000_000, falsePositiveRate: 0.001 });
 * seen.add('a');
 * seen.has('a'); // true
 * seen.has('b'); // false, or with 1 in 1,000 true
 */
export class BloomFilter extends LayoutFilter {
  /** Throws INVALID_CONFIG. */
  constructor(options: FilterOptions) {
    super('BloomFilter', plainBloom, options);
  }

  /** The filter that `toBytes` wrote. Throws CACHE_LOAD_ERROR for anything else. */
  static fromBytes(bytes: Uint8Array): BloomFilter {
    return new BloomFilter(UNFILLED).takeOver(bytes);
  }
}

/**
 * A Bloom filter whose bits of one key share a cache line: 3 % more bits than the plain one at a rate of 0.01, 8 % at
 * 0.001, and one cache miss a question. What a cache uses itself.
 *
 * @example
 * const seen = new BlockedBloomFilter({ capacity: 1_000_000 });
 * seen.add(['user', 7]);
 * const copy = BlockedBloomFilter.fromBytes(seen.toBytes());
 * copy.has(['user', 7]); // true
 */
export class BlockedBloomFilter extends LayoutFilter {
  /** Throws INVALID_CONFIG. */
  constructor(options: FilterOptions) {
    super('BlockedBloomFilter', blockedBloom, options);
  }

  /** The filter that `toBytes` wrote. Throws CACHE_LOAD_ERROR for anything else. */
  static fromBytes(bytes: Uint8Array): BlockedBloomFilter {
    return new BlockedBloomFilter(UNFILLED).takeOver(bytes);
  }
}
