/**
 * Where each key of a log is, off the JS heap: a V8 Map stops at 2^24 keys and takes 100 bytes for each; this takes 24 in
 * columns and 6 to 11 in tables.
 *
 *     entry n      hash (2 x uint32) | place (float64) | bytes (uint32) | born (uint32)       in chunks of 4,096 entries
 *     table t      n + 1 | 0 | n + 1 | ...        open addressing, linear, 3/4 full at most; t by the top bits of the hash
 *
 * An entry keeps its number as long as its key is there, whatever is written: readers of all keys walk the numbers. Numbers
 * are used again, and an entry that was born after a reader began is not for that one.
 *
 * The keys themselves are on the disk: of the same 64-bit hash, `isKey` decides. There are 256 tables, each of which
 * grows by itself, so that no write waits for more than a 256th of the keys: 40,000 of 10 M, 1 to 5 ms; chunks never move.
 */
const CHUNK_BITS = 12;
const CHUNK_ENTRIES = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_ENTRIES - 1;
const TABLES = 256;
const TABLE_SHIFT = 24;
const TABLE_SLOTS_MIN = 16;
/** What numbers in the tables have room for. */
const ENTRIES_MAX = 2 ** 31 - 2;
export const NONE = -1;

class Chunk {
  readonly hashLow = new Uint32Array(CHUNK_ENTRIES);
  readonly hashHigh = new Uint32Array(CHUNK_ENTRIES);
  /** NONE for a number that is free. */
  readonly place = new Float64Array(CHUNK_ENTRIES).fill(NONE);
  readonly bytes = new Uint32Array(CHUNK_ENTRIES);
  /** For a free number, the next one. */
  readonly born = new Uint32Array(CHUNK_ENTRIES);
}

export class LogIndex {
  readonly #isKey: (entry: number) => boolean;
  #chunks: Chunk[] = [];
  #tables: Int32Array[] = [];
  readonly #counts = new Uint32Array(TABLES);
  /** One more than the highest number ever used. */
  #end = 0;
  #free = NONE;
  #size = 0;
  #readers = 0;

  /** `isKey` says whether an entry is that of the key that is looked for, which it knows. */
  constructor(isKey: (entry: number) => boolean) {
    this.#isKey = isKey;
    this.clear();
  }

  get size(): number {
    return this.#size;
  }

  /** One more than the highest number there is. */
  get end(): number {
    return this.#end;
  }

  /** The entry of the key that `isKey` knows and whose hash this is, NONE when there is none. */
  find(hashLow: number, hashHigh: number): number {
    const table = this.#tables[hashHigh >>> TABLE_SHIFT] as Int32Array;
    const mask = table.length - 1;
    for (let at = hashLow & mask; ; at = (at + 1) & mask) {
      const entry = (table[at] as number) - 1;
      if (entry === NONE) {
        return NONE;
      }
      const chunk = this.#chunks[entry >> CHUNK_BITS] as Chunk;
      const i = entry & CHUNK_MASK;
      if (chunk.hashLow[i] === hashLow && chunk.hashHigh[i] === hashHigh && this.#isKey(entry)) {
        return entry;
      }
    }
  }

  /** The entry of that hash which is at `place`, NONE when it is elsewhere by now. No key is looked at. */
  findAt(hashLow: number, hashHigh: number, place: number): number {
    const table = this.#tables[hashHigh >>> TABLE_SHIFT] as Int32Array;
    const mask = table.length - 1;
    for (let at = hashLow & mask; ; at = (at + 1) & mask) {
      const entry = (table[at] as number) - 1;
      if (entry === NONE || this.place(entry) === place) {
        return entry;
      }
    }
  }

  hasHash(entry: number, hashLow: number, hashHigh: number): boolean {
    const chunk = this.#chunks[entry >> CHUNK_BITS] as Chunk;
    const i = entry & CHUNK_MASK;
    return chunk.hashLow[i] === hashLow && chunk.hashHigh[i] === hashHigh;
  }

