/**
 * The entries of one shard: one door in, one door out, and room for those inside. The order in which map, arena, policy,
 * wheel and filter are consulted is told here and nowhere else.
 *
 * What holds after every call: entries and accounted bytes are within their limits, and whatever changed is already
 * visible to every reader. Room is made of what has expired first, then of what the policy names.
 *
 * Entries outlive their owner: a new one begins with those that are in the memory, while readers go on reading them. Of what
 * it needs for itself nothing is believed that the dead owner has left; it is all made anew of the live blocks.
 */

import type { ClientMemory } from '../protocol/client.ts';
import type { Clock } from '../protocol/clock.ts';
import type { ErrorRecord } from '../protocol/errors.ts';
import { FilterReader } from '../protocol/filter.ts';
import { columnBytes, HEADER_EPOCH, type ShardLimits, type ShardMemory } from '../protocol/memory.ts';
import type { EvictionPolicy, PolicyContext, PolicyFactory, RemovalCause } from '../protocol/policy.ts';
import type { ShardSpec } from '../protocol/spec.ts';
import { Arena, type Relocate } from './arena.ts';
import { Blocks, type EntrySource, type Expiry, type KeySource, keyMeta, metaOf } from './blocks.ts';
import { Departures } from './departures.ts';
import { Events, type SendBatch } from './events.ts';
import { Expiries } from './expiries.ts';
import type { MembershipFilter } from './filter/filter.ts';
import { filters } from './filter/index.ts';
import { noFilter } from './filter/none.ts';
import { GuardedPolicy, PolicyFault } from './guarded-policy.ts';
import { Hits } from './hits.ts';
import { introduce } from './introduction.ts';
import { LiveHashes } from './live-hashes.ts';
import { Lookahead } from './lookahead.ts';
import { ShardMap } from './map.ts';
import { mend } from './mend.ts';
import { NO_SLOT, Slots } from './slots.ts';
import { Survivors } from './survivors.ts';
import { type Gauges, Tally } from './tally.ts';

/**
 * Timers that are sorted out at most before an eviction, so that the expired go before the living: 0.5 ms. It seldom
 * takes more than a few; but when time reaches a bucket of minutes, those that are due may lie behind many that are not.
 */
const EVICTION_TIMERS = 4_096;
/** Timers that are sorted out before valid entries are counted: 10 ms at most. */
const GAUGE_TIMERS = 100_000;
/** Expired entries that one search for a live one removes at most, and empty slots that it steps over: 2 ms. */
export const POP_EXPIRED_MAX = 2_048;
const POP_SLOTS_MAX = 65_536;
/** In place of a block: there may be one, but this call has looked long enough. */
export const ASK_AGAIN = -1;

export interface EntriesSetup {
  readonly limits: ShardLimits;
  readonly memory: ShardMemory;
  readonly createPolicy: PolicyFactory;
  readonly clock: Clock;
  /** For what draws lots. */
  readonly seed?: number;
  readonly filter?: ShardSpec['filter'];
  /** Hears of every fault of a policy that is a user's. Without it the policy is trusted, as built-in ones are. */
  readonly onPolicyFault?: ((fault: PolicyFault) => void) | undefined;
}

export class Entries {
  readonly blocks: Blocks;
  readonly policy: EvictionPolicy;
  readonly tally: Tally;
  /** Which owner of this memory this one is, beginning with 1. */
  readonly epoch: number;
  readonly expiries: Expiries;
  readonly hits: Hits;
  /** Hears of everything that leaves, while anybody wants to know. */
  readonly events: Events;
  /** Hears of it while a snapshot is loaded. */
  readonly departures: Departures;
  /** Told of entries that are about to be evicted, and that reads have let live on. */
  onSlidOut: ((block: number) => void) | undefined;
  readonly #limits: ShardLimits;
  readonly #memory: ShardMemory;
  readonly #map: ShardMap;
  readonly #arena: Arena;
  readonly #slots: Slots;
  readonly #filter: MembershipFilter;
  /** Undefined without a filter. */
  readonly #ruling: FilterReader | undefined;
  readonly #lookahead: Lookahead;
  #columnBytes = 0;
  #payloadBytes = 0;
  #popAt = 0;
  #evictedAtWarm = 0;

