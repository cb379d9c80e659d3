/**
 * The arithmetic of a plain Bloom filter (B. H. Bloom, "Space/time trade-offs in hash coding with allowable errors",
 * Communications of the ACM 13(7), 1970): the bits of a key lie anywhere in the whole filter.
 *
 * Nothing of this kind is smaller for a rate, and a question about a key that is there costs a cache miss for every bit; one
 * about a stranger costs two on average, since half of the bits are set. After n keys in m bits a stranger finds k bits
 * set with (1 - e^(-k n / m))^k.
 *
 *     rate          0.5    0.1    0.05   0.01   0.001  0.0001  0.000001
 *     bits a key    1.44   4.81   6.24   9.59   14.38  19.18   28.76
 *     bits set (k)  1      3      4      7      10     13      20
 *
 * The k places come from two hashes by enhanced double hashing (Dillinger and Manolios, "Bloom filters in probabilistic
 * verification", FMCAD 2004): the step grows, so that two keys which share one place do not share the others.
 */
import {
  BLOOM_BLOCK_BITS,
  BLOOM_BLOCK_SHIFT,
  BLOOM_RATE_MIN,
  type BloomLayout,
  type BloomShape,
} from './bloom-layout.ts';
import { blend, GOLDEN, scale, spread } from './hash-spread.ts';

const PROBES_MAX = 20;

function shapeFor(falsePositiveRate: number): BloomShape {
  const rate = Math.max(BLOOM_RATE_MIN, falsePositiveRate);
  let best: BloomShape = { load: 0, probes: 0 };
  for (let probes = 1; probes <= PROBES_MAX; probes++) {
    const load = (-Math.log(1 - rate ** (1 / probes)) / probes) * BLOOM_BLOCK_BITS;
    if (load > best.load) {
      best = { load, probes };
    }
  }
  return best;
}

function rateAt(load: number, probes: number): number {
  return (1 - Math.exp((-probes * load) / BLOOM_BLOCK_BITS)) ** probes;
}

function wordOf(at: number, blocks: number, hashLow: number): number {
  return at + scale(spread(hashLow), blocks << BLOOM_BLOCK_SHIFT);
}

function setBits(
  words: Int32Array,
  at: number,
  blocks: number,
  probes: number,
  hashLow: number,
  hashHigh: number,
): void {
  const count = blocks << BLOOM_BLOCK_SHIFT;
  let place = spread(hashLow);
  let step = blend(hashLow, hashHigh);
  for (let i = 1; i <= probes; i++) {
    (words[at + scale(place, count)] as number) |= 1 << bitOf(place);
    place = (place + step) | 0;
    step = (step + i) | 0;
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
  const count = blocks << BLOOM_BLOCK_SHIFT;
  let place = spread(hashLow);
  let step = blend(hashLow, hashHigh);
  for (let i = 1; i <= probes; i++) {
    if (((words[at + scale(place, count)] as number) & (1 << bitOf(place))) === 0) {
      return false;
    }
    place = (place + step) | 0;
    step = (step + i) | 0;
  }
  return true;
}

/** Its word is chosen by the high bits of a place: this takes the low ones in, too, however few they are. */
function bitOf(place: number): number {
  return Math.imul(place, GOLDEN) >>> 27;
}

export const plainBloom = {
  probesMax: PROBES_MAX,
  shapeFor,
  rateAt,
  wordOf,
  setBits,
  hasBits,
} satisfies BloomLayout;
