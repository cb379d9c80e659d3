/**
 * What one client keeps of what it read, so that a hot key is not hashed, looked for and decoded again.
 *
 * Each entry remembers the lock of its stripe (a sequence lock, see protocol/reader.ts) as it was when its value was read.
 * While that is the same, nothing in the stripe has changed, and the value still stands: one load from 4 KiB a shard tells.
 * When it is another, the key is looked for; if its entry has the same write sequence, what is kept goes on under the new
 * lock. So no message tells of writes, and no value is older than the read that it answers. A lock has 32 bits: it
 * would be the same again after exactly 2^31 changes of one stripe between two reads of a key, which is minutes of nothing else.
 *
 *     key -> place, in a Map, and by place
 *
 *         locks   [ lock | hash low | slot | seq low ]            all that a hit reads beside
 *         states  [ shard | expires | used ]                      the value and the key
 *         rest    [ hash high | seq high | bytes | - ]
 *         keys, values, expiries
 *
 * An object for each entry would lie in three cache lines: with 100,000 entries a hit took 1.5 times as long. Bounded by
 * entries, and by the bytes that their keys and values take in the cache. Who goes is decided by CLOCK (Corbató, "A paging
 * experiment with the Multics system", 1968): a hand goes around the places. A key comes in when one write of it is read twice
 * within a while, so a scan does not drive out what is hot, and a key that is written as often as it is read is not kept for
 * nothing: looking through its value and copying it takes 3 times as long as decoding it, of an array of 10,000 numbers 13
 * times. What slides is not kept, since each of its reads changes when it expires.
 */
import type { CacheKey } from '../protocol/cache-key.ts';
import type { KeyEncoder } from '../protocol/key.ts';
import { BUSY, HIT } from '../protocol/reader.ts';
import type { NearCacheConfig } from './near-options.ts';
import { copyTree, freezeTree, isPlainTree } from './plain-tree.ts';
import type { ShardView } from './shard-view.ts';
import { EVER } from './units.ts';

/** Marks of writes that were read once, for each entry there may be. */
const REMEMBERED_SHARE = 2;
/** The table is made when the cache opens. */
const REMEMBERED_MAX = 2 ** 20;

/** In place of a value: any may be stored. */
export const FORGOTTEN = Symbol('forgotten');

/** Of `locks`: what stood when the value was read. */
const LOCK = 0;
const HASH_LOW = 1;
const SLOT = 2;
const SEQ_LOW = 3;
/** Of `rest`. */
const HASH_HIGH = 0;
const SEQ_HIGH = 1;
const BYTES = 2;
/** Words of a row of each. */
const ROW = 4;
/** Of `states`: the low bits are the shard. */
const SHARD_MASK = 0xff;
const EXPIRES = 0x100;
/** Since the hand came by. */
const USED = 0x200;

/** What a read has found, before its value is decoded: a serializer of the user's may look something else up meanwhile. */
interface Found {
  readonly view: ShardView;
  readonly hashLow: number;
  readonly hashHigh: number;
  readonly lock: number;
  readonly slot: number;
  readonly seqLow: number;
  readonly seqHigh: number;
  readonly expiresAtMs: number;
  /** Of key and value. */
  readonly byteLength: number;
}

/** The client, as its near cache needs it. */
export interface NearClient {
  readonly views: readonly ShardView[];
  readonly key: KeyEncoder;
  /** Encodes the key and names its shard. */
  aim(key: CacheKey): ShardView;
  /** The value that the view's reader has just found. */
  take(view: ShardView): unknown;
}

export class NearCache {
  readonly #client: NearClient;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #copy: NearCacheConfig['copy'];
  readonly #places = new Map<CacheKey, number>();
  readonly #locks: Int32Array;
  readonly #states: Uint16Array;
  readonly #rest: Int32Array;
  readonly #expiries: Float64Array;
  /** Undefined where the place is free, which are those in `free`. */
  readonly #keys: (CacheKey | undefined)[] = [];
  readonly #values: unknown[] = [];
  readonly #free: number[] = [];
  #hand = 0;
  #byteLength = 0;
  /**
   * By the low bits of the hash, the mark of the write that was read there last: what the high word of the hash and its
   * sequence make of it. Inverted where its value turned out to be none that can be kept.
   */
  readonly #readOnce: Int32Array;