  constructor({ limits, memory, createPolicy, clock, seed = 0, filter = false, onPolicyFault }: EntriesSetup) {
    this.#limits = limits;
    this.#memory = memory;
    this.epoch = (memory.header[HEADER_EPOCH] as number) + 1;
    memory.header[HEADER_EPOCH] = this.epoch;
    mend(memory);
    const survivors = new Survivors(memory);
    this.tally = new Tally(memory.tally);
    this.events = new Events(memory, this.tally.read);
    this.departures = new Departures(memory);
    this.#map = new ShardMap(memory, survivors.blocks.length);
    const relocate: Relocate = (from, to, length) => this.#map.relocate(from, to, length);
    this.#arena = new Arena(memory.words, relocate, survivors.blocks);
    this.blocks = new Blocks(memory);
    this.#slots = new Slots(memory);
    this.expiries = new Expiries(this.blocks, this.#slots, memory.slots.length, clock);
    this.#takeOver(survivors.blocks);
    this.#filter = filter === false ? noFilter : this.#createFilter(filter);
    this.#ruling = filter === false ? undefined : new FilterReader(memory.filter);
    const policy = createPolicy(this.#contextFor(seed));
    this.policy = onPolicyFault === undefined ? policy : this.#guard(policy, onPolicyFault);
    this.#lookahead = new Lookahead(memory, this.policy);
    this.hits = new Hits(this.policy, this.blocks, this.#slots, memory.touched, clock);
    if (this.epoch > 1) {
      this.#introduce(survivors.slotsByAge());
      this.tally.countRestart();
    }
  }

  /** A client: `send` is the way to it for events, where there is one. */
  connect(client: ClientMemory, send: SendBatch | undefined): void {
    this.hits.connect(client, this.tally.read);
    if (send !== undefined) {
      this.events.connect(client, send);
    }
  }

  disconnect(client: ClientMemory): void {
    this.hits.disconnect(client, this.tally.read);
    this.events.disconnect(client);
  }

  get count(): number {
    return this.#map.entries;
  }

  /** Entries that are not known to have expired. */
  get validCount(): number {
    return this.#map.entries - this.expiries.due;
  }

  /** Bytes of live blocks and columns. */
  get bytes(): number {
    return this.#arena.liveBytes + this.#columnBytes;
  }

  /** What the arena has moved since birth to make room. */
  get moved(): Arena['moved'] {
    return this.#arena.moved;
  }

  /** For a snapshot that is being saved. */
  get slots(): Slots {
    return this.#slots;
  }

  /** The block of the source's key, expired or not; 0 where there is none. */
  find(source: KeySource): number {
    return this.#map.find(source, keyMeta(source));
  }

  /** The block of some key with this hash, of whose high word only the low bits are asked for; 0 where there is none. */
  findHash(hashLow: number, hashHigh: number): number {
    return this.#map.findHash(hashLow, hashHigh);
  }

  /** What an entry takes of `bytesMax`. */
  weightOf(block: number): number {
    return this.#arena.bytesOf(block) + this.blocks.columnsOf(block);
  }

  /** The live block of the source's key, as a write must find it: hits are taken in. What has expired may yet be served. */
  live(source: KeySource): number {
    this.hits.drain();
    const block = this.find(source);
    return block !== 0 && this.expiries.isExpired(block) ? 0 : block;
  }

  /** As `live`, for whoever writes in any case: an expired entry leaves now. */
  claim(source: KeySource): number {
    this.hits.drain();
    const block = this.find(source);
    if (block !== 0 && this.expiries.isExpired(block)) {
      this.remove(block, 'expire');
      return 0;
    }
    return block;
  }

  /**
   * The one door in: publishes an entry, in the place of `old`, the block of its key that `claim` found, if that is not 0.
   * Evicts what it must, but nothing for a value that could never fit. `standing` is what the policy of a snapshot said of it.
   */
  put(source: EntrySource, expiry: Expiry, old: number, standing?: number): ErrorRecord | undefined {
    const meta = metaOf(source, expiry);
    const length = this.blocks.wordsOf(source, meta);
    const columns = columnBytes(meta);
    const need = Arena.bytesFor(length);
    if (need > this.#arena.bytesMax || need + columns > this.#limits.bytesMax) {
      return this.#tooLarge(source, columns);
    }
    const previous = old === 0 ? NO_SLOT : this.blocks.slotOf(old);
    if (old === 0 && standing === undefined) {
      this.policy.arrive?.(source.hashLow);
    }
    const block = this.#makeRoom(length, columns, previous);
    if (block === 0) {
      return this.#full();
    }
    // Making room may have evicted the old entry, or moved it.
    const replaced = this.#slots.blockOf(previous);
    if (replaced !== 0) {
      this.blocks.write(block, previous, source, meta, expiry);
      this.#replace(replaced, block, previous);
    } else {
      const slot = this.#slots.take(previous);
      this.blocks.write(block, slot, source, meta, expiry);
      this.#insert(block, slot, standing);
    }
    return undefined;
  }

  /** Writes over the number that is the value of a live entry. To the policy it is an overwrite. */
  writeNumber(block: number, value: number): void {
    const hash = this.blocks.hashLowOf(block);
    this.#map.lock(hash);
    this.blocks.writeNumber(block, value);
    this.#map.unlock(hash);
    this.#overwritten(block);
  }

  /** Gives a live entry another expiry. To the policy it is an overwrite with the same value. */
  expire(block: number, expiry: Expiry): ErrorRecord | undefined {
    const { blocks } = this;
    if (expiry.atMs === Number.POSITIVE_INFINITY && !this.expiries.isTimed(block)) {
      return undefined;
    }
    if (!blocks.expires(block)) {
      return this.put(blocks.copyOf(block), expiry, block);
    }
    const hash = blocks.hashLowOf(block);
    this.expiries.deschedule(block);
    this.#map.lock(hash);
    blocks.writeExpiry(block, expiry);
    this.#map.unlock(hash);
    this.expiries.schedule(block);
    this.#overwritten(block);
    return undefined;
  }

  /** The one door out. */
  remove(block: number, cause: RemovalCause): void {
    const slot = this.blocks.slotOf(block);
    if (cause === 'expire') {
      this.expiries.marks.add(this.blocks.hashLowOf(block), this.blocks.hashHighOf(block));
    }
    if (cause === 'evict' && this.blocks.slides(block) && (this.#memory.lastRead[slot] as number) > 0) {
      this.onSlidOut?.(block);
    }
    try {
      // First: it may ask about the entry. It may be a user's, too, and throw.
      this.policy.remove(slot, cause);
    } finally {
      if (this.events.wanted !== 0) this.events.announce(block, cause);
      this.#release(block, slot, cause);
      this.tally.countRemoved(cause);
    }
  }

  /**
   * The live entry that should leave next; some other, where the policy names none. 0 when empty, and ASK_AGAIN when the
   * POP_EXPIRED_MAX that would have come before it had expired: a million of them would hold every call for a second.
   */
  first(): number {
    this.hits.drain();
    for (let removed = 0; removed < POP_EXPIRED_MAX && this.count > 0; removed++) {
      const victim = this.#victim();
      const block = victim === NO_SLOT ? this.#anyone() : this.#slots.blockOf(victim);
      if (block === 0) {
        return ASK_AGAIN;
      }
      if (!this.expiries.isExpired(block)) {
        return block;
      }
      this.remove(block, 'expire');
    }
    return this.count === 0 ? 0 : ASK_AGAIN;
  }

  /** Removes every entry and says how many there were. */
  clear(): number {
    const entries = this.#map.entries;
    this.departures.noteAll();
    this.hits.clear();
    this.blocks.nextSequence();
    this.#map.clear();
    this.#arena.clear();
    this.#slots.clear();
    this.expiries.clear();
    this.#filter.clear();
    this.#popAt = 0;
    this.#columnBytes = 0;
    this.#payloadBytes = 0;
    this.tally.countRemoved('clear', entries);
    if (this.events.wanted !== 0 && entries > 0) this.events.announceClear(entries);
    // Last: it may be a user's, and throw.
    this.policy.clear();
    return entries;
  }

  /** Removes at most `budget` expired entries, and says how many. There may be more to remove while `expiries.isDue`. */
  sweep(budget: number): number {
    this.#memory.beat();
    this.events.heed();
    this.expiries.advance(budget);
    let removed = 0;
    while (removed < budget && this.#removeExpired()) {
      removed++;
    }
    this.expiries.rest();
    return removed;
  }

  /** Whether a key that is not there is one that the filter fails to rule out. */
  isFalsePositive(hashLow: number, hashHigh: number): boolean {
    return this.#ruling?.rulesOut(hashLow, hashHigh) === false;
  }

  /** Loads the memory that storing keys of the hashes `from` to `to` would need. The result means nothing. */
  warm(hashes: Int32Array, from: number, to: number): number {
    let warmed = this.#lookahead.overwrites(hashes, from, to);
    const { slots } = this.#lookahead;
    for (let i = from; i < to; i++) {
      // An overwrite sets no bits: looking for them as well took 1.1 of the time. Slot 0 passes for none.
      if (slots[i - from] === 0) warmed ^= this.#filter.touch(hashes[i] as number, 0);
    }
    if (this.tally.evicted === this.#evictedAtWarm) {
      return warmed;
    }
    this.#evictedAtWarm = this.tally.evicted;
    return warmed ^ this.#lookahead.victims();
  }

  gauges(): Gauges {
    this.expiries.advance(GAUGE_TIMERS);
    return {
      entries: this.count,
      validEntries: this.validCount,
      bytes: this.bytes,
      payloadBytes: this.#payloadBytes,
      clients: this.hits.clients.size,
    };
  }

  /** Throws on the first broken invariant. For tests and fuzzers. */
  check(): void {
    this.#map.check();
    this.#arena.check();
    this.expiries.check();
    this.#filter.check();
    this.policy.check?.();
    let payload = 0;
    let timers = 0;
    let bytes = 0;
    let columns = 0;
    for (let slot = 0; slot < this.#slots.used; slot++) {
      const block = this.#slots.blockOf(slot);
      if (block !== 0) {
        payload += this.blocks.payloadOf(block);
        timers += this.expiries.isTimed(block) ? 1 : 0;
        bytes += this.#arena.bytesOf(block);
        columns += this.blocks.columnsOf(block);
      }
    }
    const { bytesMax, entriesMax } = this.#limits;
    assert(this.bytes <= bytesMax, `${this.bytes} bytes, at most ${bytesMax}`);
    assert(this.count <= entriesMax, `${this.count} entries, at most ${entriesMax}`);
    assert(payload === this.#payloadBytes, `${payload} bytes of payload, ${this.#payloadBytes} counted`);
    assert(columns === this.#columnBytes, `${columns} bytes of columns, ${this.#columnBytes} counted`);
    assert(timers === this.expiries.timers, `${timers} entries expire, the wheel has ${this.expiries.timers}`);
    assert(bytes === this.#arena.liveBytes, `${bytes} bytes in live slots, ${this.#arena.liveBytes} in the arena`);
  }

  /** Accounts for the entries of a dead owner. */
  #takeOver(blocks: Int32Array): void {
    for (const block of blocks) {
      this.#account(block, 1);
      this.expiries.schedule(block);
    }
  }

  /** Whoever the policy does not take leaves, as if it had been evicted; but no client is here yet that could be told. */
  #introduce(slots: Int32Array): void {
    const hashOf = (slot: number) => this.blocks.hashLowOf(this.#slots.blockOf(slot));
    introduce(this.policy, slots, hashOf, (slot) => {
      this.#release(this.#slots.blockOf(slot), slot);
      this.tally.countRemoved('evict');
    });
    this.tally.rise(this.count, this.validCount);
  }

  /** Publishes a new entry. One that the policy refuses leaves at once, as if it had been evicted. */
  #insert(block: number, slot: number, standing: number | undefined): void {
    const hash = this.blocks.hashLowOf(block);
    this.#memory.touched[slot] = 0;
    const hashHigh = this.blocks.hashHighOf(block);
    this.expiries.marks.take(hash, hashHigh);
    this.#account(block, 1);
    // Before anybody can see the entry: whoever has seen it must not be told by the filter that it is not there.
    this.#filter.add(hash, hashHigh);
    this.#map.link(block);
    this.expiries.schedule(block);
    let admitted = false;
    try {
      admitted =
        standing === undefined || this.policy.restore === undefined
          ? this.policy.add(slot, hash)
          : this.policy.restore(slot, hash, standing);
      if (!admitted) {
        this.tally.countRemoved('evict');
        if (this.events.wanted !== 0) this.events.announce(block, 'evict');
      }
    } finally {
      if (!admitted) {
        this.#release(block, slot);
      }
    }
    this.tally.rise(this.count, this.validCount);
  }

  /**
   * Publishes an entry in the place of one with the same key, whose slot it takes over: so the policy has nothing to link anew,
   * and an overwrite at 1 M entries of as3-fifo takes 0.81 of the time that it takes with a slot of its own.
   */
  #replace(old: number, block: number, slot: number): void {
    this.#account(old, -1);
    this.#account(block, 1);
    this.expiries.deschedule(old);
    const hash = this.blocks.hashLowOf(block);
    const hashHigh = this.blocks.hashHighOf(block);
    if (hashHigh !== this.blocks.hashHighOf(old)) {
      // No client hashes a key in two ways, but a damaged frame may.
      this.#filter.removed(hash, this.blocks.hashHighOf(old));
      this.#filter.add(hash, hashHigh);
    }
    this.#map.replace(old, block);
    this.expiries.schedule(block);
    this.#arena.free(old);
    this.policy.update(slot, slot);
  }

  #overwritten(block: number): void {
    const slot = this.blocks.slotOf(block);
    this.policy.update(slot, slot);
  }

  #release(block: number, slot: number, cause: RemovalCause = 'evict'): void {
    this.departures.leave(block, cause);
    this.blocks.nextSequence();
    this.#account(block, -1);
    this.expiries.deschedule(block);
    this.#map.unlink(block);
    // After: whoever is told by the filter that a key is gone must not be followed by somebody who still finds it.
    this.#filter.removed(this.blocks.hashLowOf(block), this.blocks.hashHighOf(block));
    this.#arena.free(block);
    this.#slots.give(slot);
  }

  /** A block for an entry of `length` words, with room for it in every limit; 0 when nobody gives up enough. */
  #makeRoom(length: number, columns: number, previous: number): number {
    const arena = this.#arena;
    const { bytesMax, entriesMax } = this.#limits;
    const need = Arena.bytesFor(length);
    for (;;) {
      const old = this.#slots.blockOf(previous);
      const freed = old === 0 ? 0 : arena.bytesOf(old);
      const freedColumns = old === 0 ? 0 : this.blocks.columnsOf(old);
      const fits =
        arena.liveBytes + need - freed <= arena.bytesMax &&
        this.bytes + need + columns - freed - freedColumns <= bytesMax &&
        (old !== 0 || this.count < entriesMax);
      const block = fits ? arena.allocate(length) : 0;
      if (block !== 0) {
        return block;
      }
      if (!this.#giveUpOne()) {
        return 0;
      }
    }
  }

  /** Removes one entry: an expired one if there is any, else a victim. False when the policy names none. */
  #giveUpOne(): boolean {
    if (this.expiries.timers > 0) {
      this.expiries.advance(EVICTION_TIMERS);
      if (this.#removeExpired()) {
        return true;
      }
    }
    const victim = this.#victim();
    if (victim === NO_SLOT) {
      return false;
    }
    const block = this.#slots.blockOf(victim);
    this.remove(block, this.expiries.isExpired(block) ? 'expire' : 'evict');
    return true;
  }

