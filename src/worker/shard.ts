/**
 * One shard: what clients may ask of it. It is the only writer of its memory and applies one call at a time, so every
 * call is atomic.
 *
 * Methods that find an entry return its block, 0 where there is none: good until the next call. Those that may fail return
 * what to answer. A get counts a hit or a miss; one that comes after a look into the memory, FLAG_COUNTED, has been
 * counted there.
 */
import type { ClientMemory } from '../protocol/client.ts';
import type { Clock } from '../protocol/clock.ts';
import type { ErrorRecord } from '../protocol/errors.ts';
import type { FrameReader } from '../protocol/frame.ts';
import type { ShardLimits, ShardMemory } from '../protocol/memory.ts';
import { FLAG_COUNTED, FLAG_KEEP_TTL, FLAG_SLIDING, type ShardCounts } from '../protocol/operations.ts';
import type { EvictionPolicy, PolicyFactory, RemovalCause } from '../protocol/policy.ts';
import { TAG_NUMBER } from '../protocol/value-tags.ts';
import { AdvisedEntries } from './advice/advised-entries.ts';
import { Advisor, type AdvisorSetup } from './advice/advisor.ts';
import type { Blocks, EntrySource, Expiry } from './blocks.ts';
import { Deadlines } from './deadlines.ts';
import { Entries, type EntriesSetup } from './entries.ts';
import type { SendBatch } from './events.ts';
import { type Asker, Leases } from './leases.ts';

/** Entries that one sweep removes at most: 1 to 2 ms, then whoever waits has his turn. */
export const SWEEP_ENTRIES_MAX = 2_048;

/** The answer to an add where there is a live entry. */
export const KEY_EXISTS: ErrorRecord = {
  code: 'KEY_EXISTS',
  message: 'The key has a value. Use `set` to overwrite it',
};

/** What has a say beside limits and policy; each has a default. */
export interface ShardExtras extends Omit<EntriesSetup, 'limits' | 'memory' | 'createPolicy' | 'clock'> {
  /** What `advise()` is made from. Without it nobody is followed. */
  readonly advise?: Pick<AdvisorSetup, 'sampleRate' | 'others'> | undefined;
}

export class Shard {
  readonly #clock: Clock;
  /** What it holds. */
  readonly contents: Entries;
  readonly #leases: Leases;
  /** Undefined for a cache that is not to give advice. */
  readonly advisor: Advisor | undefined;
  /** When what is written now expires. */
  readonly deadlines: Deadlines;

  constructor(
    limits: ShardLimits,
    memory: ShardMemory,
    createPolicy: PolicyFactory,
    clock: Clock,
    { advise, ...extras }: ShardExtras = {},
  ) {
    this.#clock = clock;
    this.contents = new Entries({ limits, memory, createPolicy, clock, ...extras });
    this.#leases = new Leases(this.contents.epoch);
    this.deadlines = new Deadlines(this.contents.blocks, clock);
    const isForeign = extras.onPolicyFault !== undefined;
    const setup = { limits, createPolicy, isForeign, seed: extras.seed ?? 0, clock };
    this.advisor = advise && new Advisor(new AdvisedEntries(this.contents), { ...setup, ...advise });
  }

  get policy(): EvictionPolicy {
    return this.contents.policy;
  }

  get blocks(): Blocks {
    return this.contents.blocks;
  }

  get entries(): number {
    return this.contents.count;
  }

  /** Bytes of live blocks and columns. */
  get bytes(): number {
    return this.contents.bytes;
  }

  /** When the next sweep has something to do; Infinity while nothing expires. */
  get sweepAtMs(): number {
    return this.contents.expiries.soonestMs;
  }

  /** `send` is the way to a client that may listen to events. */
  connect(client: ClientMemory, send?: SendBatch): void {
    this.contents.connect(client, send);
  }

  disconnect(client: ClientMemory): void {
    this.contents.disconnect(client);
  }

  /** Others have written to the key in the tier: what is being computed for it is not stored any more. */
  breakLease(source: Pick<EntrySource, 'hashLow' | 'hashHigh'>): void {
    this.#leases.break(source);
  }

  /** A client is gone, and computes nothing any more. */
  abandon(asker: Asker): void {
    this.#leases.abandon(asker);
  }

  /** The block of the record's key. Counts and tells the policy, as a reader's get does. */
  get(record: FrameReader): number {
    const block = this.touch(record);
    this.count(record, block);
    return block;
  }