  constructor(client: NearClient, { maxEntries, maxBytes, copy }: NearCacheConfig) {
    this.#client = client;
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
    this.#copy = copy;
    this.#locks = new Int32Array(maxEntries * ROW);
    this.#states = new Uint16Array(maxEntries);
    this.#rest = new Int32Array(maxEntries * ROW);
    this.#expiries = new Float64Array(maxEntries);
    const remembered = Math.min(REMEMBERED_MAX, 2 ** Math.ceil(Math.log2(maxEntries * REMEMBERED_SHARE)));
    this.#readOnce = new Int32Array(remembered);
  }

  get entries(): number {
    return this.#places.size;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  /** The value under a key, if what is kept is what a get would find, which is a hit, then, and counted; or FORGOTTEN. */
  recall(key: CacheKey): unknown {
    const place = this.#places.get(key);
    return place !== undefined && this.#isHit(place, key, true) ? this.#valueAt(place) : FORGOTTEN;
  }

  /** As `recall`, for whoever cannot ask the owner: a policy that has too much to hear of does not hear of this hit. */
  recallSync(key: CacheKey): unknown {
    const place = this.#places.get(key);
    return place !== undefined && this.#isHit(place, key, false) ? this.#valueAt(place) : FORGOTTEN;
  }

  /** The value that the view's reader has just found under the key that was aimed at, and that is kept if it is worth it. */
  take(key: CacheKey, view: ShardView): unknown {
    const { hashLow, hashHigh, byteLength: keyBytes } = this.#client.key;
    const { lock, slot, seqLow, seqHigh, expiresAtMs, length, slides } = view.reader;
    const byteLength = keyBytes + length;
    const mark = hashHigh ^ seqLow;
    if (slides || byteLength > this.#maxBytes || !this.#isReadAgain(key, hashLow, mark)) {
      return this.#client.take(view);
    }
    const found: Found = { view, hashLow, hashHigh, lock, slot, seqLow, seqHigh, expiresAtMs, byteLength };
    const value = this.#client.take(view);
    if (this.#copy === 'share') {
      const own = outOfPool(value);
      this.#insert(key, found, own);
      return own;
    }
    if (!isPlainTree(value)) {
      // To look through it with each read made reads of a value with a Date in it take 1.9 times as long.
      this.#readOnce[this.#readOnceAt(hashLow)] = ~mark;
      return value;
    }
    const own = copyTree(value);
    this.#insert(key, found, own);
    if (this.#copy === 'decode') {
      return value;
    }
    // Not what was decoded: a serializer of the user's may go on using that.
    freezeTree(own);
    return own;
  }

  /** Throws on the first broken invariant. For tests. */
  check(): void {
    let byteLength = 0;
    for (const [key, place] of this.#places) {
      assert(this.#keys[place] === key, `place ${place} is not that of the key that names it`);
      byteLength += this.#rest[place * ROW + BYTES] as number;
    }
    const free = new Set(this.#free);
    assert(
      [...free].every((place) => this.#keys[place] === undefined),
      'a free place has a key',
    );
    assert(
      free.size + this.#places.size === this.#keys.length,
      `${free.size} free and ${this.#places.size} taken places`,
    );
    assert(this.#places.size <= this.#maxEntries, `${this.#places.size} entries`);
    assert(byteLength === this.#byteLength && byteLength <= this.#maxBytes, `${byteLength} bytes`);
  }

  /**
   * Whether what was read stands: nobody has written since, this client least of all, and it has not expired. Then it counts as a
   * hit. False, too, where the owner should be asked instead by a caller that `canAsk`.
   */
  #isHit(place: number, key: CacheKey, canAsk: boolean): boolean {
    const locks = this.#locks;
    const at = place * ROW;
    const state = this.#states[place] as number;
    const view = this.#client.views[state & SHARD_MASK] as ShardView;
    const hashLow = locks[at + HASH_LOW] as number;
    if (view.lane.hasWrite(hashLow)) {
      return false;
    }
    if ((state & EXPIRES) !== 0 && view.reader.nowMs >= (this.#expiries[place] as number)) {
      this.#remove(place);
      return false;
    }
    if (!view.reader.isStill(locks[at + LOCK] as number, hashLow) && !this.#isRenewed(place, key)) {
      return false;
    }
    if (!view.useAgain(locks[at + SLOT] as number, locks[at + SEQ_LOW] as number, this.#client.key, canAsk)) {
      return false;
    }
    if (view.isFollowed) {
      view.sampleAgain(hashLow, this.#rest[at + HASH_HIGH] as number, this.#client.key);
    }
    this.#states[place] = state | USED;
    return true;
  }

  /** Somebody has changed the stripe: another entry of it as a rule. */
  #isRenewed(place: number, key: CacheKey): boolean {
    const at = place * ROW;
    const view = this.#client.aim(key);
    const { reader } = view;
    const seen = view.probe(this.#client.key);
    if (seen === HIT && reader.seqLow === this.#locks[at + SEQ_LOW] && reader.seqHigh === this.#rest[at + SEQ_HIGH]) {
      this.#locks[at + LOCK] = reader.lock;
      return true;
    }
    if (seen !== BUSY) {
      this.#remove(place);
    }
    return false;
  }

  #valueAt(place: number): unknown {
    const value = this.#values[place];
    return this.#copy === 'decode' ? copyTree(value) : value;
  }

  /** Whether a key that can be kept is read again, and nobody has written to it since the last time. */
  #isReadAgain(key: CacheKey, hashLow: number, mark: number): boolean {
    if (typeof key !== 'string' && typeof key !== 'number') {
      return false;
    }
    const at = this.#readOnceAt(hashLow);
    const last = this.#readOnce[at] as number;
    if (last === ~mark) {
      return false;
    }
    this.#readOnce[at] = mark;
    return last === mark;
  }

  #readOnceAt(hashLow: number): number {
    return hashLow & (this.#readOnce.length - 1);
  }

  #insert(key: CacheKey, found: Found, value: unknown): void {
    const old = this.#places.get(key);
    if (old !== undefined) {
      this.#remove(old);
    }
    while (this.#places.size >= this.#maxEntries || this.#byteLength + found.byteLength > this.#maxBytes) {
      this.#evict();
    }
    const place = this.#free.pop() ?? this.#keys.length;
    const at = place * ROW;
    this.#locks[at + LOCK] = found.lock;
    this.#locks[at + HASH_LOW] = found.hashLow;
    this.#locks[at + SLOT] = found.slot;
    this.#locks[at + SEQ_LOW] = found.seqLow;
    this.#rest[at + HASH_HIGH] = found.hashHigh;
    this.#rest[at + SEQ_HIGH] = found.seqHigh;
    this.#rest[at + BYTES] = found.byteLength;
    this.#expiries[place] = found.expiresAtMs;
    this.#states[place] = found.view.shard | (found.expiresAtMs === EVER ? 0 : EXPIRES);
    this.#keys[place] = key;
    this.#values[place] = value;
    this.#byteLength += found.byteLength;
    this.#places.set(key, place);
  }

  /** One round of the hand makes everybody unused, so it finds somebody in the second. */
  #evict(): void {
    for (;;) {
      const place = this.#hand;
      this.#hand = place + 1 < this.#keys.length ? place + 1 : 0;
      if (this.#keys[place] === undefined) {
        continue;
      }
      const state = this.#states[place] as number;
      if ((state & USED) === 0) {
        return this.#remove(place);
      }
      this.#states[place] = state & ~USED;
    }
  }

  #remove(place: number): void {
    this.#places.delete(this.#keys[place] as CacheKey);
    this.#byteLength -= this.#rest[place * ROW + BYTES] as number;
    this.#keys[place] = undefined;
    this.#values[place] = undefined;
    this.#free.push(place);
  }
}

/** A small Buffer is a part of Node's pool: whoever keeps ten bytes of it keeps 8 KiB that nobody has counted. */
function outOfPool(value: unknown): unknown {
  if (!Buffer.isBuffer(value) || value.buffer.byteLength !== Buffer.poolSize) {
    return value;
  }
  const own = Buffer.allocUnsafeSlow(value.length);
  own.set(value);
  return own;
}

function assert(holds: boolean, message: string): void {
  if (!holds) {
    throw new Error(`near cache: ${message}`);
  }
}
