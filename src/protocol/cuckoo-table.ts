/**
 * The writing side of a cuckoo filter, one key at a time: `aim` at it, then place, move or take it out. `cuckoo.ts` draws
 * the words.
 *
 * What readers could be misled by is a call of its own, so that an owner can tell them: `kick` moves the fingerprints of
 * other keys, which are nowhere for a moment, or behind a reader that looked into the other bucket first. The homeless
 * are listed before they are counted.
 */
import {
  CUCKOO_HEADER_WORDS,
  CUCKOO_HOMELESS,
  CUCKOO_HOMELESS_MAX,
  CUCKOO_LANES,
  CUCKOO_LISTED,
  CUCKOO_MORE,
  cuckooWords,
  fingerprintOf,
  firstBucket,
  homelessAt,
  laneAt,
  otherBucket,
  setLane,
  wordOfBucket,
} from './cuckoo.ts';

/** Moves that one key may cause (Fan et al. take 500): 30 us at worst, and at the highest load hardly ever more than 100. */
const KICKS_MAX = 500;
/** 4 KB: a `clear` touches no page that nothing was ever written to, and a system hands out pages that are touched. */
const CHUNK_SHIFT = 10;
const CHUNK_WORDS = 1 << CHUNK_SHIFT;
/** Four lanes of 23 bits that begin at the last bit of a word. */
const BUCKET_WORDS_MAX = 4;

export class CuckooTable {
  readonly words: Int32Array;
  readonly at: number;
  readonly buckets: number;
  readonly bits: number;
  /** What was aimed at, or is without a home after a `kick`. */
  fingerprint = 0;
  #first = 0;
  #second = 0;
  readonly #end: number;
  /** Chunks that were written to. */
  readonly #written: Uint8Array;
  /** Decides which lane is taken from another: any sequence will do that has no pattern. */
  #lot = 1;

  /** Over words that are zero, or hold a table of this size. */
  constructor(words: Int32Array, at: number, buckets: number, bits: number) {
    this.words = words;
    this.at = at;
    this.buckets = buckets;
    this.bits = bits;
    this.#end = at + cuckooWords(buckets, bits);
    this.#written = new Uint8Array((cuckooWords(buckets, bits) >> CHUNK_SHIFT) + 1);
  }

  aim(hashLow: number, hashHigh: number): void {
    this.fingerprint = fingerprintOf(this.bits, hashLow, hashHigh);
    this.#first = firstBucket(this.buckets, hashLow);
    this.#second = otherBucket(this.buckets, this.#first, this.fingerprint);
  }

