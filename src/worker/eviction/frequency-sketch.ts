/**
 * How often keys were seen lately, in 8 to 16 bytes an entry: a count-min sketch (Cormode and Muthukrishnan, 2005) of
 * four-bit counters, aged as TinyLFU asks (Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission
 * policy", ACM TOS 2017), laid out as Caffeine does.
 *
 *     a block of 64 bytes    [ row 0: 32 counters | row 1: 32 | row 2: 32 | row 3: 32 ]
 *
 * A key has one block and in it a counter of each row, so that it costs one cache line; its estimate is the least of the
 * four, at most 15. After ten additions for each entry that there is room for, all counters are halved. Not at once: a block
 * remembers the halving that it was last right for, and is halved when it is next looked at. The sketch grows with the
 * entries, by doubling; a block that becomes two leaves its counters to both.
 */

const BLOCK_WORDS = 16;
const ROWS = 4;
/** Entries that share a block of 64 bytes. */
const ENTRIES_PER_BLOCK = 8;
const COUNT_MAX = 15;
/** Additions an entry until all counters are halved. */
const SAMPLE_PER_ENTRY = 10;
const BLOCKS_MIN = 16;
/** Clears the bit that a counter's low bit would shift into the one below. */
const HALF_MASK = 0x7777_7777;
/** After four halvings nothing is left of 15. */
const HALVINGS_MAX = 4;
const HALVING_MASK = 0xff;
/** Additions for each block that is halved in its turn: all are, twice in the time between halvings. */
const CATCH_UP_EVERY = (ENTRIES_PER_BLOCK * SAMPLE_PER_ENTRY) / 2;
/** Of the eight bits that pick a row's counter, two pick the word, three the four bits in it. */
const SHIFT_MASK = 0b11100;
/** Two factors for two independent words of one hash. */
const PICK_MIX = 0x2c1b_3c6d;
const BLOCK_MIX = 0x4f2a_9d1b;

export class FrequencySketch {
  readonly #words: Int32Array;
  /** The halving that each block was last right for, modulo 256. */
  readonly #halvingOf: Uint8Array;
  readonly #blocksAtFirst: number;
  #blocks: number;
  #halving = 0;
  #additions = 0;

  /** For at most so many entries; it begins with room for as many as are expected. */
  constructor(entriesMax: number, expected = 0) {
    const blocks = blocksFor(entriesMax);
    this.#blocksAtFirst = Math.min(blocks, blocksFor(expected));
    this.#blocks = this.#blocksAtFirst;
    // Shared only so that pages are handed out when touched.
    this.#words = new Int32Array(new SharedArrayBuffer(blocks * BLOCK_WORDS * 4));
    this.#halvingOf = new Uint8Array(new SharedArrayBuffer(blocks));
  }

  /** A key was seen, in a cache that holds so many entries. */
  add(hash: number, entries: number): void {
    if (entries > this.#blocks * ENTRIES_PER_BLOCK && this.#blocks < this.#halvingOf.length) {
      this.#grow();
    }
    const words = this.#words;
    const at = this.#blockOf(hash);
    const picks = mix(hash, PICK_MIX);
    let added = false;
    for (let row = 0; row < ROWS; row++) {
      const pick = picks >>> (row << 3);
      const word = at + (row << 2) + (pick & 3);
      const shift = pick & SHIFT_MASK;
      if ((((words[word] as number) >>> shift) & COUNT_MAX) < COUNT_MAX) {
        words[word] = ((words[word] as number) + (1 << shift)) | 0;
        added = true;
      }
    }
    if (added) {
      this.#count();
    }
  }

  /**
   * A key was seen as often as another sketch has estimated, 15 times at most. Ages nothing. `entries` as for `add`.
   */
  raise(hash: number, estimate: number, entries: number): void {
    if (entries > this.#blocks * ENTRIES_PER_BLOCK && this.#blocks < this.#halvingOf.length) {
      this.#grow();
    }
    const words = this.#words;
    const at = this.#blockOf(hash);
    const picks = mix(hash, PICK_MIX);
    for (let row = 0; row < ROWS; row++) {
      const pick = picks >>> (row << 3);
      const word = at + (row << 2) + (pick & 3);
      const shift = pick & SHIFT_MASK;
      const count = ((words[word] as number) >>> shift) & COUNT_MAX;
      const lacking = Math.max(0, Math.min(COUNT_MAX, estimate) - count);
      words[word] = ((words[word] as number) + (lacking << shift)) | 0;
    }
  }

  /** How often a key was seen lately, 0 to 15; more where keys collide, never less. */
  estimate(hash: number): number {
    const words = this.#words;
    const at = this.#blockOf(hash);
    const picks = mix(hash, PICK_MIX);
    let least = COUNT_MAX;
    for (let row = 0; row < ROWS; row++) {
      const pick = picks >>> (row << 3);
      least = Math.min(least, ((words[at + (row << 2) + (pick & 3)] as number) >>> (pick & SHIFT_MASK)) & COUNT_MAX);
    }
    return least;
  }

  clear(): void {
    this.#words.fill(0, 0, this.#blocks * BLOCK_WORDS);
    this.#halvingOf.fill(0);
    this.#blocks = this.#blocksAtFirst;
    this.#halving = 0;
    this.#additions = 0;
  }

  /** The first word of the block of a key, with its counters halved as often as all others. */
  #blockOf(hash: number): number {
    const block = mix(hash, BLOCK_MIX) & (this.#blocks - 1);
    if (this.#halvingOf[block] !== this.#halving) {
      this.#catchUp(block);
    }
    return block * BLOCK_WORDS;
  }

  #count(): void {
    this.#additions++;
    if (this.#additions % CATCH_UP_EVERY === 0) {
      // In turn, so that the number of the halving does not come round before a block was looked at.
      this.#catchUp((this.#additions / CATCH_UP_EVERY) & (this.#blocks - 1));
    }
    if (this.#additions >= this.#blocks * ENTRIES_PER_BLOCK * SAMPLE_PER_ENTRY) {
      this.#halving = (this.#halving + 1) & HALVING_MASK;
      this.#additions = 0;
    }
  }

  #catchUp(block: number): void {
    const halvings = Math.min(HALVINGS_MAX, (this.#halving - (this.#halvingOf[block] as number)) & HALVING_MASK);
    this.#halvingOf[block] = this.#halving;
    const start = block * BLOCK_WORDS;
    for (let halving = 0; halving < halvings; halving++) {
      for (let at = start; at < start + BLOCK_WORDS; at++) {
        this.#words[at] = ((this.#words[at] as number) >>> 1) & HALF_MASK;
      }
    }
  }

  #grow(): void {
    const words = this.#blocks * BLOCK_WORDS;
    this.#words.copyWithin(words, 0, words);
    this.#halvingOf.copyWithin(this.#blocks, 0, this.#blocks);
    this.#blocks *= 2;
  }
}

function blocksFor(entries: number): number {
  return Math.max(BLOCKS_MIN, 2 ** Math.ceil(Math.log2(entries / ENTRIES_PER_BLOCK)));
}

/** A word whose every bit depends on every bit of the hash. */
function mix(hash: number, factor: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 15), factor);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a_2d39);
  return mixed ^ (mixed >>> 15);
}
