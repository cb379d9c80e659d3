/**
 * A cuckoo filter on its own: `protocol/cuckoo.ts` tells how it works, after Fan, Andersen, Kaminsky and Mitzenmacher,
 * "Cuckoo filter: practically better than Bloom", CoNEXT 2014. It takes keys and gives them up again, and it can be full.
 */

import type { CacheKey } from '../../protocol/cache-key.ts';
import {
  bucketsFor,
  CUCKOO_BITS_MAX,
  CUCKOO_BITS_MIN,
  CUCKOO_HOMELESS_MAX,
  CUCKOO_LANES,
  CUCKOO_LOAD_MAX,
  cuckooHolds,
  cuckooRate,
  cuckooWords,
  fingerprintBits,
} from '../../protocol/cuckoo.ts';
import { CuckooTable } from '../../protocol/cuckoo-table.ts';
import { CacheError } from '../../protocol/errors.ts';
import type { HashSeed, KeyEncoder } from '../../protocol/key.ts';
import { encoderOf, type FilterOptions, reserveWords, resolveFilter } from './options.ts';
import { demand, pack, unpack } from './packed.ts';

const NAME = 'CuckooFilter';

/**
 * A filter that can forget.
 *
 * `delete` only keys that are in it: a stranger may look like another key, and that would be gone in its stead. A key that
 * is added twice has to be deleted twice; the same one takes at most eight places, so add a key once.
 *
 * @example
 * const online = new CuckooFilter({ capacity: 100_000, falsePositiveRate: 0.001 });
 * online.add('ada');
 * online.delete('ada'); // true
 * online.has('ada'); // false
 */
export class CuckooFilter {
  #seed: HashSeed;
  #key: KeyEncoder;
  #table: CuckooTable;
  #capacity: number;
  #keys = 0;

  /** Throws INVALID_CONFIG. */
  constructor(options: FilterOptions) {
    const { capacity, falsePositiveRate, seed } = resolveFilter(options);
    const buckets = bucketsFor(capacity, CUCKOO_LOAD_MAX);
    const bits = fingerprintBits(falsePositiveRate, CUCKOO_LOAD_MAX);
    this.#seed = seed;
    this.#key = encoderOf(seed);
    this.#table = new CuckooTable(reserveWords(cuckooWords(buckets, bits), capacity), 0, buckets, bits);
    this.#capacity = capacity;
  }

  /**
   * Adds a key. Throws INVALID_KEY, or CACHE_FULL when no place is left for it, which leaves the filter as it is: some
   * hundredths beyond its capacity, or when one key is added again and again.
   */
  add(key: CacheKey): void {
    const table = this.#table;
    this.#aim(key);
    if (!table.place()) {
      // One of those that are moved may be left over: there has to be room for it before the first one is.
      if (table.homeless === CUCKOO_HOMELESS_MAX) {
        throw new CacheError(
          'CACHE_FULL',
          `The filter is full: it holds ${this.#keys} keys and was made for ${this.#capacity}. Make a larger one, or delete ` +
            'keys; a key that was added again and again fills its places, too',
          { key },
        );
      }
      if (!table.kick()) {
        table.list();
      }
    }
    this.#keys++;
  }

  /** False only if the key is not in the filter; true for it, and by mistake for some others. Throws INVALID_KEY. */
  has(key: CacheKey): boolean {
    this.#key.encode(key);
    const { words, at, buckets, bits } = this.#table;
    return cuckooHolds(words, at, buckets, bits, this.#key.hashLow, this.#key.hashHigh);
  }

  /** Takes a key out that is in it. False if nothing that looks like it was there. Throws INVALID_KEY. */
  delete(key: CacheKey): boolean {
    const table = this.#table;
    this.#aim(key);
    if (!table.unlist() && !table.take()) {
      return false;
    }
    this.#keys--;
    if (table.homeless > 0) {
      table.aimAtListed();
      table.unlist();
      if (!table.place() && !table.kick()) {
        table.list();
      }
    }
    return true;
  }

  /** Keys that are in it; one that was added twice counts twice. */
  get size(): number {
    return this.#keys;
  }

  /** Keys for which it was made. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Bits of its table. */
  get bits(): number {
    return this.#table.buckets * CUCKOO_LANES * this.#table.bits;
  }

  /** Bits for each key that is in it; Infinity without any. */
  get bitsPerKey(): number {
    return this.bits / this.#keys;
  }

  /** The share of strangers for which `has` is true, to be expected of as many keys as there are. */
  get falsePositiveRate(): number {
    return cuckooRate(this.#keys / (this.#table.buckets * CUCKOO_LANES), this.#table.bits);
  }

  /** All of it, hash seed included, for `fromBytes`. */
  toBytes(): Uint8Array {
    const { words, buckets, bits } = this.#table;
    return pack(NAME, {
      seed: this.#seed,
      keys: this.#keys,
      capacity: this.#capacity,
      shape: bits,
      size: buckets,
      sizeOfPart: 0,
      salt: 0,
      table: new Uint8Array(words.buffer),
    });
  }

  /** The filter that `toBytes` wrote. Throws CACHE_LOAD_ERROR for anything else. */
  static fromBytes(bytes: Uint8Array): CuckooFilter {
    const { seed, keys, capacity, shape, size, table } = unpack(NAME, bytes);
    demand(NAME, shape >= CUCKOO_BITS_MIN && shape <= CUCKOO_BITS_MAX, 'length of fingerprints');
    demand(NAME, capacity >= 1, 'capacity');
    demand(NAME, size >= 1 && size % 8 === 0 && table.length === cuckooWords(size, shape) * 4, 'size');
    const filter = new CuckooFilter({ capacity: 1, seed: 0 });
    filter.#seed = seed;
    filter.#key = encoderOf(seed);
    filter.#table = new CuckooTable(new Int32Array(table.slice().buffer), 0, size, shape);
    filter.#capacity = capacity;
    filter.#keys = keys;
    demand(NAME, filter.#table.isWhole(keys), 'keys');
    return filter;
  }

  #aim(key: CacheKey): void {
    this.#key.encode(key);
    this.#table.aim(this.#key.hashLow, this.#key.hashHigh);
  }
}
