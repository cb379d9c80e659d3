/**
 * The arithmetic of a cuckoo filter (Fan, Andersen, Kaminsky, Mitzenmacher, "Cuckoo filter: practically better than Bloom",
 * CoNEXT 2014): a hash table that keeps of each key a fingerprint of a few bits, so that a key can be taken out again.
 *
 *     words 0-31   [ homeless | more | bucket, fingerprint | bucket, fingerprint | ... ]     up to 15 homeless ones
 *     words 32-    groups of 8 buckets of 4 lanes of `bits` bits: `bits` words a group
 *
 *       +----------+---------------+---------------+---------------+- - -
 *       | homeless | bucket 0      | bucket 1      | bucket 2      |
 *       |          | f0 f1 f2 f3   | f0 f1 f2 f3   | f0 f1 f2 f3   |
 *       +----------+---------------+---------------+---------------+- - -
 *
 * A fingerprint, never 0, is in one of two buckets. Each follows from the other and the fingerprint alone, so that it can be
 * moved without the key: their sum is a hash of the fingerprint, modulo the number of buckets, which need not be a power
 * of two. Keys of the same fingerprint and the same two buckets are one for the filter: it holds as many copies as there
 * are keys, and it does not matter which of them is taken out.
 *
 * A new key that finds both buckets full takes the lane of another fingerprint, which goes to its other bucket, and so on.
 * One that finds no lane in KICKS_MAX moves is homeless: a filter of more than its load, or one where nine keys are one.
 * `more` says that there are homeless ones beyond those that are listed, so that nothing can be ruled out.
 *
 * A stranger meets 8 lanes, each equal to it with 1 in 2^bits - 1:
 *
 *     rate                      0.1    0.01   0.001  0.0001  0.000001
 *     bits                      7      10     13     17      23
 *     bits a key, lanes 94 %    7.4    10.6   13.8   18.1    24.5
 *     bits a key, lanes 85 %    8.2    11.8   15.3   20.0    27.1
 */
import { blend, GOLDEN, scale, spread } from './hash-spread.ts';

export const CUCKOO_LANES = 4;
/**
 * The share of its lanes for which a table is sized that is filled and then only asked: 95 % and more find a place (Fan et
 * al., section 4.3). Filling it takes 140 ns a key at 1 M. One that is churned at this load spends 880 ns on a removal
 * and an insert, two thirds of which move others; at 85 % it is 470 ns and a third.
 */
export const CUCKOO_LOAD_MAX = 0.94;
export const CUCKOO_LOAD_CHURNED = 0.85;
/** With fewer bits the two buckets of a key follow too few patterns for such a load (Fan et al., section 4.2). */
export const CUCKOO_BITS_MIN = 7;
/** Enough for the smallest rate that a filter is sized for. */
export const CUCKOO_BITS_MAX = 23;
const RATE_MIN = 1e-6;
const GROUP_SHIFT = 3;
const GROUP_MASK = (1 << GROUP_SHIFT) - 1;
/** With few buckets whether all keys find a lane would be a matter of luck. */
const BUCKETS_MIN = 64;

export const CUCKOO_HOMELESS = 0;
export const CUCKOO_MORE = 1;
export const CUCKOO_LISTED = 2;
export const CUCKOO_HOMELESS_MAX = 15;
/** Before the first bucket: two cache lines. */
export const CUCKOO_HEADER_WORDS = CUCKOO_LISTED + 2 * CUCKOO_HOMELESS_MAX;

/** The fewest bits of a fingerprint with which at most this share of strangers is not ruled out at this load. */
export function fingerprintBits(falsePositiveRate: number, load: number): number {
  const rate = Math.max(RATE_MIN, falsePositiveRate);
  let bits = CUCKOO_BITS_MIN;
  while (bits < CUCKOO_BITS_MAX && cuckooRate(load, bits) > rate) {
    bits++;
  }
  return bits;
}

/** The share of strangers that are not ruled out when this share of the lanes is taken. */
export function cuckooRate(load: number, bits: number): number {
  return 1 - (1 - 1 / (2 ** bits - 1)) ** (2 * CUCKOO_LANES * load);
}

/** Buckets of which so many keys take this share of the lanes: whole groups. */
export function bucketsFor(keys: number, load: number): number {
  const buckets = Math.max(BUCKETS_MIN, Math.ceil(keys / (CUCKOO_LANES * load)));
  return Math.ceil(buckets / (GROUP_MASK + 1)) * (GROUP_MASK + 1);
}

/** Words of a filter, its header included. */
export function cuckooWords(buckets: number, bits: number): number {
  return CUCKOO_HEADER_WORDS + Math.ceil(buckets / (GROUP_MASK + 1)) * bits;
}

/** The first bucket of a key. By the low word alone, so that it can be loaded before the high one is known. */
export function firstBucket(buckets: number, hashLow: number): number {
  return scale(spread(hashLow), buckets);
}

