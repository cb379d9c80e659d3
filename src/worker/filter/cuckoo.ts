/**
 * A cuckoo filter that follows a cache: `protocol/cuckoo.ts` has its arithmetic, `protocol/cuckoo-table.ts` its writing.
 *
 * It holds what is live and nothing else: a key that leaves is taken out at once, so there are no stale ones and nothing is
 * ever built anew. The table is sized for all slots of the shard from the start, where a Bloom filter grows with the keys:
 * it is smaller than one at its largest, but its keys lie all over it, so few keys in many slots touch more memory.
 *
 * No key is ever left out. One that finds no lane is homeless: in 20 million inserts into tables of 0.1 to 10 million keys
 * none was, so it takes nine keys that are one to the filter. 15 of those are listed where readers see them, more are known
 * to the owner alone, and until they have found a place readers rule nothing out. Each removal makes room for one.
 *
 * Readers are told, by an odd generation, of whatever could show them less than there is: moves, the homeless, and a copy
 * that is taken where the same fingerprint lies twice. Between their two looks the copy that they will miss in the second
 * bucket might have come to the first: that of another key, added and removed meanwhile. An add that finds a free lane and
 * the removal of the only copy show nobody less, and change no generation.
 */
import { bucketsFor, CUCKOO_LANES, CUCKOO_LOAD_CHURNED, cuckooRate, fingerprintBits } from '../../protocol/cuckoo.ts';
import { CuckooTable } from '../../protocol/cuckoo-table.ts';
import {
  closeFilter,
  FILTER_AT,
  FILTER_BLOCKS,
  FILTER_HASH_HIGH_MASK,
  FILTER_HEADER_WORDS,
  FILTER_KIND,
  FILTER_KINDS,
  FILTER_PROBES,
  openFilter,
} from '../../protocol/filter.ts';
import type { FilterContext, FilterCounts, FilterFactory, HashSource, MembershipFilter } from './filter.ts';

/** Slots that are read at once for a new owner. */
const SLICE_SLOTS = 64;
/** Moves that a removal spends on bringing one of the homeless back. */
const RETURN_KICKS_MAX = 16;

export const createCuckoo: FilterFactory = (context) => new Cuckoo(context);

class Cuckoo implements MembershipFilter {
  readonly #words: Int32Array;
  readonly #slots: number;
  readonly #source: HashSource;
  readonly #table: CuckooTable;
  readonly #fence = new Int32Array(new SharedArrayBuffer(4));
  /** The homeless that the table has no room to list, by likeness: never more than the shard has entries. */
  readonly #unlisted = new Map<number, number>();
  #live = 0;

