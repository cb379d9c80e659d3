/**
 * What the layouts of a Bloom filter have in common: words in blocks of 512 bits, and a shape that says how many keys go to
 * a block and how many bits each of them sets. Where a key's bits lie is what they differ in.
 */

/** One cache line. */
export const BLOOM_BLOCK_BITS = 512;
export const BLOOM_BLOCK_SHIFT = 4;
export const BLOOM_BLOCK_WORDS = 1 << BLOOM_BLOCK_SHIFT;
/** Lower rates get the size of this one: at 10 M keys one of 900,000 strangers has the 43 hash bits of one of them. */
export const BLOOM_RATE_MIN = 1e-6;

export interface BloomShape {
  /** Keys per block, on average, at which the filter is full. */
  readonly load: number;
  /** Bits that each key sets. */
  readonly probes: number;
}

type Place = [words: Int32Array, at: number, blocks: number, probes: number, hashLow: number, hashHigh: number];

export interface BloomLayout {
  readonly probesMax: number;
  /** The smallest shape that answers wrongly for at most this share of strangers when it is full. */
  shapeFor(falsePositiveRate: number): BloomShape;
  /** The share of strangers that blocks of `load` keys on average do not rule out. */
  rateAt(load: number, probes: number): number;
  /** Sets the bits of a key, in `blocks` blocks from word `at` on. */
  setBits(...place: Place): void;
  /** Whether all bits of a key are set: false only if it was never added. */
  hasBits(...place: Place): boolean;
  /** The word where a key's bits are, or the first of them. */
  wordOf(at: number, blocks: number, hashLow: number): number;
}

/** Blocks of a filter for so many keys. */
export function blocksFor(keys: number, shape: BloomShape): number {
  return Math.max(1, Math.ceil(keys / shape.load));
}