  /** What keys have in common that are one to this filter, as a number of less than 2^53. */
  get likeness(): number {
    return Math.min(this.#first, this.#second) * 2 ** this.bits + this.fingerprint;
  }

  /** Aims at the key of a likeness. */
  aimAtLike(likeness: number): void {
    this.fingerprint = likeness % 2 ** this.bits;
    this.#first = Math.floor(likeness / 2 ** this.bits);
    this.#second = otherBucket(this.buckets, this.#first, this.fingerprint);
  }

  /** Puts the fingerprint into a free lane of its buckets. False if there is none. */
  place(): boolean {
    return this.#fill(this.#first) || this.#fill(this.#second);
  }

  /**
   * Puts the fingerprint into the lane of another, which goes to its other bucket, and so on. False when the last one found
   * none: that is homeless, and is what the table is aimed at now.
   */
  kick(kicksMax = KICKS_MAX): boolean {
    let bucket = this.#draw() & 1 ? this.#first : this.#second;
    for (let kicks = 0; kicks < kicksMax; kicks++) {
      const lane = this.#draw() & (CUCKOO_LANES - 1);
      const displaced = this.#lane(bucket, lane);
      this.#write(bucket, lane, this.fingerprint);
      this.fingerprint = displaced;
      this.#first = bucket;
      bucket = otherBucket(this.buckets, bucket, displaced);
      this.#second = bucket;
      if (this.#fill(bucket)) {
        return true;
      }
    }
    return false;
  }

  /** Lanes that hold the fingerprint. */
  copies(): number {
    const own = this.#count(this.#first, this.fingerprint);
    return this.#first === this.#second ? own : own + this.#count(this.#second, this.fingerprint);
  }

  /** Takes one copy out of the lanes. False if there is none. */
  take(): boolean {
    return this.#swap(this.#first, this.fingerprint, 0) || this.#swap(this.#second, this.fingerprint, 0);
  }

  get homeless(): number {
    return this.words[this.at + CUCKOO_HOMELESS] as number;
  }

  /** Whether there are homeless ones that the table has no room to list. Only what `setMore` was told. */
  get hasMore(): boolean {
    return this.words[this.at + CUCKOO_MORE] !== 0;
  }

  setMore(hasMore: boolean): void {
    this.words[this.at + CUCKOO_MORE] = hasMore ? 1 : 0;
  }

  /** Lists the fingerprint as homeless. False if the list is full. */
  list(): boolean {
    const { homeless } = this;
    if (homeless >= CUCKOO_HOMELESS_MAX) {
      return false;
    }
    this.words[this.at + CUCKOO_LISTED + 2 * homeless] = this.#first;
    this.words[this.at + CUCKOO_LISTED + 2 * homeless + 1] = this.fingerprint;
    this.words[this.at + CUCKOO_HOMELESS] = homeless + 1;
    return true;
  }

  /** Strikes one copy off the list. False if none is there. */
  unlist(): boolean {
    const index = homelessAt(this.words, this.at, this.#first, this.#second, this.fingerprint);
    if (index < 0) {
      return false;
    }
    const last = this.homeless - 1;
    const [from, to] = [this.at + CUCKOO_LISTED + 2 * last, this.at + CUCKOO_LISTED + 2 * index];
    this.words[to] = this.words[from] as number;
    this.words[to + 1] = this.words[from + 1] as number;
    this.words[this.at + CUCKOO_HOMELESS] = last;
    return true;
  }

  /** Aims at the last of the list, which has to be there. */
  aimAtListed(): void {
    const listed = this.at + CUCKOO_LISTED + 2 * (this.homeless - 1);
    this.#first = this.words[listed] as number;
    this.fingerprint = this.words[listed + 1] as number;
    this.#second = otherBucket(this.buckets, this.#first, this.fingerprint);
  }

  /** Loads the first bucket of a key. The result means nothing. */
  touch(hashLow: number): number {
    return this.words[wordOfBucket(this.at, this.bits, firstBucket(this.buckets, hashLow))] as number;
  }

  /** Forgets everything that this object has written. */
  clear(): void {
    this.words.fill(0, this.at, this.at + CUCKOO_HEADER_WORDS);
    for (let chunk = 0; chunk < this.#written.length; chunk++) {
      if (this.#written[chunk] !== 0) {
        const from = this.at + (chunk << CHUNK_SHIFT);
        this.words.fill(0, from, Math.min(from + CHUNK_WORDS, this.#end));
      }
    }
    this.#written.fill(0);
  }

  /** Forgets everything, whoever has written it. Looks first, for the sake of pages that nobody has. */
  erase(): void {
    for (let from = this.at; from < this.#end; from += CHUNK_WORDS) {
      const to = Math.min(from + CHUNK_WORDS, this.#end);
      if (!this.#isZero(from, to)) {
        this.words.fill(0, from, to);
      }
    }
    this.#written.fill(0);
  }

  /** The likeness of every fingerprint that is in a lane or listed. For checks. */
  *likenesses(): Generator<number> {
    for (let bucket = 0; bucket < this.buckets; bucket++) {
      for (let lane = 0; lane < CUCKOO_LANES; lane++) {
        const fingerprint = this.#lane(bucket, lane);
        if (fingerprint !== 0) {
          yield this.#likenessOf(bucket, fingerprint);
        }
      }
    }
    for (let i = 0; i < this.homeless; i++) {
      const listed = this.at + CUCKOO_LISTED + 2 * i;
      yield this.#likenessOf(this.words[listed] as number, this.words[listed + 1] as number);
    }
  }

  /** Whether words from elsewhere hold so many keys, all of which can be: nobody reads or writes outside then. */
  isWhole(keys: number): boolean {
    const { homeless } = this;
    if (this.hasMore || homeless < 0 || homeless > CUCKOO_HOMELESS_MAX) {
      return false;
    }
    for (let i = 0; i < homeless; i++) {
      const bucket = this.words[this.at + CUCKOO_LISTED + 2 * i] as number;
      const fingerprint = this.words[this.at + CUCKOO_LISTED + 2 * i + 1] as number;
      if (bucket < 0 || bucket >= this.buckets || fingerprint <= 0 || fingerprint >= 2 ** this.bits) {
        return false;
      }
    }
    let free = 0;
    for (let bucket = 0; bucket < this.buckets; bucket++) {
      free += this.#count(bucket, 0);
    }
    return this.buckets * CUCKOO_LANES - free + homeless === keys;
  }

  #isZero(from: number, to: number): boolean {
    const { words } = this;
    let bits = 0;
    for (let at = from; at < to; at++) {
      bits |= words[at] as number;
    }
    return bits === 0;
  }

  #likenessOf(bucket: number, fingerprint: number): number {
    return Math.min(bucket, otherBucket(this.buckets, bucket, fingerprint)) * 2 ** this.bits + fingerprint;
  }

  #fill(bucket: number): boolean {
    return this.#swap(bucket, 0, this.fingerprint);
  }

  /** Gives the first lane of the bucket that holds `from` to `to`. */
  #swap(bucket: number, from: number, to: number): boolean {
    for (let lane = 0; lane < CUCKOO_LANES; lane++) {
      if (this.#lane(bucket, lane) === from) {
        this.#write(bucket, lane, to);
        return true;
      }
    }
    return false;
  }

  #count(bucket: number, fingerprint: number): number {
    let count = 0;
    for (let lane = 0; lane < CUCKOO_LANES; lane++) {
      count += this.#lane(bucket, lane) === fingerprint ? 1 : 0;
    }
    return count;
  }

  #lane(bucket: number, lane: number): number {
    return laneAt(this.words, this.at, this.bits, bucket, lane);
  }

  #write(bucket: number, lane: number, fingerprint: number): void {
    setLane(this.words, this.at, this.bits, bucket, lane, fingerprint);
    const word = wordOfBucket(this.at, this.bits, bucket) - this.at;
    this.#written[word >> CHUNK_SHIFT] = 1;
    this.#written[(word + BUCKET_WORDS_MAX - 1) >> CHUNK_SHIFT] = 1;
  }

  /** Xorshift (Marsaglia, "Xorshift RNGs", 2003). */
  #draw(): number {
    let lot = this.#lot;
    lot ^= lot << 13;
    lot ^= lot >>> 17;
    lot ^= lot << 5;
    this.#lot = lot;
    return lot >>> 8;
  }
}
