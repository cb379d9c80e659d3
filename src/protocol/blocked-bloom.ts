/**
 * The arithmetic of a blocked Bloom filter over a plain array of words: how large it must be, and which bits are a key's.
 *
 * A key owns a few bits of one block of 512, a cache line, so a question costs one cache miss however many bits it looks
 * at (Putze, Sanders, Singler, "Cache-, hash- and space-efficient Bloom filters", WEA 2007). The price: keys fall into
 * blocks as balls into bins, and crowded blocks answer wrongly more often than empty ones make up for. So the size comes
 * from the mixture: blocks of i keys, i Poisson distributed, answer wrongly with (1 - (1 - 1/512)^(k i))^k.
 *
 *     rate          0.5    0.1    0.05   0.01   0.001  0.0001  0.000001
 *     bits a key    1.44   4.83   6.31   9.90   15.49  21.91   38.51
 *     plain Bloom   1.44   4.79   6.24   9.59   14.38  19.17   28.76
 *     bits set (k)  1      3      4      6      9      12      16
 *
 * A key is known by 43 bits of its hash: all of the low word, and of the high word the 11 bits that a block keeps.
 */

/** One cache line. */
export const BLOCK_BITS = 512;
const BLOCK_WORDS_SHIFT = 4;
export const BLOOM_BLOCK_WORDS = 1 << BLOCK_WORDS_SHIFT;
/** Lower rates get the size of this one: at 10 M keys one of 900,000 strangers has the 43 hash bits of one of them. */
const RATE_MIN = 1e-6;
const PROBES_MAX = 16;
const HASH_HIGH_MASK = 0x7ff;
/** 2^32 divided by the golden ratio, made odd. */
const GOLDEN = 0x9e37_79b1;
/** Blocks so crowded or so empty that fewer than one of 10^15 is are left out of the mixture. */
const WEIGHT_MIN = 1e-15;
/** Every load that a shape can have is between these, and found to a hundred-thousandth, which takes 2 ms. */
const LOAD_MIN = 10;
const LOAD_MAX = 10_000;
const HALVINGS = 20;

export interface BloomShape {
  /** Keys per block, on average, at which the filter is full. */
  readonly load: number;
  /** Bits that each key sets. */
  readonly probes: number;
}

/** The last shape that was asked for: finding one takes 2 ms, and all shards of a cache have the same. */
let latest = { rate: 0, shape: { load: 0, probes: 0 } };

/** The smallest shape that answers wrongly for at most this share of strangers when it is full. */
export function shapeFor(falsePositiveRate: number): BloomShape {
  const rate = Math.max(RATE_MIN, falsePositiveRate);
  if (rate !== latest.rate) {
    latest = { rate, shape: findShape(rate) };
  }
  return latest.shape;
}

function findShape(rate: number): BloomShape {
  let best: BloomShape = { load: 0, probes: 0 };
  for (let probes = 1; probes <= PROBES_MAX; probes++) {
    const load = loadFor(rate, probes);
    if (load < best.load) {
      break;
    }
    best = { load, probes };
  }
  return best;
}

/** Blocks of a filter for so many keys. */
export function blocksFor(keys: number, shape: BloomShape): number {
  return Math.max(1, Math.ceil(keys / shape.load));
}

/** The share of strangers that blocks of `load` keys on average do not rule out. */
export function rateAt(load: number, probes: number): number {
  const average = Math.floor(load);
  let weights = 0;
  let sum = 0;
  // From the most likely number of keys down, then up: no power of e underflows on the way.
  for (let keys = average, weight = 1; keys >= 0 && weight > WEIGHT_MIN; weight *= keys / load, keys--) {
    weights += weight;
    sum += weight * rateOfBlock(keys, probes);
  }
  for (let keys = average + 1, weight = load / keys; weight > WEIGHT_MIN; keys++, weight *= load / keys) {
    weights += weight;
    sum += weight * rateOfBlock(keys, probes);
  }
  return sum / weights;
}

/**
 * First word of the block that is a key's, among `blocks` blocks from word `at` on. Never behind the last: the largest hash
 * is 1 - 2^-32 of the way there, and doubles round by 2^-53.
 */
export function blockOf(at: number, blocks: number, hashLow: number): number {
  const block = Math.floor(((mixed(hashLow) >>> 0) * blocks) / 0x1_0000_0000);
  return at + (block << BLOCK_WORDS_SHIFT);
}

/** Sets the bits of a key. */
export function setBits(
  words: Int32Array,
  at: number,
  blocks: number,
  probes: number,
  hashLow: number,
  hashHigh: number,
): void {
  const block = blockOf(at, blocks, hashLow);
  let state = stateOf(hashLow, hashHigh);
  for (let i = 0; i < probes; i++) {
    (words[block + (state >>> 28)] as number) |= 1 << (state >>> 23);
    state = Math.imul(state, GOLDEN);
  }
}

/** Whether all bits of a key are set: false only if it was never added. */
export function hasBits(
  words: Int32Array,
  at: number,
  blocks: number,
  probes: number,
  hashLow: number,
  hashHigh: number,
): boolean {
  const block = blockOf(at, blocks, hashLow);
  let state = stateOf(hashLow, hashHigh);
  for (let i = 0; i < probes; i++) {
    if (((words[block + (state >>> 28)] as number) & (1 << (state >>> 23))) === 0) {
      return false;
    }
    state = Math.imul(state, GOLDEN);
  }
  return true;
}

/** The load at which so many probes reach the rate; LOAD_MIN if they never can. */
function loadFor(rate: number, probes: number): number {
  let low = LOAD_MIN;
  let high = LOAD_MAX;
  for (let i = 0; i < HALVINGS; i++) {
    const load = Math.sqrt(low * high);
    if (rateAt(load, probes) <= rate) {
      low = load;
    } else {
      high = load;
    }
  }
  return low;
}

function rateOfBlock(keys: number, probes: number): number {
  return (1 - (1 - 1 / BLOCK_BITS) ** (keys * probes)) ** probes;
}

/** Murmur's finalizer, without its last step: only the high bits choose. Stripes and buckets take low bits unmixed. */
function mixed(hashLow: number): number {
  const hash = Math.imul(hashLow ^ (hashLow >>> 16), 0x85eb_ca6b);
  return Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
}

/**
 * 32 bits that choose the bits in the block: all different for the 2,048 high parts of one low word. Its top 9 bits are
 * the first choice, and each multiplication brings another, as in the filter of RocksDB (`util/bloom_impl.h`).
 */
function stateOf(hashLow: number, hashHigh: number): number {
  const state = Math.imul(hashLow ^ (hashLow >>> 15), 0x2c1b_3c6d) + Math.imul(hashHigh & HASH_HIGH_MASK, GOLDEN);
  return Math.imul(state ^ (state >>> 13), 0x297a_2d39);
}
