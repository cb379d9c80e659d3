/**
 * What the static filters have in common: one table of fingerprints, three cells a key. They know all their keys when they
 * are made, take no other and give none up.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { misuse } from '../../protocol/errors.ts';
import type { HashSeed, KeyEncoder } from '../../protocol/key.ts';
import type { Cells } from './cells.ts';
import { distinctHashes } from './distinct.ts';
import { encoderOf, resolveStatic, type StaticFilterOptions } from './options.ts';
import { demand, type Packed, type PackedName, pack } from './packed.ts';
import { type Fingerprints, fillTable } from './peeling.ts';

/** What a filter is made of, from keys or from bytes. */
export class StaticContent<C extends Cells> {
  readonly seed: HashSeed;
  readonly keys: number;
  readonly cells: C;
  readonly table: Fingerprints;

  constructor(seed: HashSeed, keys: number, cells: C, table: Fingerprints) {
    this.seed = seed;
    this.keys = keys;
    this.cells = cells;
    this.table = table;
  }
}

/** Hashes the keys and fills a table of the cells that `cellsFor` so many chooses. */
export function contentOf<C extends Cells>(
  keys: Iterable<CacheKey>,
  options: StaticFilterOptions,
  cellsFor: (keys: number) => C,
): StaticContent<C> {
  const { bits, seed } = resolveStatic(options);
  const hashes = distinctHashes(keys, encoderOf(seed));
  const cells = cellsFor(hashes.length / 2);
  return new StaticContent(seed, hashes.length / 2, cells, fillTable(hashes, cells, bits));
}

/** The table from bytes, if it has as many cells as it must. Throws CACHE_LOAD_ERROR. */
export function contentFrom<C extends Cells>(name: PackedName, packed: Packed, cells: C): StaticContent<C> {
  const { seed, keys, shape, salt, table } = packed;
  demand(name, shape === 8 || shape === 16, 'length of fingerprints');
  demand(name, keys <= cells.count, 'keys');
  demand(name, table.length === Math.ceil((cells.count * shape) / 32) * 4, 'size');
  const { buffer } = table.slice();
  cells.salt = salt;
  const { count } = cells;
  return new StaticContent(
    seed,
    keys,
    cells,
    shape === 8 ? new Uint8Array(buffer, 0, count) : new Uint16Array(buffer, 0, count),
  );
}

export abstract class StaticFilter<C extends Cells> {
  protected readonly cells: C;
  readonly #key: KeyEncoder;
  readonly #table: Fingerprints;
  readonly #shift: number;
  readonly #seed: HashSeed;
  /** Different keys. */
  readonly size: number;

  constructor(name: PackedName, content: StaticContent<C>) {
    // From JavaScript `new` can be called with the keys, as the other filters' can with options.
    if (!(content instanceof StaticContent)) {
      throw misuse('INVALID_CONFIG', `\`${name}.from(keys)\` instead of \`new\``, content, { option: 'keys' });
    }
    const { seed, keys, cells, table } = content;
    this.#seed = seed;
    this.#key = encoderOf(seed);
    this.cells = cells;
    this.#table = table;
    this.#shift = 32 - table.BYTES_PER_ELEMENT * 8;
    this.size = keys;
  }

  /** False only if the key is none of those; true for them, and by mistake for some others. Throws INVALID_KEY. */
  has(key: CacheKey): boolean {
    this.#key.encode(key);
    const { cells } = this;
    const table = this.#table;
    cells.locate(this.#key.hashLow, this.#key.hashHigh);
    const found = (table[cells.first] as number) ^ (table[cells.second] as number) ^ (table[cells.third] as number);
    // A table without keys is all zero, and so are some fingerprints.
    return found === cells.fingerprint >>> this.#shift && this.size > 0;
  }

  /** Bits of its table. */
  get bits(): number {
    return this.#table.byteLength * 8;
  }

  /** Bits for each key; Infinity without any. */
  get bitsPerKey(): number {
    return this.bits / this.size;
  }

  /** The share of strangers for which `has` is true: 1 in 256, or in 65,536. */
  get falsePositiveRate(): number {
    return this.size === 0 ? 0 : 2 ** (this.#shift - 32);
  }

  protected packAs(name: PackedName, size: number, sizeOfPart: number): Uint8Array {
    return pack(name, {
      seed: this.#seed,
      keys: this.size,
      capacity: this.size,
      shape: 32 - this.#shift,
      size,
      sizeOfPart,
      salt: this.cells.salt,
      table: new Uint8Array(this.#table.buffer, 0, this.#table.byteLength),
    });
  }
}
