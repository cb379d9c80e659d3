/**
 * Which keys have expired lately, so that the first `getOrThrow` after it can say KEY_EXPIRED though the entry is long
 * gone. A ring of the last MARKS hashes, found through a small table with open addressing and linear probing; whoever
 * asks takes the mark away, and so does a new entry of the key. Two keys whose hashes agree in 43 bits share a mark.
 *
 * Typed arrays of 16 KiB: every insert asks here, and a Map of numbers this large would cost it 50 ns.
 */

/** Expiries that are remembered: a shard that expires more before somebody asks says KEY_NOT_FOUND. */
export const MARKS = 1024;
/** A quarter full at most, so that a search ends after one step nearly always. */
const TABLE = MARKS * 4;
/** The bits of a hash's high word that an entry keeps. */
const HIGH_MASK = 0x7ff;
const NONE = -1;

export class ExpiredMarks {
  readonly #low = new Int32Array(MARKS);
  readonly #high = new Int32Array(MARKS).fill(NONE);
  /** Places in the ring, by hash; NONE where there is nothing. */
  readonly #table = new Int16Array(TABLE).fill(NONE);
  #next = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Remembers an expiry, and forgets the oldest one when the ring is full. */
  add(hashLow: number, hashHigh: number): void {
    this.take(hashLow, hashHigh);
    const place = this.#next;
    this.#next = (place + 1) % MARKS;
    if (this.#high[place] !== NONE) {
      this.#drop(this.#find(this.#low[place] as number, this.#high[place] as number));
    }
    this.#low[place] = hashLow;
    this.#high[place] = hashHigh & HIGH_MASK;
    let at = slotFor(hashLow);
    while (this.#table[at] !== NONE) {
      at = (at + 1) % TABLE;
    }
    this.#table[at] = place;
    this.#size++;
  }

  has(hashLow: number, hashHigh: number): boolean {
    return this.#size > 0 && this.#find(hashLow, hashHigh & HIGH_MASK) !== NONE;
  }

  /** Whether the key was marked; it no longer is. */
  take(hashLow: number, hashHigh: number): boolean {
    if (this.#size === 0) {
      return false;
    }
    const at = this.#find(hashLow, hashHigh & HIGH_MASK);
    if (at === NONE) {
      return false;
    }
    this.#drop(at);
    return true;
  }

  clear(): void {
    this.#high.fill(NONE);
    this.#table.fill(NONE);
    this.#size = 0;
  }

  #find(hashLow: number, high: number): number {
    for (let at = slotFor(hashLow); ; at = (at + 1) % TABLE) {
      const place = this.#table[at] as number;
      if (place === NONE) {
        return NONE;
      }
      if (this.#low[place] === hashLow && this.#high[place] === high) {
        return at;
      }
    }
  }

  /** Empties a place of the table and closes the gap, so that a search never stops short (Knuth, volume 3, 6.4, R). */
  #drop(from: number): void {
    const table = this.#table;
    this.#high[table[from] as number] = NONE;
    this.#size--;
    let gap = from;
    for (let at = (gap + 1) % TABLE; table[at] !== NONE; at = (at + 1) % TABLE) {
      const home = slotFor(this.#low[table[at] as number] as number);
      if ((at - home + TABLE) % TABLE >= (at - gap + TABLE) % TABLE) {
        table[gap] = table[at] as number;
        gap = at;
      }
    }
    table[gap] = NONE;
  }
}

function slotFor(hashLow: number): number {
  return (hashLow >>> 10) % TABLE;
}
