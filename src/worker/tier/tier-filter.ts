/**
 * Which keys the tier may have: a Bloom filter in the shard's shared memory (protocol/filter.ts), so that a key that is nowhere
 * costs no hop and no look at a disk. Everything in memory is in the tier, too, so it speaks for both.
 *
 * Keys of a tier are not at hand as those in memory are: the keeper lists their hashes, which takes seconds for millions of them.
 * Until that is done nothing is ruled out. A Bloom filter forgets nothing; when live and stale keys fill it, the keys are listed
 * again, into the other generation, while adds go to both:
 *
 *     none --list--> building --all listed--> in use --full--> in use + building --all listed--> in use (the other one)
 *                                               ^ clear: an empty one, at once
 *
 * While the next one is being built the present one takes more keys than it was made for, and answers wrongly more often. A
 * generation in use outlives its owner: bits are set before the keeper is asked to store, so it lacks nothing. The number of its keys is
 * in its header, for the next owner.
 */
import { blockedBloom } from '../../protocol/blocked-bloom.ts';
import { plainBloom } from '../../protocol/bloom.ts';
import { BLOOM_BLOCK_WORDS, type BloomLayout, type BloomShape, blocksFor } from '../../protocol/bloom-layout.ts';
import {
  closeFilter,
  FILTER_AT,
  FILTER_BLOCKS,
  FILTER_GENERATION,
  FILTER_HASH_HIGH_MASK,
  FILTER_HEADER_WORDS,
  FILTER_KEYS,
  FILTER_KEYS_MIN,
  FILTER_KIND,
  FILTER_KINDS,
  FILTER_PROBES,
  FilterReader,
  type FilterSpec,
  openFilter,
} from '../../protocol/filter.ts';

/** How much larger than the number of keys a generation is made. */
const HEADROOM = 2;
/** A tier of keys that come and go while they are listed may turn out larger than it was said to be. */
const SPREAD = 1.25;

interface Generation {
  readonly at: number;
  readonly blocks: number;
  readonly capacity: number;
  keys: number;
}

export class TierFilter {
  readonly #words: Int32Array;
  readonly #layout: BloomLayout;
  readonly #kind: number;
  readonly #shape: BloomShape;
  readonly #reader: FilterReader;
  readonly #fence = new Int32Array(new SharedArrayBuffer(4));
  /** The largest generation that the region has room for. */
  readonly #blocksMax: number;
  #used: Generation | undefined;
  #built: Generation | undefined;

  /** `words`: the region of a filter, new or as another owner has left it. */
  constructor(words: Int32Array, { type, falsePositiveRate }: FilterSpec) {
    this.#words = words;
    this.#layout = type === 'bloom' ? plainBloom : blockedBloom;
    this.#kind = type === 'bloom' ? FILTER_KINDS.bloom : FILTER_KINDS['blocked-bloom'];
    this.#shape = this.#layout.shapeFor(falsePositiveRate);
    this.#reader = new FilterReader(words);
    this.#blocksMax = Math.floor((words.length - FILTER_HEADER_WORDS) / 2 / BLOOM_BLOCK_WORDS);
    this.#takeOver();
  }

  /** Whether it rules out anything. */
  get covers(): boolean {
    return this.#used !== undefined;
  }

  /** Whether the keys should be listed: there is no generation in use, or it is full; and none is being built. */
  get wantsList(): boolean {
    const used = this.#used;
    return this.#built === undefined && (used === undefined || (used.keys >= used.capacity && this.#canGrow(used)));
  }

  /** True only if the tier does not have the key. */
  rulesOut(hashLow: number, hashHigh: number): boolean {
    return this.#used !== undefined && this.#reader.rulesOut(hashLow, hashHigh);
  }

  /** A key is about to be stored. */
  add(hashLow: number, hashHigh: number): void {
    if (this.#used !== undefined) {
      this.#set(this.#used, hashLow, hashHigh);
      this.#words[FILTER_KEYS] = this.#used.keys;
    }
    if (this.#built !== undefined) {
      this.#set(this.#built, hashLow, hashHigh);
    }
  }

  /** The keys will be listed: about so many. */
  begin(keys: number): void {
    const at = this.#used === undefined || this.#used.at === this.#secondAt ? FILTER_HEADER_WORDS : this.#secondAt;
    this.#built = this.#emptied(at, keys * SPREAD * HEADROOM);
  }

  /** Some of them. What nobody has begun is nothing that is missing. */
  take(hashes: Int32Array): void {
    const built = this.#built;
    if (built !== undefined) {
      for (let i = 0; i < hashes.length; i += 2) {
        this.#set(built, hashes[i] as number, hashes[i + 1] as number);
      }
    }
  }

  /** All have been taken. */
  finish(): void {
    if (this.#built !== undefined) {
      this.#use(this.#built);
      this.#built = undefined;
    }
  }

  /** They will not be listed to the end. */
  abandon(): void {
    this.#built = undefined;
  }

  /** The tier is empty. */
  clear(): void {
    this.#built = undefined;
    const at = this.#used?.at ?? FILTER_HEADER_WORDS;
    openFilter(this.#words, this.#fence);
    this.#used = undefined;
    this.#use(this.#emptied(at, 0));
  }

  /** What a dead owner left is whole if readers may believe it. */
  #takeOver(): void {
    const words = this.#words;
    const isWhole = ((words[FILTER_GENERATION] as number) & 1) === 0;
    if (isWhole && words[FILTER_KIND] === this.#kind) {
      const blocks = words[FILTER_BLOCKS] as number;
      const capacity = Math.floor(blocks * this.#shape.load);
      this.#used = { at: words[FILTER_AT] as number, blocks, capacity, keys: words[FILTER_KEYS] as number };
    } else if (!isWhole) {
      words[FILTER_KIND] = 0;
      closeFilter(words, this.#fence);
    }
  }

  #canGrow({ blocks }: Generation): boolean {
    return blocks < this.#blocksMax;
  }

  #emptied(at: number, keys: number): Generation {
    const blocks = Math.min(this.#blocksMax, blocksFor(Math.max(FILTER_KEYS_MIN, keys), this.#shape));
    this.#words.fill(0, at, at + blocks * BLOOM_BLOCK_WORDS);
    return { at, blocks, capacity: Math.floor(blocks * this.#shape.load), keys: 0 };
  }

  #set(generation: Generation, hashLow: number, hashHigh: number): void {
    const { at, blocks } = generation;
    const { probes } = this.#shape;
    const high = hashHigh & FILTER_HASH_HIGH_MASK;
    // A key that is stored again and again is one key.
    if (!this.#layout.hasBits(this.#words, at, blocks, probes, hashLow, high)) {
      this.#layout.setBits(this.#words, at, blocks, probes, hashLow, high);
      generation.keys++;
    }
  }

  #use(generation: Generation): void {
    const words = this.#words;
    this.#used = generation;
    openFilter(words, this.#fence);
    words[FILTER_KIND] = this.#kind;
    words[FILTER_AT] = generation.at;
    words[FILTER_BLOCKS] = generation.blocks;
    words[FILTER_PROBES] = this.#shape.probes;
    words[FILTER_KEYS] = generation.keys;
    closeFilter(words, this.#fence);
  }

  get #secondAt(): number {
    return FILTER_HEADER_WORDS + this.#blocksMax * BLOOM_BLOCK_WORDS;
  }
}