  /** Counts a get that found this block in memory, 0 for none, unless its client has. */
  count({ flags, hashLow, hashHigh }: FrameReader, block: number): void {
    const { tally } = this.contents;
    if ((flags & FLAG_COUNTED) !== 0) {
      return;
    }
    this.advisor?.read(hashLow, hashHigh, block !== 0);
    if (block !== 0) {
      tally.read.hits++;
      return;
    }
    tally.read.misses++;
    if (this.contents.isFalsePositive(hashLow, hashHigh)) {
      tally.countFalsePositive();
    }
  }

  /** As `get`, but counts nothing. */
  touch(record: FrameReader): number {
    const block = this.peek(record);
    if (block !== 0) {
      this.contents.hits.use(block);
    }
    return block;
  }

  /** As `get`, but neither the counters nor the policy notice. */
  peek(record: FrameReader): number {
    const block = this.contents.find(record);
    return block !== 0 && this.contents.expiries.isExpired(block) ? 0 : block;
  }

  isExpired(block: number): boolean {
    return this.contents.expiries.isExpired(block);
  }

  /** Milliseconds that a live entry has left; Infinity for ever. */
  leftMs(block: number): number {
    const { blocks } = this.contents;
    return blocks.expires(block) ? blocks.expiresAt(block) - this.#clock.now() : Number.POSITIVE_INFINITY;
  }

  /** Whether a key that was not found has expired lately, and nobody has been told. */
  hasExpired(record: FrameReader): boolean {
    return this.contents.find(record) !== 0 || this.contents.expiries.marks.has(record.hashLow, record.hashHigh);
  }

  /** The error for a key that was not found: KEY_EXPIRED once after each expiry, and while it may still be served. */
  absent(record: FrameReader): ErrorRecord {
    const isStale = this.stale(record) !== 0;
    // An expired entry that still stands leaves, and its mark with it.
    if (!isStale) this.contents.claim(record);
    return isStale || this.contents.expiries.marks.take(record.hashLow, record.hashHigh)
      ? { code: 'KEY_EXPIRED', message: 'The key has expired' }
      : { code: 'KEY_NOT_FOUND', message: 'No entry has this key' };
  }

  set(record: FrameReader): ErrorRecord | undefined {
    return this.install(record, this.deadlines.askedBy(record));
  }

  /** Stores an entry, whatever was there; what is being computed for its key is not stored any more. */
  install(source: EntrySource, expiry: Expiry): ErrorRecord | undefined {
    this.#leases.break(source);
    return this.#put(source, expiry, this.contents.claim(source));
  }

  /** As `install`, of what a tier had, or a snapshot with what its policy said of it: nobody has set it. */
  promote(source: EntrySource, expiry: Expiry, standing?: number): ErrorRecord | undefined {
    this.#leases.break(source);
    return this.contents.put(source, expiry, this.contents.claim(source), standing);
  }

  /** As `set`, where there is no live entry. */
  add(record: FrameReader): ErrorRecord | undefined {
    if (this.contents.claim(record) !== 0) {
      return KEY_EXISTS;
    }
    this.#leases.break(record);
    return this.#put(record, this.deadlines.askedBy(record), 0);
  }

  /** As `set`, where there is a live entry. */
  update(record: FrameReader): ErrorRecord | undefined {
    const old = this.contents.live(record);
    if (old === 0) {
      return this.absent(record);
    }
    const keeps = (record.flags & FLAG_KEEP_TTL) !== 0;
    return this.#put(record, keeps ? this.deadlines.again(old) : this.deadlines.askedBy(record), old);
  }

  /** Adds to a number, or begins one. The sum, or false where the value is no number. */
  increment(record: FrameReader): number | false | ErrorRecord {
    const by = record.numberAt(0);
    const block = this.contents.claim(record);
    if (block === 0) {
      const sum = record.numberAt(1) + by;
      record.becomeNumber(sum, TAG_NUMBER);
      this.#leases.break(record);
      return this.#put(record, this.deadlines.askedBy(record), 0) ?? sum;
    }
    const { blocks } = this.contents;
    if (blocks.tagOf(block) !== TAG_NUMBER || blocks.valueLengthOf(block) !== 8) {
      return false;
    }
    const sum = blocks.numberOf(block) + by;
    this.contents.writeNumber(block, sum);
    this.contents.tally.countSet();
    this.advisor?.stored(record.hashLow, record.hashHigh);
    return sum;
  }

