/**
 * The bytes of a shard: blocks of any size in one region, at least nine tenths of it in use when it is full.
 *
 * Free blocks lie in bins by size and are found in constant time (two-level segregated fit: Masmano, Ripoll, Crespo and
 * Real, ECRTS 2004); neighbours that are free become one. What is special here is what happens when no hole is large
 * enough though enough bytes are free: the arena takes its largest hole and moves the block behind it to the front of
 * it, again and again, so that the hole travels and swallows the holes it meets. The caller keeps HEADROOM of the region
 * free, which bounds how far a hole has to travel.
 *
 *     live   [ size+flags | the owner's words ...                       ]
 *     free   [ size+flags | next in bin | previous in bin | ... | size  ]
 *
 * Free blocks can be lost without harm: whatever is not live is free, so the arena of a new owner is made of the live blocks
 * alone. Their size words are written before they live; only flags change after that, and those are written anew.
 *
 * Sizes are in granules of 8 bytes, shifted left by two for the flags: FREE, and PREVIOUS_FREE, which says that the word
 * before the block holds the size of the free block that ends there. Offsets are word indexes; 0 is no block.
 * What is bad about it: a huge block asks for many moves. MOVE_FACTOR bounds them, then the caller must free more.
 */

const FREE = 1;
const PREVIOUS_FREE = 2;
const NEXT = 1;
const PREVIOUS = 2;
/** A free block needs four words: size, two links, size. */
const GRANULES_MIN = 2;
/** 32 bins a power of two: a block that is found wastes at most a 32nd. */
const BIN_BITS = 5;
const BINS = 1 << BIN_BITS;
const LEVELS = 26;
/** Blocks of a bin that are tried for size before a larger bin is opened. */
const TRIES = 8;
/** A request moves at most this many times its own size, and MOVE_GRANULES_MIN, before it gives up. */
const MOVE_FACTOR = 64;
const MOVE_GRANULES_MIN = 32 * 1024;
/**
 * The share of the region that callers leave free, as a divisor: 6.25 %. Less is more to move. Measured with 1 B to
 * 64 kB log-uniform in 64 MiB under shuffled LRU, live share and bytes moved a set of 6 kB: 5 % 0.949 and 7.4 kB,
 * 6.25 % 0.937 and 3.9 kB, 7.1 % 0.928 and 2.2 kB.
 */
const HEADROOM = 16;
const FIRST = 2;
const NOTHING = new Int32Array(0);

/** Moves a live block and everything that points to it; called with the destination below the source. */
export type Relocate = (from: number, to: number, words: number) => void;

export interface Moves {
  blocks: number;
  bytes: number;
}

export class Arena {
  /** Bytes that live blocks may take before the arena needs more room to move in. */
  readonly bytesMax: number;
  readonly #words: Int32Array;
  readonly #relocate: Relocate;
  readonly #bins = new Int32Array(LEVELS * BINS);
  readonly #levelBits = new Int32Array(LEVELS);
  #topBits = 0;
  /** The sentinel behind the last block. */
  readonly #end: number;
  #liveGranules = 0;
  #moved: Moves = { blocks: 0, bytes: 0 };

