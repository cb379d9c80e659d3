/**
 * The table of a static filter: numbers such that those in the three cells of a key, taken together by exclusive or, are its
 * fingerprint.
 *
 * A cell that only one key has can be made right for that key last, whatever the others hold. So that key is set aside, its
 * two other cells have one key less, and so on until all are set aside; then the cells are filled in the opposite order.
 * With 1.23 cells a key, 1.13 where they are chosen from neighbouring segments, this nearly always succeeds; otherwise
 * another salt draws other cells. (Botelho, Pagh, Ziviani, "Simple and space-efficient minimal perfect hash functions",
 * WADS 2007; Graf and Lemire, "Xor filters: faster and smaller than Bloom and cuckoo filters", ACM JEA 25, 2020.)
 */
import { CacheError } from '../../protocol/errors.ts';
import type { Cells } from './cells.ts';

/** Of a thousand keys one salt in twenty fails, of a million hardly any: so many fail only where two hashes are equal. */
const SALTS_MAX = 100;
/** As far apart as numbers of 32 bits are that come one after another. */
const SALT_STEP = 0x6d2b_79f5;
/** Of one cell; with random hashes none has 20. */
const KEYS_OF_CELL_MAX = 255;

export type Fingerprints = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** Finds a salt, which `cells` keeps, and fills the table. Throws FILTER_ERROR if the hashes are not distinct. */
export function fillTable(hashes: Int32Array, cells: Cells, bits: 8 | 16): Fingerprints {
  const table = bits === 8 ? new Uint8Array(cells.count) : new Uint16Array(cells.count);
  const peeling = new Peeling(hashes, cells);
  for (let salts = 1; salts <= SALTS_MAX; salts++) {
    if (peeling.run()) {
      peeling.fill(table, 32 - bits);
      return table;
    }
    cells.salt = (cells.salt + SALT_STEP) | 0;
  }
  throw new CacheError(
    'FILTER_ERROR',
    `No static filter of ${hashes.length / 2} keys was found with ${SALTS_MAX} salts: this happens with hashes that are ` +
      'not distinct. Try another `seed`',
  );
}

class Peeling {
  readonly #hashes: Int32Array;
  readonly #cells: Cells;
  readonly #keys: number;
  /** Of each cell: how many keys have it, and which, taken together by exclusive or. */
  readonly #counts: Uint8Array;
  readonly #owners: Int32Array;
  /** Cells of one key that were not looked at yet. */
  readonly #lonely: Int32Array;
  /** Keys in the order in which they were set aside, and the cell that each of them had alone. */
  readonly #order: Int32Array;
  readonly #cellOf: Int32Array;

  constructor(hashes: Int32Array, cells: Cells) {
    this.#hashes = hashes;
    this.#cells = cells;
    this.#keys = hashes.length / 2;
    this.#counts = new Uint8Array(cells.count);
    this.#owners = new Int32Array(cells.count);
    this.#lonely = new Int32Array(cells.count);
    this.#order = new Int32Array(this.#keys);
    this.#cellOf = new Int32Array(this.#keys);
  }

  /** Whether all keys could be set aside. */
  run(): boolean {
    return this.#count() && this.#setAside() === this.#keys;
  }

  /** Gives the cells what they have to hold, the last key first. */
  fill(table: Fingerprints, shift: number): void {
    const cells = this.#cells;
    for (let i = this.#keys - 1; i >= 0; i--) {
      this.#locate(this.#order[i] as number);
      const others = (table[cells.first] as number) ^ (table[cells.second] as number) ^ (table[cells.third] as number);
      // Its own cell is still zero: no key set aside later has it.
      table[this.#cellOf[i] as number] = (cells.fingerprint >>> shift) ^ others;
    }
  }

  /** False if a cell has so many keys that hashes must be equal. */
  #count(): boolean {
    const cells = this.#cells;
    this.#counts.fill(0);
    this.#owners.fill(0);
    for (let key = 0; key < this.#keys; key++) {
      this.#locate(key);
      if (!this.#enter(cells.first, key) || !this.#enter(cells.second, key) || !this.#enter(cells.third, key)) {
        return false;
      }
    }
    return true;
  }

  #enter(cell: number, key: number): boolean {
    (this.#owners[cell] as number) ^= key;
    return ++(this.#counts[cell] as number) < KEYS_OF_CELL_MAX;
  }

  #setAside(): number {
    const cells = this.#cells;
    let aside = 0;
    let waiting = 0;
    for (let cell = 0; cell < cells.count; cell++) {
      waiting = this.#noteIfLonely(cell, waiting);
    }
    while (waiting > 0) {
      const cell = this.#lonely[--waiting] as number;
      if (this.#counts[cell] !== 1) {
        continue;
      }
      const key = this.#owners[cell] as number;
      this.#order[aside] = key;
      this.#cellOf[aside++] = cell;
      this.#locate(key);
      const { first, second, third } = cells;
      waiting = this.#leave(first, key, waiting);
      waiting = this.#leave(second, key, waiting);
      waiting = this.#leave(third, key, waiting);
    }
    return aside;
  }

  #leave(cell: number, key: number, waiting: number): number {
    (this.#owners[cell] as number) ^= key;
    (this.#counts[cell] as number)--;
    return this.#noteIfLonely(cell, waiting);
  }

  /** No cell is noted twice: it comes to one key once at most. */
  #noteIfLonely(cell: number, waiting: number): number {
    if (this.#counts[cell] !== 1) {
      return waiting;
    }
    this.#lonely[waiting] = cell;
    return waiting + 1;
  }

  #locate(key: number): void {
    this.#cells.locate(this.#hashes[2 * key] as number, this.#hashes[2 * key + 1] as number);
  }
}
