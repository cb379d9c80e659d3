/**
 * A shard as one client has it: its memory to look into, and its lane for what cannot be answered by looking.
 *
 * A look counts hits and misses and tells the policy of hits, in the client's own memory.
 */

import type { CacheKey } from '../protocol/cache-key.ts';
import { type ClientMemory, RING_FULL, RING_RECORDS } from '../protocol/client.ts';
import { CacheError } from '../protocol/errors.ts';
import type { FilterReader } from '../protocol/filter.ts';
import type { KeyEncoder } from '../protocol/key.ts';
import type { ShardLimits } from '../protocol/memory.ts';
import { OP_NONE } from '../protocol/operations.ts';
import type { HitMode } from '../protocol/policy.ts';
import { BUSY, HIT, MISS, type Reader } from '../protocol/reader.ts';
import type { SampleRing } from '../protocol/samples.ts';
import { UNLIMITED } from './call.ts';
import type { Lane } from './lane.ts';

/** A ring this full asks the owner to drain it. */
const RING_NUDGE = RING_RECORDS / 2;
/** How long getSync waits for a stripe: an owner that was put off the processor in the middle of a change comes back. */
const BUSY_WAIT_MS = 250;
const BUSY_STEP_MS = 1;

export class ShardView {
  readonly shard: number;
  readonly limits: ShardLimits;
  readonly lane: Lane;
  readonly reader: Reader;
  readonly filter: FilterReader | undefined;
  readonly client: ClientMemory;
  /** Undefined for a cache that is not to give advice. */
  readonly #samples: SampleRing | undefined;
  readonly #hits: HitMode;
  readonly #looks: boolean;
  readonly #hasTier: boolean;
  #nudging = false;

  /**
   * With `looks` false every look answers BUSY: the owner is asked. With a tier it is asked of what memory does not have, and
   * the filter does not rule out.
   */
  constructor(
    shard: number,
    limits: ShardLimits,
    lane: Lane,
    reader: Reader,
    filter: FilterReader | undefined,
    client: ClientMemory,
    samples: SampleRing | undefined,
    hits: HitMode,
    { looks, hasTier }: { readonly looks: boolean; readonly hasTier: boolean },
  ) {
    this.shard = shard;
    this.limits = limits;
    this.lane = lane;
    this.reader = reader;
    this.filter = filter;
    this.client = client;
    this.#samples = samples;
    this.#hits = hits;
    this.#looks = looks;
    this.#hasTier = hasTier;
  }

  /** HIT (the reader has the value), MISS, or BUSY when the owner must be asked, who then counts. */
  look(key: KeyEncoder): number {
    let seen = this.#see(key, true);
    if (this.#mayBeRuledOut(seen)) {
      const isRuledOut = this.#isRuledOut(key);
      if (isRuledOut) this.client.countNegative();
      seen = isRuledOut ? MISS : BUSY;
    }
    if (seen === HIT) {
      if (!this.#touch(key) && !this.#letsGo()) {
        return BUSY;
      }
      this.client.countHit();
      this.#sample(key.hashLow, key.hashHigh, true, key);
    } else if (seen === MISS) {
      this.client.countMiss();
      this.#sample(key.hashLow, key.hashHigh, false, key);
    }
    return seen;
  }

  /**
   * A hit of an entry that was seen before and still stands. False where the owner should be asked instead by whoever
   * `canAsk`: it takes a `look`. `key` may be any that was encoded.
   */
  useAgain(slot: number, seqLow: number, key: KeyEncoder, canAsk: boolean): boolean {
    if (!this.#tell(slot, seqLow, key)) {
      if (!canAsk) {
        this.client.countDropped();
      } else if (!this.#letsGo()) {
        return false;
      }
    }
    this.client.countHit();
    this.client.countNear();
    return true;
  }

  /** Whether some gets are followed: then those that were a `useAgain` are to be told with `sampleAgain`. */
  get isFollowed(): boolean {
    return this.#samples !== undefined;
  }

  sampleAgain(hashLow: number, hashHigh: number, key: KeyEncoder): void {
    this.#sample(hashLow, hashHigh, true, key);
  }

  /** As `look`, but nobody counts or hears of it. */
  glance(key: KeyEncoder): number {
    return this.#beyondMemory(this.#see(key, true), key);
  }

  /** As `look`, but leaves the value where it is, and counts nothing. */
  touch(key: KeyEncoder): number {
    const seen = this.probe(key);
    return seen === HIT && !this.#touch(key) && !this.#letsGo() ? BUSY : seen;
  }

