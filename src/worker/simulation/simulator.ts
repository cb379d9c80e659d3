/**
 * One eviction policy under a stream of requests, without the cache around it: each request is a get and, on a miss, a set.
 *
 * A key is a 32-bit number, an entry is a slot and a size, and a policy is called as a shard calls it: told of a hit by
 * `hit` or by a count in `touched`, as it wants; on a miss asked to `arrive`, for victims while there is no room, and to
 * `add`. No key, no value and no memory is behind it, so a request takes some 100 ns beside what the policy takes, and a
 * hit ratio is that of the cache with the same policy, to the last request.
 *
 *     request(id, size) -> residents: hash -> slot -> hit(slot) or touched[slot]
 *                                      `-> arrive(hash), victim() ..., add(slot, hash)
 *
 * Who has more to tell than a trace of gets calls the parts of a request by themselves, and what else happens to a cache:
 * `get`, `put`, `delete`, `clear` and `sweep`. Those count no requests.
 *
 * What it leaves out: the room that an arena cannot use between blocks. What has expired leaves when it is asked for, named
 * as victim, or swept.
 */
import { TOUCHED_MAX } from '../../protocol/memory.ts';
import type { EvictionPolicy, PolicyFactory, PolicyOptions } from '../../protocol/policy.ts';
import type { Counts } from '../../protocol/simulation.ts';
import { mixed, unmixed } from './mix.ts';
import { Residents } from './residents.ts';

export interface SimulatorOptions {
  readonly createPolicy: PolicyFactory;
  readonly policyOptions?: PolicyOptions;
  /** Entries that fit at most. Default: no bound. */
  readonly entriesMax?: number;
  /** What all sizes may sum up to. Default: no bound. */
  readonly bytesMax?: number;
  /** Different keys that will come at most, and the smallest size: they bound the slots where `entriesMax` does not. */
  readonly keys: number;
  readonly sizeMin?: number;
  /** For policies that draw lots. */
  readonly seed?: number;
  /** Whether requests come with deadlines. */
  readonly expires?: boolean;
  /** Put around the policy. `isLive` tells of any number whether it is a slot that holds an entry. */
  readonly guard?: (policy: EvictionPolicy, isLive: (slot: number) => boolean) => EvictionPolicy;
}

const NEVER = Number.POSITIVE_INFINITY;
/** The weight of a slot that holds no entry. */
const FREE = -1;

export class Simulator implements Counts {
  requests = 0;
  hits = 0;
  /** Of sizes as they were requested. */
  bytesRequested = 0;
  bytesHit = 0;
  evictions = 0;
  expirations = 0;
  /** Misses that were not stored: the policy refused them, or gave nothing up for them. */
  refused = 0;
  /** Misses that were not stored: no cache of this capacity could hold them. */
  tooLarge = 0;
  entries = 0;
  bytes = 0;

  readonly policy: EvictionPolicy;
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly #residents: Residents;
  readonly #touched: Uint8Array;
  readonly #hashes: Int32Array;
  /** What each entry was charged when it was stored; FREE for none. */
  readonly #weights: Float64Array;
  /** Undefined where nothing expires. */
  readonly #deadlines: Float64Array | undefined;
  /** For how long a get lets an entry live on; 0 for one whose deadline stands. */
  readonly #slides: Float64Array | undefined;
  /** Slots that were given back; the others from `#slotsUsed` on were never taken. */
  readonly #freeSlots: Int32Array;
  #freeCount = 0;
  #slotsUsed = 0;
  readonly #countsTouches: boolean;
  readonly #hearsHits: boolean;
  readonly #hearsArrivals: boolean;