  /** `live`: the blocks of the last owner, in the order in which they lie. */
  constructor(words: Int32Array, relocate: Relocate, live: Int32Array = NOTHING) {
    this.#words = words;
    this.#relocate = relocate;
    this.#end = (words.length - 2) & ~1;
    const bytes = (this.#end - FIRST) * 4;
    this.bytesMax = Math.floor((bytes - bytes / HEADROOM) / 8) * 8;
    this.#fill(live);
  }

  get liveBytes(): number {
    return this.#liveGranules * 8;
  }

  /** What was moved since birth to make holes meet. */
  get moved(): Readonly<Moves> {
    return this.#moved;
  }

  /** A block of at least `words` words, its size word written, or 0 when live blocks leave no room for it. */
  allocate(words: number): number {
    const granules = granulesFor(words);
    let block = this.#find(granules);
    if (block === 0) {
      block = this.#meetHoles(granules);
      if (block === 0) {
        return 0;
      }
    }
    this.#remove(block);
    return this.#carve(block, granules);
  }

  free(block: number): void {
    const words = this.#words;
    let granules = this.#granulesAt(block);
    let start = block;
    this.#liveGranules -= granules;
    if (((words[block] as number) & PREVIOUS_FREE) !== 0) {
      const before = words[block - 1] as number;
      start = block - before * 2;
      this.#remove(start);
      granules += before;
    }
    const after = start + granules * 2;
    if (((words[after] as number) & FREE) !== 0) {
      this.#remove(after);
      granules += this.#granulesAt(after);
    }
    this.#setFree(start, granules);
    this.#insert(start);
  }

  /** Bytes that a block of `words` words takes at most: a rest too small for a hole comes with it. */
  static bytesFor(words: number): number {
    return (granulesFor(words) + GRANULES_MIN - 1) * 8;
  }

  /** Bytes that it takes where there is room without holes. */
  static bytesAtLeast(words: number): number {
    return granulesFor(words) * 8;
  }

  /** Bytes of a block that stands. */
  bytesOf(block: number): number {
    return this.#granulesAt(block) * 8;
  }

  /** Forgets every block. */
  clear(): void {
    this.#bins.fill(0);
    this.#levelBits.fill(0);
    this.#topBits = 0;
    this.#liveGranules = 0;
    this.#fill(NOTHING);
  }

  /** Walks all blocks and throws on the first that contradicts another. For tests and fuzzers. */
  check(): void {
    const words = this.#words;
    let live = 0;
    let free = 0;
    let previousFree = false;
    for (let block = FIRST; block !== this.#end; block += this.#granulesAt(block) * 2) {
      const head = words[block] as number;
      const granules = this.#granulesAt(block);
      const isFree = (head & FREE) !== 0;
      assert(granules >= GRANULES_MIN, `block ${block} of ${granules} granules`);
      assert(block + granules * 2 <= this.#end, `block ${block} runs out of the arena`);
      assert(((head & PREVIOUS_FREE) !== 0) === previousFree, `block ${block} mistakes the one before it`);
      assert(!(isFree && previousFree), `two free blocks meet at ${block}`);
      if (isFree) {
        assert(words[block + granules * 2 - 1] === granules, `free block ${block} ends with another size`);
        assert(this.#isBinned(block, granules), `free block ${block} is in no bin`);
        free += granules;
      } else {
        live += granules;
      }
      previousFree = isFree;
    }
    assert(live === this.#liveGranules, `${live} granules are live, ${this.#liveGranules} counted`);
    assert((live + free) * 2 === this.#end - FIRST, 'blocks do not fill the arena');
  }

  /** Makes one free block of all that lies between two live ones. */
  #fill(live: Int32Array): void {
    const words = this.#words;
    words[this.#end] = 0;
    let behind = FIRST;
    for (let i = 0; i <= live.length; i++) {
      const block = i < live.length ? (live[i] as number) : this.#end;
      const granules = this.#granulesAt(block);
      const gap = (block - behind) >> 1;
      assert(gap === 0 || gap >= GRANULES_MIN, `a gap of ${gap} granules before block ${block}`);
      words[block] = granules << 2;
      if (gap > 0) {
        this.#setFree(behind, gap);
        this.#insert(behind);
      }
      this.#liveGranules += granules;
      behind = block + granules * 2;
    }
  }

  #granulesAt(block: number): number {
    return (this.#words[block] as number) >>> 2;
  }

  /** Takes what is needed from a free block that is in no bin, and gives the rest back. */
  #carve(block: number, granules: number): number {
    const words = this.#words;
    const rest = this.#granulesAt(block) - granules;
    let taken = granules;
    if (rest >= GRANULES_MIN) {
      const remainder = block + granules * 2;
      this.#setFree(remainder, rest);
      this.#insert(remainder);
    } else {
      taken += rest;
      (words[block + taken * 2] as number) &= ~PREVIOUS_FREE;
    }
    words[block] = taken << 2;
    this.#liveGranules += taken;
    return block;
  }

  /** Writes a free block whose predecessor is live, and tells the block after it. */
  #setFree(block: number, granules: number): void {
    const words = this.#words;
    words[block] = (granules << 2) | FREE;
    const after = block + granules * 2;
    words[after - 1] = granules;
    (words[after] as number) |= PREVIOUS_FREE;
  }

  #find(granules: number): number {
    const words = this.#words;
    let block = this.#bins[binOf(granules)] as number;
    for (let i = 0; i < TRIES && block !== 0; i++) {
      if (this.#granulesAt(block) >= granules) {
        return block;
      }
      block = words[block + NEXT] as number;
    }
    const bin = binOf(granules) + 1;
    let level = bin >>> BIN_BITS;
    let bits = (this.#levelBits[level] as number) & ((bin & (BINS - 1)) === 0 ? -1 : -1 << (bin & (BINS - 1)));
    if (bits === 0) {
      const levels = level + 1 < LEVELS ? this.#topBits & (-1 << (level + 1)) : 0;
      if (levels === 0) {
        return 0;
      }
      level = lowestBit(levels);
      bits = this.#levelBits[level] as number;
    }
    return this.#bins[(level << BIN_BITS) + lowestBit(bits)] as number;
  }

  /**
   * Lets the largest hole travel until it is large enough. One that reaches the arena's end has nobody behind it and
   * stays there; then the next largest sets out, as long as the budget lasts. To grow a hole that was chosen by size
   * costs a third of the moves of the first that comes.
   */
  #meetHoles(granules: number): number {
    let budget = Math.max(granules * MOVE_FACTOR, MOVE_GRANULES_MIN);
    for (let hole = this.#largest(); hole !== 0; hole = this.#largest()) {
      const before = this.#moved.bytes;
      const end = this.#travel(hole, granules, budget);
      if (this.#granulesAt(end) >= granules) {
        return end;
      }
      budget -= (this.#moved.bytes - before) / 8;
      if (end + this.#granulesAt(end) * 2 !== this.#end) {
        return 0;
      }
    }
    return 0;
  }

  /**
   * Moves the blocks behind a hole to its front until the hole is large enough, and says where it ended. Whenever a block is
   * moved to it, the hole's first word has FREE set: it has just left its bin, or the last move has given it that. So a new
   * owner can tell a move that was made, for no live block has FREE, from one that was not.
   */
  #travel(start: number, granules: number, budget: number): number {
    const words = this.#words;
    let hole = start;
    let left = budget;
    let size = this.#granulesAt(hole);
    this.#remove(hole);
    while (size < granules) {
      const neighbour = hole + size * 2;
      if (neighbour === this.#end) {
        break;
      }
      const moved = this.#granulesAt(neighbour);
      left -= moved;
      if (left < 0) {
        break;
      }
      this.#relocate(neighbour, hole, moved * 2);
      words[hole] = moved << 2;
      this.#moved.blocks++;
      this.#moved.bytes += moved * 8;
      hole += moved * 2;
      const after = hole + size * 2;
      if (((words[after] as number) & FREE) !== 0) {
        this.#remove(after);
        size += this.#granulesAt(after);
      }
      this.#setFree(hole, size);
    }
    this.#insert(hole);
    return hole;
  }

  /** The first block of the topmost bin that has one which does not end at the arena's end; 0 where there is none. */
  #largest(): number {
    for (let levels = this.#topBits; levels !== 0; ) {
      const level = 31 - Math.clz32(levels);
      for (let bits = this.#levelBits[level] as number; bits !== 0; ) {
        const bin = 31 - Math.clz32(bits);
        let block = this.#bins[(level << BIN_BITS) + bin] as number;
        if (block !== 0 && block + this.#granulesAt(block) * 2 === this.#end) {
          block = this.#words[block + NEXT] as number;
        }
        if (block !== 0) {
          return block;
        }
        bits &= ~(1 << bin);
      }
      levels &= ~(1 << level);
    }
    return 0;
  }

  #insert(block: number): void {
    const words = this.#words;
    const bin = binOf(this.#granulesAt(block));
    const first = this.#bins[bin] as number;
    words[block + NEXT] = first;
    words[block + PREVIOUS] = 0;
    if (first !== 0) {
      words[first + PREVIOUS] = block;
    }
    this.#bins[bin] = block;
    (this.#levelBits[bin >>> BIN_BITS] as number) |= 1 << (bin & (BINS - 1));
    this.#topBits |= 1 << (bin >>> BIN_BITS);
  }

  #remove(block: number): void {
    const words = this.#words;
    const next = words[block + NEXT] as number;
    const previous = words[block + PREVIOUS] as number;
    if (next !== 0) {
      words[next + PREVIOUS] = previous;
    }
    if (previous !== 0) {
      words[previous + NEXT] = next;
      return;
    }
    const bin = binOf(this.#granulesAt(block));
    this.#bins[bin] = next;
    if (next === 0) {
      const level = bin >>> BIN_BITS;
      (this.#levelBits[level] as number) &= ~(1 << (bin & (BINS - 1)));
      if (this.#levelBits[level] === 0) {
        this.#topBits &= ~(1 << level);
      }
    }
  }

  #isBinned(block: number, granules: number): boolean {
    for (let at = this.#bins[binOf(granules)] as number; at !== 0; at = this.#words[at + NEXT] as number) {
      if (at === block) {
        return true;
      }
    }
    return false;
  }
}

/** Whether a hole begins here. A live block never says so. */
export function isFree(words: Int32Array, block: number): boolean {
  return ((words[block] as number) & FREE) !== 0;
}

function granulesFor(words: number): number {
  return Math.max(GRANULES_MIN, (words + 1) >>> 1);
}

/** Exact bins for small sizes, then BINS a power of two. Sizes of one bin differ by less than a 32nd. */
function binOf(granules: number): number {
  const top = 31 - Math.clz32(granules);
  if (top < BIN_BITS) {
    return granules;
  }
  return ((top - BIN_BITS + 1) << BIN_BITS) | ((granules >>> (top - BIN_BITS)) & (BINS - 1));
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

function assert(holds: boolean, message: string): void {
  if (!holds) {
    throw new Error(`arena: ${message}`);
  }
}
