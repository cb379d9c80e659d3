/**
 * The gets of one client that a shard hears of for `advise()`: a ring beside that of the hits, which is there only where
 * the cache was opened with `advise`.
 *
 *   word 0       tail                                       client
 *   word 1       head                                       owner
 *   word 2       below: how many of the hash's values are followed   owner
 *   word 3       records that found the ring full           client
 *   words 16-    SAMPLE_RECORDS x [ hash low | hash high 11, kind << 11 ]   client
 *
 * A get is told of for one of two reasons. Its key is followed: the hash falls below a bound that the owner sets, so that
 * all gets of some keys are heard of and none of the others (SHARDS: Waldspurger, Park, Garthwaite and Ahmad, "Efficient
 * MRC construction with SHARDS", FAST 2015). Or its turn has come: one get in LOT_GETS, whatever its key, so that a key
 * that is asked for often is heard of whatever its hash is. Turns come at random distances: fixed ones would meet a loop
 * over as many keys at the same key again and again.
 *
 * The top bits of the hash's low word decide who is followed. Its low bits choose stripe and bucket, and the high word the
 * shard, so those that are followed are spread over all of them.
 */
const TAIL = 0;
const HEAD = 1;
const BELOW = 2;
const DROPPED = 3;
const RECORDS_AT = 16;
/** 4,096 records, 32 KiB: the miniatures of a shard take 3 ms for a full ring, and a frame may have to wait for that. */
export const SAMPLE_RECORDS = 4096;
const RECORD_MASK = SAMPLE_RECORDS - 1;
/** A ring this full asks the owner to drain it. */
const NUDGE = SAMPLE_RECORDS / 4;

/** Values of the part of the hash that decides who is followed: `below` of so many are. */
export const FOLLOW_RANGE = 2 ** 21;
const FOLLOW_SHIFT = 11;
/** One get in so many is told of whatever its key is. */
export const LOT_GETS = 128;
/** What an entry keeps of the hash's high word. */
export const HIGH_MASK = 0x7ff;
const KIND_SHIFT = 11;
/**
 * On x64 stores are seen in their order. An atomic one would wait for the loads of the gets before it, which cost a trip to
 * memory each. Should a compiler turn two of them round, an old record is played again: one in millions is no matter.
 */
const FENCED = process.arch !== 'x64';

/** A get of a key that is followed missed, or hit; and a get whose turn had come. */
export const FOLLOWED_MISS = 0;
export const FOLLOWED_HIT = 1;
export const BY_LOT = 2;

/** Whether keys of this hash are followed while the bound is `below`. */
export function isFollowed(hashLow: number, below: number): boolean {
  return hashLow >>> FOLLOW_SHIFT < below;
}

/** Draws how many gets come between two that are told of: LOT_GETS - 1 on average. Xorshift32 (Marsaglia, 2003). */
export class Lots {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  draw(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % (2 * LOT_GETS - 1);
  }
}

export class SampleRing {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #lots: Lots;
  /** Gets until it is the turn of one. */
  #left: number;

  constructor(buffer = new SharedArrayBuffer((RECORDS_AT + SAMPLE_RECORDS * 2) * 4), seed = 1) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#lots = new Lots(seed);
    this.#left = this.#lots.draw();
  }

  /** The client's side: a get has hit or missed. True when the owner should be asked to drain the ring. */
  offer(hashLow: number, hashHigh: number, hit: boolean): boolean {
    // This is all that nearly every get pays.
    if (--this.#left >= 0 && hashLow >>> FOLLOW_SHIFT >= (this.#words[BELOW] as number)) {
      return false;
    }
    return this.#tell(hashLow, hashHigh, hit);
  }

  #tell(hashLow: number, hashHigh: number, hit: boolean): boolean {
    let waiting = 0;
    if (hashLow >>> FOLLOW_SHIFT < (this.#words[BELOW] as number)) {
      waiting = this.#push(hashLow, hashHigh, hit ? FOLLOWED_HIT : FOLLOWED_MISS);
    }
    if (this.#left < 0) {
      this.#left = this.#lots.draw();
      waiting = this.#push(hashLow, hashHigh, BY_LOT);
    }
    return waiting > NUDGE;
  }

  /** How many records wait for the owner now. */
  #push(hashLow: number, hashHigh: number, kind: number): number {
    const words = this.#words;
    const tail = words[TAIL] as number;
    const waiting = (tail - (words[HEAD] as number)) | 0;
    if (waiting >= SAMPLE_RECORDS) {
      if (kind !== BY_LOT) {
        (words[DROPPED] as number)++;
      }
      return waiting;
    }
    const at = RECORDS_AT + ((tail & RECORD_MASK) << 1);
    words[at] = hashLow;
    words[at + 1] = (hashHigh & HIGH_MASK) | (kind << KIND_SHIFT);
    if (FENCED) {
      Atomics.store(words, TAIL, (tail + 1) | 0);
    } else {
      words[TAIL] = (tail + 1) | 0;
    }
    return waiting + 1;
  }

  /** The owner's side: follows these keys from now on. A get that is under way may still go by the old bound. */
  follow(below: number): void {
    this.#words[BELOW] = below;
  }

  /** Gets of keys that were followed of which the owner has not heard. Counts up for ever, modulo 2^32. */
  get dropped(): number {
    return this.#words[DROPPED] as number;
  }

  /** Hands every record to `visit`, oldest first, gives the room back, and says how many there were. */
  drain(visit: (hashLow: number, hashHigh: number, kind: number) => void): number {
    const words = this.#words;
    const tail = Atomics.load(words, TAIL);
    let head = words[HEAD] as number;
    // A client that died in the middle of nonsense may have left any tail: never more than one ring.
    if ((tail - head) >>> 0 > SAMPLE_RECORDS) {
      head = (tail - SAMPLE_RECORDS) | 0;
    }
    const count = (tail - head) | 0;
    for (let record = head; record !== tail; record = (record + 1) | 0) {
      const at = RECORDS_AT + ((record & RECORD_MASK) << 1);
      const second = words[at + 1] as number;
      visit(words[at] as number, second & HIGH_MASK, (second >>> KIND_SHIFT) & 3);
    }
    if (count > 0) {
      Atomics.store(words, HEAD, tail);
    }
    return count;
  }
}