/** From 1 to 2^bits - 1. */
export function fingerprintOf(bits: number, hashLow: number, hashHigh: number): number {
  return 1 + scale(blend(hashLow, hashHigh), (1 << bits) - 1);
}

/** The other bucket of a fingerprint: from the second it leads to the first. */
export function otherBucket(buckets: number, bucket: number, fingerprint: number): number {
  const hash = Math.imul(fingerprint, GOLDEN);
  const other = scale(Math.imul(hash ^ (hash >>> 15), 0x85eb_ca6b), buckets) - bucket;
  return other < 0 ? other + buckets : other;
}

/** The word where the lanes of a bucket begin, in a filter at word `at`. */
export function wordOfBucket(at: number, bits: number, bucket: number): number {
  return groupOf(at, bits, bucket) + (((bucket & GROUP_MASK) * CUCKOO_LANES * bits) >>> 5);
}

/** The fingerprint in a lane, 0 for none. */
export function laneAt(words: Int32Array, at: number, bits: number, bucket: number, lane: number): number {
  return bitsAt(words, groupOf(at, bits, bucket), ((bucket & GROUP_MASK) * CUCKOO_LANES + lane) * bits, bits);
}

/**
 * Writes a fingerprint, in one word or in two. Whoever reads meanwhile sees the other lanes as they are, and of this one
 * perhaps something that is neither the old nor the new.
 */
export function setLane(
  words: Int32Array,
  at: number,
  bits: number,
  bucket: number,
  lane: number,
  fingerprint: number,
): void {
  const bit = ((bucket & GROUP_MASK) * CUCKOO_LANES + lane) * bits;
  const word = groupOf(at, bits, bucket) + (bit >>> 5);
  const shift = bit & 31;
  const mask = (1 << bits) - 1;
  words[word] = ((words[word] as number) & ~(mask << shift)) | (fingerprint << shift);
  if (shift + bits > 32) {
    const kept = 32 - shift;
    words[word + 1] = ((words[word + 1] as number) & ~(mask >>> kept)) | (fingerprint >>> kept);
  }
}

/** Whether the filter at word `at` may hold a key: false only if it does not. */
export function cuckooHolds(
  words: Int32Array,
  at: number,
  buckets: number,
  bits: number,
  hashLow: number,
  hashHigh: number,
): boolean {
  const fingerprint = fingerprintOf(bits, hashLow, hashHigh);
  const first = firstBucket(buckets, hashLow);
  const second = otherBucket(buckets, first, fingerprint);
  return (
    bucketHolds(words, at, bits, first, fingerprint) ||
    bucketHolds(words, at, bits, second, fingerprint) ||
    ((words[at + CUCKOO_HOMELESS] as number) !== 0 && isHomeless(words, at, first, second, fingerprint))
  );
}

/** Which of the homeless a key may be, -1 for none of those that are listed. */
export function homelessAt(words: Int32Array, at: number, first: number, second: number, fingerprint: number): number {
  const count = Math.min(words[at + CUCKOO_HOMELESS] as number, CUCKOO_HOMELESS_MAX);
  for (let i = 0; i < count; i++) {
    const bucket = words[at + CUCKOO_LISTED + 2 * i] as number;
    if ((words[at + CUCKOO_LISTED + 2 * i + 1] as number) === fingerprint && (bucket === first || bucket === second)) {
      return i;
    }
  }
  return -1;
}

function isHomeless(words: Int32Array, at: number, first: number, second: number, fingerprint: number): boolean {
  return (words[at + CUCKOO_MORE] as number) !== 0 || homelessAt(words, at, first, second, fingerprint) >= 0;
}

function bucketHolds(words: Int32Array, at: number, bits: number, bucket: number, fingerprint: number): boolean {
  const group = groupOf(at, bits, bucket);
  const bit = (bucket & GROUP_MASK) * CUCKOO_LANES * bits;
  return (
    bitsAt(words, group, bit, bits) === fingerprint ||
    bitsAt(words, group, bit + bits, bits) === fingerprint ||
    bitsAt(words, group, bit + 2 * bits, bits) === fingerprint ||
    bitsAt(words, group, bit + 3 * bits, bits) === fingerprint
  );
}

function groupOf(at: number, bits: number, bucket: number): number {
  return at + CUCKOO_HEADER_WORDS + (bucket >>> GROUP_SHIFT) * bits;
}

function bitsAt(words: Int32Array, group: number, bit: number, bits: number): number {
  const word = group + (bit >>> 5);
  const shift = bit & 31;
  let value = (words[word] as number) >>> shift;
  if (shift + bits > 32) {
    value |= (words[word + 1] as number) << (32 - shift);
  }
  return value & ((1 << bits) - 1);
}
