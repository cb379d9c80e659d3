/**
 * A Bloom filter that follows a cache, of either layout: `protocol/bloom.ts` and `protocol/blocked-bloom.ts` have their
 * arithmetic, `protocol/filter.ts` their place in memory.
 *
 * A Bloom filter forgets nothing, so keys that left stay in it as stale ones, and it is built anew before live and stale
 * keys together pass the capacity it was sized for. The next generation is sized for twice the live keys, and built by
 * the last sixteenth of the adds that the old one has room for, a slice with each:
 *
 *     keys in the generation in use
 *       live       15/16                        capacity
 *        |-----------|---------|------------------|
 *                    | zeroing |     scanning     | swap
 *                     adds: the one in use only, the scan comes after
 *                              adds: both
 *
 * The scan goes over the slots once. What it could miss is a key that is added in a slot which it has passed: so every one
 * that is added enters both generations. What it enters needlessly, entries that leave later, is stale like any other.
 *
 * A full cache of n entries is scanned once in 7/8 n adds: 1.14 slots an add, 9 to 11 while it is on, 64 at a time. One
 * that grows from nothing is scanned about twice in all. Measured with blocks on a busy machine with entries of 80 bytes, in ns:
 *
 *     keys                                          10 k       1 M        10 M
 *     add, no rebuild on                            18         27         50
 *     add in a full cache, its rebuilds included               210        350
 *     rulesOut of a stranger / of a key             32 / 21    40 / 32    100 / 80
 *     a load that waits for the last / does not     10 / 3     23 / 5     156 / 9
 *
 * 20 times the entries of a full cache, sampled 200 times: rates of 10, 1 and 0.1 % were 9.8, 0.95 and 0.095 % at worst and
 * 5.4, 0.35 and 0.025 % on average.
 */
import { blockedBloom } from '../../protocol/blocked-bloom.ts';
import { plainBloom } from '../../protocol/bloom.ts';
import { BLOOM_BLOCK_WORDS, type BloomLayout, type BloomShape, blocksFor } from '../../protocol/bloom-layout.ts';
import {
  closeFilter,
  FILTER_AT,
  FILTER_BLOCKS,
  FILTER_HASH_HIGH_MASK,
  FILTER_HEADER_WORDS,
  FILTER_KEYS_MIN,
  FILTER_KIND,
  FILTER_KINDS,
  FILTER_PROBES,
  filterKeysMax,
  openFilter,
} from '../../protocol/filter.ts';
import type { FilterContext, FilterCounts, FilterFactory, HashSource, MembershipFilter } from './filter.ts';

/** The share of the capacity whose adds pay for a rebuild, and the share of those that pay for the zeroing. */
const WINDOW_SHIFT = 4;
const ZEROING_SHIFT = 3;
/** A slice of the scan: enough for its cache misses to overlap, few enough to hold a call for microseconds. */
const SLICE_SLOTS = 64;
const SLICE_WORDS = 1024;

const IDLE = 0;
const ZEROING = 1;
const SCANNING = 2;

export const createBloom: FilterFactory = (context) => new Bloom(context, plainBloom, FILTER_KINDS.bloom);

export const createBlockedBloom: FilterFactory = (context) =>
  new Bloom(context, blockedBloom, FILTER_KINDS['blocked-bloom']);

class Bloom implements MembershipFilter {
  readonly #layout: BloomLayout;
  readonly #kind: number;
  readonly #words: Int32Array;
  readonly #source: HashSource;
  readonly #shape: BloomShape;
  readonly #probes: number;
  readonly #keysMax: number;
  readonly #fence = new Int32Array(new SharedArrayBuffer(4));
  readonly #hashes = new Int32Array(SLICE_SLOTS * 2);

  /** The generation in use, and the keys at which the building of the next one starts. */
  #at = 0;
  #blocks = 0;
  #capacity = 0;
  #rebuildAt = 0;
  #keys = 0;
  #live = 0;
  #rebuilds = 0;