  /** As `glance`, but leaves the value where it is. */
  probe(key: KeyEncoder): number {
    return this.#beyondMemory(this.#see(key, false), key);
  }

  /** As `look`, but waits for the stripe instead of asking: HIT or MISS. Throws BUSY after 250 ms. */
  lookSync(key: KeyEncoder, given: CacheKey): number {
    const looked = this.reader.read(key);
    const seen = looked === BUSY ? this.#readPatiently(key, given) : looked;
    if (seen === MISS) {
      this.client.countMiss();
      this.#sample(key.hashLow, key.hashHigh, false, key);
    } else {
      if (!this.#touch(key)) {
        this.client.countDropped();
      }
      this.client.countHit();
      this.#sample(key.hashLow, key.hashHigh, true, key);
    }
    return seen;
  }

  /**
   * The ring is full, and the owner would drain it if it was asked; but one that does not answer must not keep readers
   * waiting. Whether the policy never hears of this hit, which is counted.
   */
  #letsGo(): boolean {
    if (this.lane.isAnswering) {
      return false;
    }
    this.client.countDropped();
    return true;
  }

  /** What the memory says; BUSY where it may not be asked, or would not answer. */
  #see(key: KeyEncoder, copies: boolean): number {
    // Where there is no owner to be asked any more, the memory is all there is.
    if ((!this.#looks && !this.lane.hasEnded) || this.lane.hasWrite(key.hashLow)) {
      return BUSY;
    }
    return copies ? this.reader.read(key) : this.reader.probe(key);
  }

  /** Where memory alone does not say. */
  #mayBeRuledOut(seen: number): boolean {
    return seen === BUSY || (seen === MISS && this.#hasTier);
  }

  /** What there is to say of a key of which memory has said this. */
  #beyondMemory(seen: number, key: KeyEncoder): number {
    if (!this.#mayBeRuledOut(seen)) {
      return seen;
    }
    return this.#isRuledOut(key) ? MISS : BUSY;
  }

  /**
   * Whether the filter says that there is no such key. Only asked where the owner would have to be: the memory itself tells
   * a miss as fast, and a hit would pay for both.
   */
  #isRuledOut(key: KeyEncoder): boolean {
    const { filter } = this;
    return filter?.rulesOut(key.hashLow, key.hashHigh) === true && !this.lane.hasWrite(key.hashLow);
  }

  /** Apart from `lookSync`, which reads no clock while the stripe is even: a miss at 10 k entries took 185 ns with it, 142 without. */
  #readPatiently(key: KeyEncoder, given: CacheKey): number {
    const deadline = performance.now() + BUSY_WAIT_MS;
    for (;;) {
      this.reader.waitForStripe(key, BUSY_STEP_MS);
      const seen = this.reader.read(key);
      if (seen !== BUSY) {
        return seen;
      }
      if (performance.now() >= deadline) {
        const message = `Shard ${this.shard} kept this key's stripe locked for ${BUSY_WAIT_MS} ms. Use \`get\``;
        throw new CacheError('BUSY', message, { key: given, shard: this.shard });
      }
    }
  }

  /** Tells the policy of the reader's last hit, and lets it live on if it slides. False when the ring has no room for it. */
  #touch(key: KeyEncoder): boolean {
    const { reader } = this;
    reader.slide();
    return this.#tell(reader.slot, reader.seqLow, key);
  }

  /** Tells the policy that an entry was used. False when the ring has no room for it. */
  #tell(slot: number, seqLow: number, key: KeyEncoder): boolean {
    if (this.#hits === 'none') {
      return true;
    }
    if (this.#hits === 'byte') {
      this.reader.touchByte(slot);
      return true;
    }
    const waiting = this.client.push(slot, seqLow);
    if ((waiting === RING_FULL || waiting > RING_NUDGE) && !this.#nudging) {
      this.#nudge(key);
    }
    return waiting !== RING_FULL;
  }

  /** Tells the shard of a get that was counted, if it is one of those that are followed. `key` may be any. */
  #sample(hashLow: number, hashHigh: number, hit: boolean, key: KeyEncoder): void {
    if (this.#samples?.offer(hashLow, hashHigh, hit) === true && !this.#nudging) {
      this.#nudge(key);
    }
  }

  /** Lets the owner drain this client's rings. One nudge at a time; one that fails has a dead shard to blame. */
  #nudge(key: KeyEncoder): void {
    if (this.lane.hasEnded) {
      // Every read of a shard that has failed would come here, and make an error.
      return;
    }
    this.#nudging = true;
    const done = () => {
      this.#nudging = false;
    };
    this.lane.call(OP_NONE, key, undefined, UNLIMITED).then(done, done);
  }
}