  /** False when none is known to have expired. */
  #removeExpired(): boolean {
    const block = this.expiries.next();
    if (block === 0) {
      return false;
    }
    this.remove(block, 'expire');
    return true;
  }

  #guard(policy: EvictionPolicy, onFault: (fault: PolicyFault) => void): EvictionPolicy {
    return new GuardedPolicy(
      policy,
      (slot) => this.#slots.isLive(slot),
      (fault) => {
        this.tally.countPolicyFault();
        onFault(fault);
      },
    );
  }

  #contextFor(seed: number): PolicyContext {
    const entries = this;
    const { entriesMax, bytesMax } = this.#limits;
    return {
      slots: this.#memory.slots.length,
      entriesMax,
      // Blocks leave room in the arena that none of them can use, columns are not in it.
      get bytesMax() {
        return Math.min(bytesMax, entries.#arena.bytesMax + entries.#columnBytes);
      },
      touched: this.#memory.touched,
      seed,
      keyOf: (slot) => this.blocks.keyOf(this.#blockOf(slot)),
      hashOf: (slot) => this.blocks.hashLowOf(this.#blockOf(slot)),
      weightOf: (slot) => this.weightOf(this.#blockOf(slot)),
    };
  }

  #createFilter({ type, falsePositiveRate }: Exclude<ShardSpec['filter'], false>): MembershipFilter {
    const { filter: words, slots } = this.#memory;
    return filters[type]({
      words,
      slots: slots.length,
      falsePositiveRate,
      source: new LiveHashes(this.blocks, this.#slots),
    });
  }

  #victim(): number {
    const victim = this.policy.victim();
    if (victim !== NO_SLOT && !this.#slots.isLive(victim)) {
      throw new PolicyFault(`The eviction policy named slot ${victim} as victim, which holds no entry`);
    }
    return victim;
  }

  /** Some block, where the policy names none: the next one in the order of slots. 0 when it is not among so many. */
  #anyone(): number {
    for (let looked = 0; looked < POP_SLOTS_MAX; looked++) {
      this.#popAt = this.#popAt + 1 < this.#slots.used ? this.#popAt + 1 : 0;
      const block = this.#slots.blockOf(this.#popAt);
      if (block !== 0) {
        return block;
      }
    }
    return 0;
  }

  #account(block: number, sign: 1 | -1): void {
    this.#payloadBytes += sign * this.blocks.payloadOf(block);
    this.#columnBytes += sign * this.blocks.columnsOf(block);
  }

  /** For the policy, which may ask for entries that live or are leaving in this very call. */
  #blockOf(slot: number): number {
    if (!this.#slots.isLive(slot)) {
      throw new RangeError(`slot ${slot} holds no entry that could be asked about`);
    }
    return this.#slots.blockOf(slot);
  }

  #tooLarge(source: EntrySource, columns: number): ErrorRecord {
    const bytes = source.keyBytes + source.valueBytes;
    const bytesMax = Math.min(this.#arena.bytesMax, this.#limits.bytesMax - columns);
    return {
      code: 'VALUE_TOO_LARGE',
      message:
        `A key and value of ${bytes} bytes do not fit a shard that holds at most ${bytesMax} in one entry. ` +
        'Raise `maxBytes`, use fewer `shards`, or store less',
    };
  }

  #full(): ErrorRecord {
    return {
      code: 'CACHE_FULL',
      message:
        `The shard is full: ${this.count} entries in ${this.bytes} bytes leave no room for this one, and the eviction ` +
        "policy gives none of them up ('none' never does). Delete entries, raise `maxEntries` or `maxBytes`, or choose " +
        'another `eviction`',
    };
  }
}

function assert(holds: boolean, message: string): void {
  if (!holds) {
    throw new Error(`entries: ${message}`);
  }
}