  /** The generation being built. */
  #phase = IDLE;
  #nextAt = 0;
  #nextBlocks = 0;
  #nextCapacity = 0;
  /** Keys that the next generation will not have: stale when its building started. */
  #leftBehind = 0;
  /** Words or slots: done so far, to do, due with each add, and due now. */
  #done = 0;
  #end = 0;
  #pace = 0;
  #due = 0;
  /** Keeps loads from being left out. */
  #warmed = 0;

  constructor({ words, slots, falsePositiveRate, source }: FilterContext, layout: BloomLayout, kind: number) {
    this.#layout = layout;
    this.#kind = kind;
    this.#words = words;
    this.#source = source;
    this.#shape = layout.shapeFor(falsePositiveRate);
    this.#probes = this.#shape.probes;
    this.#keysMax = filterKeysMax(slots);
    // An owner that died left a filter of all its entries: readers use it until this one has them, too.
    this.#at = words[FILTER_AT] === FILTER_HEADER_WORDS ? FILTER_HEADER_WORDS : this.#secondAt;
    this.#live = source.used;
    this.#begin();
    let found = 0;
    while (this.#phase !== IDLE) {
      found += this.#advance();
    }
    this.#keys = found;
    this.#live = found;
    this.#rebuilds = 0;
  }

  add(hashLow: number, hashHigh: number): void {
    // Before the key's bits are set: the slice may end in a swap, and the scan cannot know an entry not yet published.
    if (this.#keys >= this.#rebuildAt) {
      this.#work();
    }
    this.#keys++;
    this.#live++;
    const high = hashHigh & FILTER_HASH_HIGH_MASK;
    this.#layout.setBits(this.#words, this.#at, this.#blocks, this.#probes, hashLow, high);
    if (this.#phase === SCANNING) {
      this.#layout.setBits(this.#words, this.#nextAt, this.#nextBlocks, this.#probes, hashLow, high);
    }
  }

  removed(_hashLow: number, _hashHigh: number): void {
    this.#live--;
  }