  /** Gives a live entry another ttl. One that slides goes on sliding, by the new ttl. */
  expire(record: FrameReader): ErrorRecord | undefined {
    const block = this.contents.live(record);
    if (block === 0) {
      return this.absent(record);
    }
    const expiry = this.deadlines.after(record.argument, this.blocks.slides(block));
    const error = this.contents.expire(block, expiry);
    if (error === undefined) this.advisor?.stored(record.hashLow, record.hashHigh);
    return error;
  }

  delete(record: FrameReader): boolean {
    this.#leases.break(record);
    const block = this.contents.claim(record);
    if (block === 0) {
      this.contents.departures.note(record.hashLow, record.hashHigh);
      // With more room it might have been there.
      this.advisor?.deleted(record.hashLow);
      return false;
    }
    this.remove(block, 'delete');
    return true;
  }

  /** The block of some live entry: the one that should leave next, where the policy knows. 0 or ASK_AGAIN for none. */
  first(): number {
    return this.contents.first();
  }

  remove(block: number, cause: RemovalCause): void {
    this.advisor?.deleted(this.contents.blocks.hashLowOf(block));
    this.contents.remove(block, cause);
  }

  /** Removes every entry and says how many there were. */
  clear(): number {
    this.#leases.clear();
    this.advisor?.cleared();
    return this.contents.clear();
  }

  /** Removes at most `budget` expired entries, and says how many. */
  sweep(budget = SWEEP_ENTRIES_MAX): number {
    return this.contents.sweep(budget);
  }

  /** Whether another sweep would find something to do now. */
  get isDue(): boolean {
    return this.contents.expiries.isDue;
  }

  /** The token of a lease on an absent key, or that of the one that is out times -1. */
  lease(record: FrameReader, asker: Asker): number {
    return this.#leases.grant(record, asker, this.#clock.now(), {
      leaseMs: record.numberAt(0),
      ttlMs: record.argument,
      slides: (record.flags & FLAG_SLIDING) !== 0,
      graceMs: record.numberAt(1),
    });
  }

  /** The block of an entry that has expired and may still be served, 0 where there is none. */
  stale(record: FrameReader): number {
    const block = this.contents.find(record);
    const { expiries } = this.contents;
    return block !== 0 && expiries.isExpired(block) && !expiries.isDead(block) ? block : 0;
  }

  /** What the holder of a lease has computed is there: its expiry, undefined when somebody has written to the key meanwhile. */
  redeem(record: FrameReader): Expiry | undefined {
    const terms = this.#leases.redeem(record, record.argument, record.tag, record.value);
    return terms && this.deadlines.after(terms.ttlMs, terms.slides, terms.graceMs);
  }

  /** Stores what the holder of a lease has computed. False when somebody has written to the key meanwhile. */
  fill(record: FrameReader): boolean | ErrorRecord {
    const expiry = this.redeem(record);
    if (expiry === undefined) {
      return false;
    }
    // What is made anew takes the place of what it was made for: to the policy it is an overwrite.
    this.contents.hits.drain();
    const stale = this.stale(record);
    return this.#put(record, expiry, stale === 0 ? this.contents.claim(record) : stale) ?? true;
  }

  /** Whether the lease still counted. */
  release(record: FrameReader, asker: Asker): boolean {
    return record.argument < 0
      ? this.#leases.releaseUnknown(record, asker)
      : this.#leases.release(record, record.argument, record.value);
  }

  /** A frame of so many calls came. */
  beginFrame(calls: number): void {
    this.contents.tally.countFrame(calls);
    this.contents.events.heed();
  }

  counts(): ShardCounts {
    return this.contents.tally.counts(this.contents.hits.clients, this.contents.gauges());
  }

  resetCounts(): void {
    this.advisor?.resetCounts();
    this.contents.tally.reset(this.contents.hits.clients, this.contents.gauges());
  }

  /** Throws on the first broken invariant. For tests and fuzzers. */
  check(): void {
    this.contents.check();
    this.advisor?.check();
  }

  #put(record: EntrySource, expiry: Expiry, old: number): ErrorRecord | undefined {
    const error = this.contents.put(record, expiry, old);
    if (error === undefined) {
      this.contents.tally.countSet();
      this.advisor?.stored(record.hashLow, record.hashHigh);
    }
    return error;
  }
}
