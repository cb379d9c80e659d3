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
 */
import {
  BLOOM_BLOCK_BITS,
  BLOOM_BLOCK_SHIFT,
  BLOOM_RATE_MIN,
  type BloomLayout,
  type BloomShape,
} from './bloom-layout.ts';
import { blend, GOLDEN, scale, spread } from './hash-spread.ts';

const PROBES_MAX = 16;
/** Blocks so crowded or so empty that fewer than one of 10^15 is are left out of the mixture. */
const WEIGHT_MIN = 1e-15;
/** Every load that a shape can have is between these, and found to a hundred-thousandth, which takes 2 ms. */
const LOAD_MIN = 10;
const LOAD_MAX = 10_000;
const HALVINGS = 20;

/** The last shape that was asked for: finding one takes 2 ms, and all shards of a cache have the same. */
let latest = { rate: 0, shape: { load: 0, probes: 0 } };

function shapeFor(falsePositiveRate: number): BloomShape {
  const rate = Math.max(BLOOM_RATE_MIN, falsePositiveRate);
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

function rateAt(load: number, probes: number): number {
  // Nothing is ruled out any more, and the mixture of so many keys would take a while.
  if (load > LOAD_MAX) {
    return 1;
  }
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

/** First word of the block that is a key's. */
function wordOf(at: number, blocks: number, hashLow: number): number {
  return at + (scale(spread(hashLow), blocks) << BLOOM_BLOCK_SHIFT);
}

/**
 * The top 9 bits of the blend are the first choice, and each multiplication brings another, as in the filter of RocksDB
 * (`util/bloom_impl.h`).
 */
function setBits(
  words: Int32Array,
  at: number,
  blocks: number,
  probes: number,
  hashLow: number,
  hashHigh: number,
): void {
  const block = wordOf(at, blocks, hashLow);
  let state = blend(hashLow, hashHigh);
  for (let i = 0; i < probes; i++) {
    (words[block + (state >>> 28)] as number) |= 1 << (state >>> 23);
    state = Math.imul(state, GOLDEN);
  }
}

function hasBits(
  words: Int32Array,
  at: number,
  blocks: number,
  probes: number,
  hashLow: number,
  hashHigh: number,
): boolean {
  const block = wordOf(at, blocks, hashLow);
  let state = blend(hashLow, hashHigh);
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
  return (1 - (1 - 1 / BLOOM_BLOCK_BITS) ** (keys * probes)) ** probes;
}

export const blockedBloom = {
  probesMax: PROBES_MAX,
  shapeFor,
  rateAt,
  wordOf,
  setBits,
  hasBits,
} satisfies BloomLayout;