  /** Starts again with the smallest size, so that the cost does not depend on how large it was. */
  clear(): void {
    this.#phase = IDLE;
    this.#keys = 0;
    this.#live = 0;
    const blocks = blocksFor(FILTER_KEYS_MIN, this.#shape);
    openFilter(this.#words, this.#fence);
    this.#words.fill(0, this.#at, this.#at + blocks * BLOOM_BLOCK_WORDS);
    this.#use(this.#at, blocks, FILTER_KEYS_MIN);
    closeFilter(this.#words, this.#fence);
  }

  touch(hashLow: number, _hashHigh: number): number {
    const line = this.#words[this.#layout.wordOf(this.#at, this.#blocks, hashLow)] as number;
    return this.#phase === SCANNING ? line ^ this.#lineOfNext(hashLow) : line;
  }

  counts(): FilterCounts {
    return {
      capacity: this.#capacity,
      keys: this.#keys,
      bits: this.#blocks * BLOOM_BLOCK_WORDS * 32,
      rebuilds: this.#rebuilds,
      falsePositiveRate: this.#layout.rateAt(this.#keys / this.#blocks, this.#probes),
    };
  }

  check(): void {
    const { used } = this.#source;
    let live = 0;
    for (let slot = 0; slot < used; slot++) {
      if (this.#source.hashesOf(slot, slot + 1, this.#hashes) === 0) {
        continue;
      }
      live++;
      const [low = 0, high = 0] = this.#hashes;
      const isInUse = this.#layout.hasBits(this.#words, this.#at, this.#blocks, this.#probes, low, high);
      assert(isInUse, `the entry in slot ${slot} is ruled out`);
      if (this.#phase === SCANNING && (slot < this.#done || slot >= this.#end)) {
        const isInNext = this.#layout.hasBits(this.#words, this.#nextAt, this.#nextBlocks, this.#probes, low, high);
        assert(isInNext, `the entry in slot ${slot} is not in the next generation`);
      }
    }
    assert(live === this.#live, `${live} entries live, ${this.#live} counted`);
    assert(live <= this.#keys && this.#keys <= this.#capacity, `${this.#keys} keys of ${this.#capacity}, ${live} live`);
  }

  get #secondAt(): number {
    return FILTER_HEADER_WORDS + (this.#words.length - FILTER_HEADER_WORDS) / 2;
  }

  #lineOfNext(hashLow: number): number {
    return this.#words[this.#layout.wordOf(this.#nextAt, this.#nextBlocks, hashLow)] as number;
  }

  /** The slice of a rebuild that one add pays for. */
  #work(): void {
    if (this.#phase === IDLE) {
      this.#begin();
    }
    this.#due += this.#pace;
    while (this.#due > 0 && this.#phase !== IDLE) {
      this.#advance();
    }
  }

  #begin(): void {
    // No smaller than the slots that the next rebuild will have to scan, or a few adds would have to pay for them all.
    const keys = Math.max(FILTER_KEYS_MIN, this.#live * 2, this.#source.used);
    this.#nextCapacity = Math.min(this.#keysMax, keys);
    this.#nextBlocks = blocksFor(this.#nextCapacity, this.#shape);
    this.#nextAt = this.#at === FILTER_HEADER_WORDS ? this.#secondAt : FILTER_HEADER_WORDS;
    this.#leftBehind = this.#keys - this.#live;
    this.#enter(ZEROING, this.#nextBlocks * BLOOM_BLOCK_WORDS, (this.#capacity - this.#rebuildAt) >> ZEROING_SHIFT);
  }

  #enter(phase: number, end: number, adds: number): void {
    this.#phase = phase;
    this.#done = 0;
    this.#end = end;
    this.#due = 0;
    this.#pace = Math.max(1, Math.ceil(end / Math.max(1, adds)));
  }

  /** One slice. Says how many entries it found. */
  #advance(): number {
    let found = 0;
    if (this.#phase === ZEROING) {
      this.#zero();
    } else {
      found = this.#scan();
    }
    if (this.#done < this.#end) {
      return found;
    }
    if (this.#phase === ZEROING) {
      // Slots taken from now on hold keys that enter both generations. One add is kept in reserve: the last may not be late.
      this.#enter(SCANNING, this.#source.used, this.#capacity - this.#keys - 1);
    } else {
      this.#swap();
    }
    return found;
  }

  #zero(): void {
    const from = this.#done;
    this.#done = Math.min(this.#end, from + SLICE_WORDS);
    this.#due -= SLICE_WORDS;
    this.#words.fill(0, this.#nextAt + from, this.#nextAt + this.#done);
  }

  #scan(): number {
    const hashes = this.#hashes;
    const from = this.#done;
    this.#done = Math.min(this.#end, from + SLICE_SLOTS);
    this.#due -= SLICE_SLOTS;
    const found = this.#source.hashesOf(from, this.#done, hashes);
    // So that no line waits for the one before: 50 instead of 60 to 70 ns an entry at 10 M, no difference at 1 M.
    for (let i = 0; i < found; i++) {
      this.#warmed ^= this.#lineOfNext(hashes[2 * i] as number);
    }
    for (let i = 0; i < found; i++) {
      this.#layout.setBits(
        this.#words,
        this.#nextAt,
        this.#nextBlocks,
        this.#probes,
        hashes[2 * i] as number,
        hashes[2 * i + 1] as number,
      );
    }
    return found;
  }

  #swap(): void {
    this.#phase = IDLE;
    this.#keys -= this.#leftBehind;
    this.#rebuilds++;
    openFilter(this.#words, this.#fence);
    this.#use(this.#nextAt, this.#nextBlocks, this.#nextCapacity);
    closeFilter(this.#words, this.#fence);
  }

  /** Between open and close. */
  #use(at: number, blocks: number, capacity: number): void {
    this.#at = at;
    this.#blocks = blocks;
    this.#capacity = capacity;
    this.#rebuildAt = capacity - (capacity >> WINDOW_SHIFT);
    this.#words[FILTER_KIND] = this.#kind;
    this.#words[FILTER_AT] = at;
    this.#words[FILTER_BLOCKS] = blocks;
    this.#words[FILTER_PROBES] = this.#probes;
  }
}

function assert(holds: boolean, message: string): void {
  if (!holds) {
    throw new Error(`filter: ${message}`);
  }
}
