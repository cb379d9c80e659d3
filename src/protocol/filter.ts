/**
 * Which keys a shard may hold: bits in shared memory that the shard's owner writes and every thread asks.
 *
 *   words 0-11   [ generation | kind | at | blocks | probes | keys | ... ]
 *   words 12-    of a Bloom filter: two generations, each of the size for twice the shard's slots
 *
 *       +--------+-----------------------------+-----------------------------+
 *       | header | generation A      | unused  | generation B           |    |
 *       +--------+-----------------------------+-----------------------------+
 *                  ^ at, `blocks` long           ^ the other: old, or being built
 *
 *   words 12-    of a cuckoo filter: one table for all the shard's slots; `blocks` are its buckets, `probes` the bits of a
 *                fingerprint
 *
 * Readers ask what is at word `at`; of a Bloom filter the other generation is where the owner builds the next one. Before
 * the owner switches, moves a fingerprint or takes away what a key that stays may be known by, it makes the generation
 * word odd, and even after. A reader believes that a key is missing only if that word was even before it looked and is the
 * same after. What appears meanwhile is no harm: an entry is in the filter before anybody can see it.
 *
 * A region is reserved at its full size and costs what was touched of it: with a rate of 0.01 at most 5 bytes per slot, 20
 * bits in each generation; a cuckoo filter 12 bits per slot.
 */
import { blockedBloom } from './blocked-bloom.ts';
import { plainBloom } from './bloom.ts';
import { BLOOM_BLOCK_WORDS, type BloomLayout, blocksFor } from './bloom-layout.ts';
import { bucketsFor, CUCKOO_LOAD_CHURNED, cuckooHolds, cuckooWords, fingerprintBits } from './cuckoo.ts';

/** Even while the words below hold; changed whenever an answer given before may be wrong after. */
export const FILTER_GENERATION = 0;
export const FILTER_KIND = 1;
export const FILTER_AT = 2;
export const FILTER_BLOCKS = 3;
export const FILTER_PROBES = 4;
/** Of a filter that speaks for a tier: the keys in it, live and stale, for the owner after this one. */
export const FILTER_KEYS = 5;
/** 48 bytes: glibc puts 16 of its own before a large buffer, so blocks are cache lines. Worth 2 of 28 ns an add at 1 M. */
export const FILTER_HEADER_WORDS = 12;

/** No filter is built here yet: nothing can be ruled out. */
const KIND_NONE = 0;
export const FILTER_KINDS = { 'blocked-bloom': 1, bloom: 2, cuckoo: 3 } as const;

export type FilterName = keyof typeof FILTER_KINDS;

export interface FilterSpec {
  readonly type: FilterName;
  /** Above 0 and below 1: the share of keys that never were in the cache which may not be ruled out. */
  readonly falsePositiveRate: number;
}

/** What a block of the arena keeps of the high word of a key's hash: all that an owner can tell its filter again. */
export const FILTER_HASH_HIGH_MASK = 0x7ff;

/** A filter is never sized for fewer keys: with few blocks the rate would be a matter of luck. */
export const FILTER_KEYS_MIN = 4096;

/** The most keys, live and stale, that the filter of a shard is ever sized for. */
export function filterKeysMax(slots: number): number {
  return Math.max(FILTER_KEYS_MIN, slots * 2);
}

/** Words of one generation of a Bloom filter at its largest. */
export function generationWords(slots: number, layout: BloomLayout, falsePositiveRate: number): number {
  return blocksFor(filterKeysMax(slots), layout.shapeFor(falsePositiveRate)) * BLOOM_BLOCK_WORDS;
}

/** Keys of a tier, over all shards, for which its filter has its rate: with more of them it rules out fewer strangers. */
export const TIER_KEYS_MAX = 2 ** 27;

/** Bytes of the region of a filter that speaks for the tier of so many shards. */
export function tierFilterBytes(spec: FilterSpec, shards: number): number {
  return filterBytes(spec, Math.ceil(TIER_KEYS_MAX / 2 / shards));
}

/** Bytes of the region. At the 76 M slots of 4 GiB and the smallest rate it has less than 2^29 words. */
export function filterBytes({ type, falsePositiveRate }: FilterSpec, slots: number): number {
  return (FILTER_HEADER_WORDS + wordsOf(type, falsePositiveRate, slots)) * 4;
}