  constructor({ words, slots, falsePositiveRate, source }: FilterContext) {
    this.#words = words;
    this.#slots = slots;
    this.#source = source;
    this.#table = new CuckooTable(
      words,
      FILTER_HEADER_WORDS,
      bucketsFor(slots, CUCKOO_LOAD_CHURNED),
      fingerprintBits(falsePositiveRate, CUCKOO_LOAD_CHURNED),
    );
    openFilter(words, this.#fence);
    if (words[FILTER_KIND] !== 0) {
      // Of an owner that died, perhaps within a move. What it left cannot be told from what it was about to do.
      this.#table.erase();
    }
    words[FILTER_KIND] = FILTER_KINDS.cuckoo;
    words[FILTER_AT] = FILTER_HEADER_WORDS;
    words[FILTER_BLOCKS] = this.#table.buckets;
    words[FILTER_PROBES] = this.#table.bits;
    this.#addAll();
    closeFilter(words, this.#fence);
  }

  add(hashLow: number, hashHigh: number): void {
    this.#live++;
    this.#table.aim(hashLow, hashHigh & FILTER_HASH_HIGH_MASK);
    if (this.#table.place()) {
      return;
    }
    openFilter(this.#words, this.#fence);
    this.#makePlace();
    closeFilter(this.#words, this.#fence);
  }

  removed(hashLow: number, hashHigh: number): void {
    const table = this.#table;
    this.#live--;
    table.aim(hashLow, hashHigh & FILTER_HASH_HIGH_MASK);
    if (table.homeless === 0 && !table.hasMore && table.copies() === 1) {
      table.take();
      return;
    }
    openFilter(this.#words, this.#fence);
    if (!table.unlist() && !this.#forget(table.likeness)) {
      table.take();
    }
    this.#bringBack();
    closeFilter(this.#words, this.#fence);
  }

  clear(): void {
    openFilter(this.#words, this.#fence);
    this.#table.clear();
    this.#unlisted.clear();
    this.#live = 0;
    closeFilter(this.#words, this.#fence);
  }

  touch(hashLow: number, _hashHigh: number): number {
    return this.#table.touch(hashLow);
  }

  counts(): FilterCounts {
    const lanes = this.#table.buckets * CUCKOO_LANES;
    return {
      capacity: this.#slots,
      keys: this.#live,
      bits: lanes * this.#table.bits,
      rebuilds: 0,
      falsePositiveRate: this.#table.hasMore ? 1 : cuckooRate(this.#live / lanes, this.#table.bits),
    };
  }

  check(): void {
    const copies = new Map(this.#unlisted);
    for (const likeness of this.#table.likenesses()) {
      copies.set(likeness, (copies.get(likeness) ?? 0) + 1);
    }
    const hashes = new Int32Array(2);
    let live = 0;
    for (let slot = 0; slot < this.#source.used; slot++) {
      if (this.#source.hashesOf(slot, slot + 1, hashes) === 0) {
        continue;
      }
      live++;
      this.#table.aim(hashes[0] as number, hashes[1] as number);
      const { likeness } = this.#table;
      const left = (copies.get(likeness) ?? 0) - 1;
      assert(left >= 0, `the entry in slot ${slot} has no fingerprint of its own`);
      copies.set(likeness, left);
    }
    const stale = [...copies.values()].reduce((sum, count) => sum + count, 0);
    assert(stale === 0, `${stale} fingerprints belong to no entry`);
    assert(live === this.#live, `${live} entries live, ${this.#live} counted`);
    assert(this.#table.hasMore === this.#unlisted.size > 0, 'readers are not told of those that are not listed');
  }

  #addAll(): void {
    const { used } = this.#source;
    const hashes = new Int32Array(SLICE_SLOTS * 2);
    for (let slot = 0; slot < used; slot += SLICE_SLOTS) {
      const found = this.#source.hashesOf(slot, Math.min(used, slot + SLICE_SLOTS), hashes);
      for (let i = 0; i < found; i++) {
        this.#table.aim(hashes[2 * i] as number, hashes[2 * i + 1] as number);
        if (!this.#table.place()) {
          this.#makePlace();
        }
      }
      this.#live += found;
    }
  }

  /** Between open and close: for what was aimed at and found no free lane. */
  #makePlace(): void {
    if (!this.#table.kick()) {
      this.#keepHomeless();
    }
  }

  #keepHomeless(): void {
    const table = this.#table;
    if (!table.list()) {
      this.#unlisted.set(table.likeness, (this.#unlisted.get(table.likeness) ?? 0) + 1);
      table.setMore(true);
    }
  }

  /** Takes one of this likeness from those that are not listed. False if there is none. */
  #forget(likeness: number): boolean {
    const count = this.#unlisted.get(likeness);
    if (count === undefined) {
      return false;
    }
    if (count > 1) {
      this.#unlisted.set(likeness, count - 1);
    } else {
      this.#unlisted.delete(likeness);
    }
    this.#table.setMore(this.#unlisted.size > 0);
    return true;
  }

  /** One of the homeless finds a place, or another one is homeless in its stead; those not listed follow. */
  #bringBack(): void {
    const table = this.#table;
    if (table.homeless > 0) {
      table.aimAtListed();
      table.unlist();
      if (!table.place() && !table.kick(RETURN_KICKS_MAX)) {
        table.list();
      }
    }
    for (const likeness of this.#unlisted.keys()) {
      table.aimAtLike(likeness);
      if (!table.list()) {
        return;
      }
      this.#forget(likeness);
    }
  }
}

function assert(holds: boolean, message: string): void {
  if (!holds) {
    throw new Error(`filter: ${message}`);
  }
}