  add(hashLow: number, hashHigh: number, place: number, bytes: number): number {
    const t = hashHigh >>> TABLE_SHIFT;
    const count = (this.#counts[t] as number) + 1;
    if (count * 4 > (this.#tables[t] as Int32Array).length * 3) {
      this.#grow(t);
    }
    const entry = this.#number();
    const chunk = this.#chunks[entry >> CHUNK_BITS] as Chunk;
    const i = entry & CHUNK_MASK;
    chunk.hashLow[i] = hashLow;
    chunk.hashHigh[i] = hashHigh;
    chunk.place[i] = place;
    chunk.bytes[i] = bytes;
    chunk.born[i] = this.#readers;
    insert(this.#tables[t] as Int32Array, entry, hashLow);
    this.#counts[t] = count;
    this.#size++;
    return entry;
  }

  move(entry: number, place: number, bytes: number): void {
    const chunk = this.#chunks[entry >> CHUNK_BITS] as Chunk;
    chunk.place[entry & CHUNK_MASK] = place;
    chunk.bytes[entry & CHUNK_MASK] = bytes;
  }

  /** Where it is; NONE for a number that is free. */
  place(entry: number): number {
    return (this.#chunks[entry >> CHUNK_BITS] as Chunk).place[entry & CHUNK_MASK] as number;
  }

  bytes(entry: number): number {
    return (this.#chunks[entry >> CHUNK_BITS] as Chunk).bytes[entry & CHUNK_MASK] as number;
  }

  remove(entry: number): void {
    const chunk = this.#chunks[entry >> CHUNK_BITS] as Chunk;
    const i = entry & CHUNK_MASK;
    const t = (chunk.hashHigh[i] as number) >>> TABLE_SHIFT;
    this.#unlink(this.#tables[t] as Int32Array, entry, chunk.hashLow[i] as number);
    chunk.place[i] = NONE;
    chunk.born[i] = this.#free + 1;
    this.#free = entry;
    this.#counts[t] = (this.#counts[t] as number) - 1;
    this.#size--;
  }

  clear(): void {
    this.#chunks = [];
    this.#tables = Array.from({ length: TABLES }, () => new Int32Array(TABLE_SLOTS_MIN));
    this.#counts.fill(0);
    this.#end = 0;
    this.#free = NONE;
    this.#size = 0;
  }

  /** A reader begins: what `isFor` that number was there before it. The count wraps after 4 billion readers. */
  beginReader(): number {
    return this.#readers++;
  }

  /** Whether an entry is there, and was when that reader began. */
  isFor(entry: number, reader: number): boolean {
    const chunk = this.#chunks[entry >> CHUNK_BITS] as Chunk;
    const i = entry & CHUNK_MASK;
    return chunk.place[i] !== NONE && (chunk.born[i] as number) <= reader;
  }

  #number(): number {
    if (this.#free !== NONE) {
      const entry = this.#free;
      this.#free = ((this.#chunks[entry >> CHUNK_BITS] as Chunk).born[entry & CHUNK_MASK] as number) - 1;
      return entry;
    }
    if (this.#end === ENTRIES_MAX) {
      throw new RangeError(`A log holds ${ENTRIES_MAX} keys at most`);
    }
    if (this.#end >> CHUNK_BITS === this.#chunks.length) {
      this.#chunks.push(new Chunk());
    }
    return this.#end++;
  }

  #grow(t: number): void {
    const table = this.#tables[t] as Int32Array;
    const larger = new Int32Array(table.length * 2);
    for (let at = 0; at < table.length; at++) {
      const entry = (table[at] as number) - 1;
      if (entry !== NONE) {
        insert(larger, entry, this.#hashLow(entry));
      }
    }
    this.#tables[t] = larger;
  }

  /** Closes the hole by moving up whoever stands behind it and would not be found any more: no tombstones. */
  #unlink(table: Int32Array, entry: number, hashLow: number): void {
    const mask = table.length - 1;
    let hole = hashLow & mask;
    while ((table[hole] as number) - 1 !== entry) {
      hole = (hole + 1) & mask;
    }
    for (let at = (hole + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#hashLow((table[at] as number) - 1) & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        table[hole] = table[at] as number;
        hole = at;
      }
    }
    table[hole] = 0;
  }

  #hashLow(entry: number): number {
    return (this.#chunks[entry >> CHUNK_BITS] as Chunk).hashLow[entry & CHUNK_MASK] as number;
  }
}

function insert(table: Int32Array, entry: number, hashLow: number): void {
  const mask = table.length - 1;
  let at = hashLow & mask;
  while (table[at] !== 0) {
    at = (at + 1) & mask;
  }
  table[at] = entry + 1;
}