function wordsOf(type: FilterName, falsePositiveRate: number, slots: number): number {
  switch (type) {
    case 'blocked-bloom':
      return 2 * generationWords(slots, blockedBloom, falsePositiveRate);
    case 'bloom':
      return 2 * generationWords(slots, plainBloom, falsePositiveRate);
    case 'cuckoo':
      return cuckooWords(
        bucketsFor(slots, CUCKOO_LOAD_CHURNED),
        fingerprintBits(falsePositiveRate, CUCKOO_LOAD_CHURNED),
      );
  }
}

const FENCED = process.arch !== 'x64';

/** The owner's side of the generation word: from here on readers believe nothing. Also mends what a dead owner left. */
export function openFilter(words: Int32Array, fence: Int32Array): void {
  storeGeneration(words, (words[FILTER_GENERATION] as number) | 1, fence);
}

/** Readers believe again, and see that something changed. */
export function closeFilter(words: Int32Array, fence: Int32Array): void {
  storeGeneration(words, ((words[FILTER_GENERATION] as number) + 1) | 0, fence);
}

/** A sequentially consistent store is a full barrier on x64; elsewhere later plain stores may pass it. */
function storeGeneration(words: Int32Array, generation: number, fence: Int32Array): void {
  Atomics.store(words, FILTER_GENERATION, generation);
  if (FENCED) {
    Atomics.add(fence, 0, 1);
  }
}

/** Asks a shard's filter from any thread. */
export class FilterReader {
  readonly #words: Int32Array;
  readonly #fence = new Int32Array(1);
  /** The header as it was in this generation. Odd at first: no generation that a reader believes. */
  #generation = -1;
  #kind = KIND_NONE;
  #at = 0;
  #blocks = 0;
  #probes = 0;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** True only if no entry has this hash: a miss, whatever the shard's map would say. Tries once, waits for nothing. */
  rulesOut(hashLow: number, hashHigh: number): boolean {
    const words = this.#words;
    const generation = Atomics.load(words, FILTER_GENERATION);
    if (generation !== this.#generation && !this.#learn(generation)) {
      return false;
    }
    if (this.#mayHold(hashLow, hashHigh)) {
      return false;
    }
    if (FENCED) {
      Atomics.add(this.#fence, 0, 1);
    }
    return Atomics.load(words, FILTER_GENERATION) === generation;
  }

  #mayHold(hashLow: number, hashHigh: number): boolean {
    const high = hashHigh & FILTER_HASH_HIGH_MASK;
    switch (this.#kind) {
      case FILTER_KINDS['blocked-bloom']:
        return blockedBloom.hasBits(this.#words, this.#at, this.#blocks, this.#probes, hashLow, high);
      case FILTER_KINDS.bloom:
        return plainBloom.hasBits(this.#words, this.#at, this.#blocks, this.#probes, hashLow, high);
      case FILTER_KINDS.cuckoo:
        return cuckooHolds(this.#words, this.#at, this.#blocks, this.#probes, hashLow, high);
      default:
        return true;
    }
  }

  /**
   * Takes the header over if it stays within the region. One that changed meanwhile serves a generation that is over, and no
   * answer of that is believed.
   */
  #learn(generation: number): boolean {
    if ((generation & 1) !== 0) {
      return false;
    }
    const words = this.#words;
    const kind = words[FILTER_KIND] as number;
    const at = words[FILTER_AT] as number;
    const blocks = words[FILTER_BLOCKS] as number;
    const probes = words[FILTER_PROBES] as number;
    const length = kind === FILTER_KINDS.cuckoo ? cuckooWords(blocks, probes) : blocks * BLOOM_BLOCK_WORDS;
    const isInside = at >= FILTER_HEADER_WORDS && blocks > 0 && probes > 0 && at + length <= words.length;
    if (kind === KIND_NONE || !isInside) {
      return false;
    }
    this.#generation = generation;
    this.#kind = kind;
    this.#at = at;
    this.#blocks = blocks;
    this.#probes = probes;
    return true;
  }
}
