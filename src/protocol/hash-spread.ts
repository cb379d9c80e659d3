/**
 * Further hashes out of the two words of a key's hash, which are random already: each place in a filter needs choices of
 * its own, and stripes, buckets and shards take some of the bits as they are.
 */

/** 2^32 divided by the golden ratio, made odd. */
export const GOLDEN = 0x9e37_79b1;

/** Murmur's finalizer, without its last step: only the high bits choose. Stripes and buckets take low bits unmixed. */
export function spread(hashLow: number): number {
  const hash = Math.imul(hashLow ^ (hashLow >>> 16), 0x85eb_ca6b);
  return Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
}

/** 32 bits of both words, other ones than `spread` gives: all different for the high words that one low word can have. */
export function blend(hashLow: number, hashHigh: number): number {
  const state = Math.imul(hashLow ^ (hashLow >>> 15), 0x2c1b_3c6d) + Math.imul(hashHigh, GOLDEN);
  return Math.imul(state ^ (state >>> 13), 0x297a_2d39);
}

/**
 * A word as a number from 0 to `limit` - 1, by its high bits. Never `limit`: the largest word is 1 - 2^-32 of the way
 * there, and doubles round by 2^-53.
 */
export function scale(word: number, limit: number): number {
  return Math.floor(((word >>> 0) * limit) / 0x1_0000_0000);
}