  constructor(options: SimulatorOptions) {
    const { createPolicy, policyOptions, entriesMax = NEVER, bytesMax = NEVER, keys, seed = 0, expires } = options;
    // Sizes of 0 bound nothing: a division by them is infinite, or not a number.
    const byBytes = Math.floor(bytesMax / (options.sizeMin ?? 0));
    const slots = Math.min(entriesMax, keys, Number.isNaN(byBytes) ? NEVER : byBytes) + 1;
    this.entriesMax = entriesMax;
    this.bytesMax = bytesMax;
    this.#residents = new Residents(slots);
    this.#touched = new Uint8Array(slots);
    this.#hashes = new Int32Array(slots);
    this.#weights = new Float64Array(slots).fill(FREE);
    this.#deadlines = expires === true ? new Float64Array(slots) : undefined;
    this.#slides = expires === true ? new Float64Array(slots) : undefined;
    this.#freeSlots = new Int32Array(slots);
    const context = {
      slots,
      entriesMax,
      bytesMax,
      touched: this.#touched,
      seed,
      keyOf: (slot: number) => unmixed(this.#hashes[this.#live(slot)] as number),
      hashOf: (slot: number) => this.#hashes[this.#live(slot)] as number,
      weightOf: (slot: number) => this.#weights[this.#live(slot)] as number,
    };
    const policy = createPolicy(context, policyOptions);
    this.policy = options.guard?.(policy, (slot) => (this.#weights[slot] as number) >= 0) ?? policy;
    this.#countsTouches = this.policy.hits === 'byte';
    this.#hearsHits = this.policy.hits === 'ring';
    this.#hearsArrivals = this.policy.arrive !== undefined;
  }

  /**
   * Asks for a key and stores it if it is not there: with this size, until `deadline` on the clock of `now`. True for a hit.
   * Throws when the policy breaks its contract, or when more keys come than were announced.
   */
  request(id: number, size = 1, deadline = NEVER, now = 0): boolean {
    const hash = mixed(id);
    this.requests++;
    this.bytesRequested += size;
    if (this.#use(hash, now)) {
      this.hits++;
      this.bytesHit += size;
      return true;
    }
    this.#store(hash, size, deadline, 0, now);
    return false;
  }

  /** Whether a key is there; a use of it, if it is. */
  get(id: number, now: number): boolean {
    return this.#use(mixed(id), now);
  }

  /** Stores a key, or overwrites it. Where `slideMs` is not 0, each get moves the deadline to so long after it. */
  put(id: number, size: number, deadline: number, slideMs: number, now: number): void {
    const hash = mixed(id);
    const found = this.#residents.find(hash);
    const slot = found !== -1 && this.#isExpired(found, now) ? this.#expire(found) : found;
    if (slot === -1) {
      this.#store(hash, size, deadline, slideMs, now);
    } else if (size > this.bytesMax) {
      this.delete(id);
      this.tooLarge++;
    } else {
      this.bytes += size - (this.#weights[slot] as number);
      this.#weights[slot] = size;
      this.#date(slot, deadline, slideMs);
      this.policy.update(slot, slot);
      this.#makeRoom(0, 0, now);
    }
  }

  delete(id: number): void {
    const slot = this.#residents.find(mixed(id));
    if (slot !== -1) {
      this.policy.remove(slot, 'delete');
      this.#release(slot);
    }
  }

  clear(): void {
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      if ((this.#weights[slot] as number) >= 0) {
        this.#release(slot);
      }
    }
    this.policy.clear();
  }

  /** Removes what has expired. */
  sweep(now: number): void {
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      if ((this.#weights[slot] as number) >= 0 && this.#isExpired(slot, now)) {
        this.#expire(slot);
      }
    }
  }

  /** Removes every entry that the policy gives up, and shows each: the one that should leave next comes first. */
  drain(visit: (id: number, size: number, deadline: number, slideMs: number) => void): void {
    for (let left = this.entries; left > 0; left--) {
      const victim = this.policy.victim();
      if (victim === -1) {
        return;
      }
      const slot = this.#live(victim);
      const id = unmixed(this.#hashes[slot] as number);
      visit(id, this.#weights[slot] as number, this.#deadlines?.[slot] ?? NEVER, this.#slides?.[slot] ?? 0);
      this.policy.remove(slot, 'delete');
      this.#release(slot);
    }
  }

  get misses(): number {
    return this.requests - this.hits;
  }

  /** Throws on the first broken invariant, of its own or of the policy's. */
  check(): void {
    let bytes = 0;
    for (const [hash, slot] of this.#residents) {
      assert(this.#hashes[slot] === hash, `slot ${slot} has another hash than its entry`);
      assert((this.#weights[slot] as number) >= 0, `slot ${slot} is free and holds an entry`);
      bytes += this.#weights[slot] as number;
    }
    assert(this.#residents.size === this.entries, `${this.#residents.size} residents, ${this.entries} counted`);
    assert(this.#slotsUsed - this.#freeCount === this.entries, `${this.entries} entries, more or fewer slots taken`);
    assert(Math.abs(bytes - this.bytes) < 1, `${bytes} bytes in entries, ${this.bytes} counted`);
    assert(this.entries <= this.entriesMax, `${this.entries} entries where ${this.entriesMax} fit`);
    assert(this.bytes <= this.bytesMax, `${this.bytes} bytes where ${this.bytesMax} fit`);
    this.policy.check?.();
  }

  /** Whether it is there and alive. Tells the policy of the hit; one that has expired leaves. */
  #use(hash: number, now: number): boolean {
    const slot = this.#residents.find(hash);
    if (slot === -1) {
      return false;
    }
    if (this.#isExpired(slot, now)) {
      this.#expire(slot);
      return false;
    }
    this.#slide(slot, now);
    if (this.#countsTouches) {
      const count = this.#touched[slot] as number;
      if (count < TOUCHED_MAX) {
        this.#touched[slot] = count + 1;
      }
    } else if (this.#hearsHits) {
      this.policy.hit(slot);
    }
    return true;
  }

  #isExpired(slot: number, now: number): boolean {
    return this.#deadlines !== undefined && (this.#deadlines[slot] as number) <= now;
  }

  #slide(slot: number, now: number): void {
    const slideMs = this.#slides?.[slot] ?? 0;
    if (slideMs > 0 && this.#deadlines !== undefined) {
      this.#deadlines[slot] = Math.max(this.#deadlines[slot] as number, now + slideMs);
    }
  }

  #date(slot: number, deadline: number, slideMs: number): void {
    if (this.#deadlines !== undefined && this.#slides !== undefined) {
      this.#deadlines[slot] = deadline;
      this.#slides[slot] = slideMs;
    }
  }

  #store(hash: number, size: number, deadline: number, slideMs: number, now: number): void {
    if (size > this.bytesMax) {
      this.tooLarge++;
      return;
    }
    const { policy } = this;
    if (this.#hearsArrivals) {
      policy.arrive?.(hash);
    }
    if (!this.#makeRoom(1, size, now)) {
      this.refused++;
      return;
    }
    const slot = this.#take();
    this.#hashes[slot] = hash;
    this.#weights[slot] = size;
    this.#touched[slot] = 0;
    this.#date(slot, deadline, slideMs);
    this.#residents.add(hash, slot);
    this.entries++;
    this.bytes += size;
    if (!policy.add(slot, hash)) {
      this.refused++;
      this.#release(slot);
    }
  }

  /** Evicts until so much more fits. False when the policy gives nothing up. */
  #makeRoom(entries: number, bytes: number, now: number): boolean {
    while (this.entries + entries > this.entriesMax || this.bytes + bytes > this.bytesMax) {
      const victim = this.policy.victim();
      if (victim === -1) {
        return false;
      }
      this.#evict(victim, now);
    }
    return true;
  }

  /** No slot is what is left of it: -1. */
  #expire(slot: number): number {
    this.expirations++;
    this.policy.remove(slot, 'expire');
    this.#release(slot);
    return -1;
  }

  #evict(victim: number, now: number): void {
    const slot = this.#live(victim);
    const isExpired = this.#isExpired(slot, now);
    this.policy.remove(slot, isExpired ? 'expire' : 'evict');
    if (isExpired) {
      this.expirations++;
    } else {
      this.evictions++;
    }
    this.#release(slot);
  }

  #release(slot: number): void {
    this.#residents.remove(this.#hashes[slot] as number);
    this.entries--;
    this.bytes -= this.#weights[slot] as number;
    this.#weights[slot] = FREE;
    this.#freeSlots[this.#freeCount++] = slot;
  }

  #take(): number {
    if (this.#freeCount > 0) {
      return this.#freeSlots[--this.#freeCount] as number;
    }
    if (this.#slotsUsed === this.#weights.length) {
      throw new RangeError(`More keys, or smaller ones, came than announced: ${this.#slotsUsed - 1} entries were`);
    }
    return this.#slotsUsed++;
  }

  #live(slot: number): number {
    if (!((this.#weights[slot] as number) >= 0)) {
      throw new Error(`The eviction policy named slot ${slot}, which holds no entry`);
    }
    return slot;
  }
}

function assert(holds: boolean, message: string): void {
  if (!holds) {
    throw new Error(`simulator: ${message}`);
  }
}
