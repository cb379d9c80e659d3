/**
 * One shard: the order in which map, arena and policy are consulted, and the one door by which entries leave.
 *
 * The shard is the only writer of its memory. It applies one call at a time, so every call is atomic. What it promises
 * after each of them: entries and accounted bytes are within their limits, and whatever it answers is already visible
 * to every reader.
 */
import type { ClientCounts, ClientMemory } from '../protocol/client.ts';
import type { Clock } from '../protocol/clock.ts';
import type { ErrorRecord } from '../protocol/errors.ts';
import type { FrameReader } from '../protocol/frame.ts';
import { decodeKey } from '../protocol/key.ts';
import {
  BLOCK_EXPIRES_AT,
  BLOCK_HASH,
  BLOCK_META,
  BLOCK_SEQ_HIGH,
  BLOCK_SEQ_LOW,
  BLOCK_SLOT,
  BLOCK_VALUE_LENGTH,
  BLOCK_WORDS,
  ENTRY_COLUMN_BYTES,
  EXPIRY_WORDS,
  HEADER_SEQ_HIGH,
  HEADER_SEQ_LOW,
  headWords,
  META_ENCODING_SHIFT,
  META_EXPIRES,
  META_TAG_SHIFT,
  SEQ_HIGH_MASK,
  type ShardLimits,
  type ShardMemory,
  TOUCHED_MAX,
  wordsFor,
} from '../protocol/memory.ts';
import type { ShardCounts } from '../protocol/operations.ts';
import { Arena, type Moves } from './arena.ts';
import type { EvictionPolicy, PolicyFactory, RemovalCause } from './eviction/index.ts';
import { ShardMap } from './map.ts';

const NO_SLOT = -1;
/** An int32 loop copies faster than `set(subarray)` up to here. */
const LOOP_BYTES_MAX = 160;

/** A policy broke its contract. The call that met it is answered with POLICY_ERROR; the shard lives on. */
export class PolicyFault extends Error {}

export class Shard {
  readonly #limits: ShardLimits;
  readonly #memory: ShardMemory;
  readonly #clock: Clock;
  readonly #map: ShardMap;
  readonly #arena: Arena;
  readonly #policy: EvictionPolicy;
  readonly #blockBytesMax: number;
  readonly #clients = new Set<ClientMemory>();
  /** Counts of clients that are gone, and of reads that came by frame. */
  readonly #read: ClientCounts = { hits: 0, misses: 0, droppedTouches: 0 };
  readonly #removed: Record<RemovalCause, number> = { evict: 0, expire: 0, delete: 0, clear: 0 };
  #sets = 0;
  #payloadBytes = 0;
  /** Entries that have an expiry: while there are none, nothing is swept. */
  #expiring = 0;
  #sweepAt = 0;
  #freeSlot = NO_SLOT;
  #slotsUsed = 0;
  #seqLow = 0;
  #seqHigh = 0;

  constructor(limits: ShardLimits, memory: ShardMemory, createPolicy: PolicyFactory, clock: Clock) {
    this.#limits = limits;
    this.#memory = memory;
    this.#clock = clock;
    this.#map = new ShardMap(memory);
    this.#arena = new Arena(memory.words, (from, to, length) => this.#map.relocate(from, to, length));
    this.#blockBytesMax = Math.min(this.#arena.bytesMax, limits.bytesMax - ENTRY_COLUMN_BYTES);
    this.#policy = createPolicy({
      slots: memory.slots.length,
      entriesMax: limits.entriesMax,
      touched: memory.touched,
      keyOf: (slot) => this.#keyOf(slot),
    });
  }

  get policy(): EvictionPolicy {
    return this.#policy;
  }

  get entries(): number {
    return this.#map.entries;
  }

  /** Bytes of live blocks and columns. */
  get bytes(): number {
    return this.#arena.liveBytes + this.#map.entries * ENTRY_COLUMN_BYTES;
  }

  /** What the arena has moved since birth to make room. */
  get moved(): Readonly<Moves> {
    return this.#arena.moved;
  }

  connect(client: ClientMemory): void {
    this.#clients.add(client);
  }

  disconnect(client: ClientMemory): void {
    if (this.#clients.delete(client)) {
      client.drain(this.#onHit);
      client.addCounts(this.#read);
    }
  }

  /** The block of the record's key, 0 for a miss. Counts and tells the policy, as a reader's get does. */
  get(record: FrameReader): number {
    const block = this.peek(record);
    if (block === 0) {
      this.#read.misses++;
      return 0;
    }
    this.#read.hits++;
    const slot = this.#memory.words[block + BLOCK_SLOT] as number;
    if (this.#policy.hits === 'ring') {
      this.drainHits();
      this.#policy.hit(slot);
    } else if (this.#policy.hits === 'byte') {
      const { touched } = this.#memory;
      touched[slot] = Math.min(TOUCHED_MAX, (touched[slot] as number) + 1);
    }
    return block;
  }

  /** As `get`, but neither the counters nor the policy notice. */
  peek(record: FrameReader): number {
    const block = this.#map.find(record, keyMeta(record));
    return block !== 0 && this.#isExpired(block) ? 0 : block;
  }

  tagOf(block: number): number {
    return ((this.#memory.words[block + BLOCK_META] as number) >>> META_TAG_SHIFT) & 0xff;
  }

  /** The value's bytes, in the arena: good until the next write. */
  valueOf(block: number): Uint8Array {
    const { words, bytes } = this.#memory;
    const meta = words[block + BLOCK_META] as number;
    const start = (block + headWords(meta) + wordsFor(meta & 0xffff)) * 4;
    return bytes.subarray(start, start + ((words[block + BLOCK_VALUE_LENGTH] as number) >>> 0));
  }

  /** Stores the record's value. Evicts what it must, but nothing for a value that could never fit. */
  set(record: FrameReader): ErrorRecord | undefined {
    const expires = record.ttlMs > 0;
    const length =
      BLOCK_WORDS + (expires ? EXPIRY_WORDS : 0) + wordsFor(record.keyBytes) + Math.ceil(record.valueBytes / 4);
    if (Arena.bytesFor(length) > this.#blockBytesMax) {
      return this.#tooLarge(record);
    }
    this.drainHits();
    const old = this.#findForWrite(record);
    const previous = old === 0 ? NO_SLOT : (this.#memory.words[old + BLOCK_SLOT] as number);
    const block = this.#makeRoom(length, previous);
    const slot = this.#takeSlot();
    this.#write(block, slot, record, expires);
    // Making room may have evicted the old entry, or moved it.
    const { slots, touched } = this.#memory;
    const replaced = previous === NO_SLOT ? 0 : Math.max(0, slots[previous] as number);
    this.#sets++;
    if (replaced !== 0) {
      touched[slot] = touched[previous] as number;
      this.#uncount(replaced);
      this.#count(block);
      this.#map.replace(replaced, block);
      this.#arena.free(replaced);
      this.#giveSlot(previous);
      this.#policy.update(slot, previous);
      return undefined;
    }
    touched[slot] = 0;
    if (!this.#policy.add(slot, record.hashLow)) {
      this.#arena.free(block);
      this.#giveSlot(slot);
      return undefined;
    }
    this.#count(block);
    this.#map.link(block);
    return undefined;
  }

  delete(record: FrameReader): boolean {
    this.drainHits();
    const block = this.#findForWrite(record);
    if (block === 0) {
      return false;
    }
    this.#remove(this.#memory.words[block + BLOCK_SLOT] as number, 'delete');
    return true;
  }

  /** Removes every entry and says how many there were. */
  clear(): number {
    const entries = this.#map.entries;
    for (const client of this.#clients) {
      client.drain(() => {});
    }
    this.#nextSequence();
    this.#map.clear();
    this.#arena.clear();
    this.#policy.clear();
    this.#memory.slots.fill(0, 0, this.#slotsUsed);
    this.#freeSlot = NO_SLOT;
    this.#slotsUsed = 0;
    this.#sweepAt = 0;
    this.#expiring = 0;
    this.#payloadBytes = 0;
    this.#removed.clear += entries;
    return entries;
  }

  /** Removes expired entries among the next `budget` slots. */
  sweep(budget: number): void {
    const { slots } = this.#memory;
    const nowMs = this.#clock.now();
    const steps = this.#expiring === 0 ? 0 : Math.min(budget, this.#slotsUsed);
    for (let i = 0; i < steps; i++) {
      this.#sweepAt = this.#sweepAt + 1 < this.#slotsUsed ? this.#sweepAt + 1 : 0;
      const block = slots[this.#sweepAt] as number;
      if (block > 0 && this.#expiresAt(block) <= nowMs) {
        this.#remove(this.#sweepAt, 'expire');
      }
    }
  }

  /** Hands the readers' hits to the policy, in order. */
  drainHits(): void {
    if (this.#policy.hits === 'ring') {
      for (const client of this.#clients) {
        client.drain(this.#onHit);
      }
    }
  }

  counts(): ShardCounts {
    const read = { ...this.#read };
    for (const client of this.#clients) {
      client.addCounts(read);
    }
    return {
      hits: read.hits,
      misses: read.misses,
      droppedTouches: read.droppedTouches,
      sets: this.#sets,
      deletes: this.#removed.delete + this.#removed.clear,
      evictions: this.#removed.evict,
      expirations: this.#removed.expire,
      entries: this.#map.entries,
      bytes: this.bytes,
      payloadBytes: this.#payloadBytes,
      frames: 0,
      calls: 0,
    };
  }

  /** Throws on the first broken invariant. For tests and fuzzers. */
  check(): void {
    this.#map.check();
    this.#arena.check();
    const { slots, words } = this.#memory;
    let payload = 0;
    let expiring = 0;
    let blocks = 0;
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      const block = slots[slot] as number;
      if (block > 0) {
        const meta = words[block + BLOCK_META] as number;
        payload += (meta & 0xffff) + ((words[block + BLOCK_VALUE_LENGTH] as number) >>> 0);
        expiring += (meta & META_EXPIRES) === 0 ? 0 : 1;
        blocks += this.#arena.bytesOf(block);
      }
    }
    assert(this.bytes <= this.#limits.bytesMax, `${this.bytes} bytes, at most ${this.#limits.bytesMax}`);
    assert(this.entries <= this.#limits.entriesMax, `${this.entries} entries, at most ${this.#limits.entriesMax}`);
    assert(payload === this.#payloadBytes, `${payload} bytes of payload, ${this.#payloadBytes} counted`);
    assert(expiring === this.#expiring, `${expiring} entries expire, ${this.#expiring} counted`);
    assert(blocks === this.#arena.liveBytes, `${blocks} bytes in live slots, ${this.#arena.liveBytes} in the arena`);
  }

  /** The one door out. */
  #remove(slot: number, cause: RemovalCause): void {
    const block = this.#memory.slots[slot] as number;
    this.#nextSequence();
    this.#uncount(block);
    this.#map.unlink(block);
    this.#arena.free(block);
    this.#giveSlot(slot);
    this.#policy.remove(slot, cause);
    this.#removed[cause]++;
  }

  /** A block for a new entry of `length` words, with room for it in every limit; evicts until there is. */
  #makeRoom(length: number, previous: number): number {
    const { slots } = this.#memory;
    const arena = this.#arena;
    const limits = this.#limits;
    const need = Arena.bytesFor(length);
    for (;;) {
      const old = previous === NO_SLOT ? 0 : (slots[previous] as number);
      const freed = old > 0 ? arena.bytesOf(old) : 0;
      const columns = old > 0 ? 0 : ENTRY_COLUMN_BYTES;
      const fits =
        arena.liveBytes + need - freed <= arena.bytesMax &&
        this.bytes + need - freed + columns <= limits.bytesMax &&
        (old > 0 || this.#map.entries < limits.entriesMax);
      const block = fits ? arena.allocate(length) : 0;
      if (block !== 0) {
        return block;
      }
      this.#evict();
    }
  }

  #evict(): void {
    const victim = this.#policy.victim();
    const { slots } = this.#memory;
    if (!(victim >= 0 && victim < slots.length && (slots[victim] as number) > 0)) {
      throw new PolicyFault(`The eviction policy named slot ${victim} as victim, which holds no entry`);
    }
    this.#remove(victim, 'evict');
  }

  #write(block: number, slot: number, record: FrameReader, expires: boolean): void {
    const { words, bytes, doubles } = this.#memory;
    this.#nextSequence();
    words[block + BLOCK_SLOT] = slot;
    words[block + BLOCK_HASH] = record.hashLow;
    words[block + BLOCK_META] = keyMeta(record) | (record.tag << META_TAG_SHIFT) | (expires ? META_EXPIRES : 0);
    words[block + BLOCK_VALUE_LENGTH] = record.valueBytes;
    words[block + BLOCK_SEQ_LOW] = this.#seqLow;
    words[block + BLOCK_SEQ_HIGH] = this.#seqHigh | (record.hashHigh << 21);
    let at = block + BLOCK_WORDS;
    if (expires) {
      doubles[at >> 1] = this.#clock.now() + record.ttlMs;
      at += EXPIRY_WORDS;
    }
    const keyWords = wordsFor(record.keyBytes);
    for (let i = 0; i < keyWords; i++) {
      words[at++] = record.keyWord(i);
    }
    if (record.valueBytes <= LOOP_BYTES_MAX) {
      const source = record.words;
      const end = record.valueAt + wordsFor(record.valueBytes);
      for (let from = record.valueAt; from < end; from++) {
        words[at++] = source[from] as number;
      }
    } else {
      bytes.set(record.value, at * 4);
    }
  }

  /** The live block of the record's key; an expired one leaves now. */
  #findForWrite(record: FrameReader): number {
    const block = this.#map.find(record, keyMeta(record));
    if (block !== 0 && this.#isExpired(block)) {
      this.#remove(this.#memory.words[block + BLOCK_SLOT] as number, 'expire');
      return 0;
    }
    return block;
  }

  #isExpired(block: number): boolean {
    return ((this.#memory.words[block + BLOCK_META] as number) & META_EXPIRES) !== 0
      ? this.#expiresAt(block) <= this.#clock.now()
      : false;
  }

  #expiresAt(block: number): number {
    return ((this.#memory.words[block + BLOCK_META] as number) & META_EXPIRES) === 0
      ? Number.POSITIVE_INFINITY
      : (this.#memory.doubles[(block + BLOCK_EXPIRES_AT) >> 1] as number);
  }

  #count(block: number): void {
    this.#tally(block, 1);
  }

  #uncount(block: number): void {
    this.#tally(block, -1);
  }

  #tally(block: number, sign: 1 | -1): void {
    const { words } = this.#memory;
    const meta = words[block + BLOCK_META] as number;
    this.#payloadBytes += sign * ((meta & 0xffff) + ((words[block + BLOCK_VALUE_LENGTH] as number) >>> 0));
    if ((meta & META_EXPIRES) !== 0) {
      this.#expiring += sign;
    }
  }

  #takeSlot(): number {
    const slot = this.#freeSlot;
    if (slot === NO_SLOT) {
      return this.#slotsUsed++;
    }
    this.#freeSlot = -(this.#memory.slots[slot] as number) - 2;
    return slot;
  }

  /** Free slots form a list through their own words: -(next + 2), which is -1 at its end. */
  #giveSlot(slot: number): void {
    this.#memory.slots[slot] = -(this.#freeSlot + 2);
    this.#freeSlot = slot;
  }

  #nextSequence(): void {
    this.#seqLow = (this.#seqLow + 1) | 0;
    if (this.#seqLow === 0) {
      this.#seqHigh = (this.#seqHigh + 1) & SEQ_HIGH_MASK;
    }
    this.#memory.header[HEADER_SEQ_LOW] = this.#seqLow;
    this.#memory.header[HEADER_SEQ_HIGH] = this.#seqHigh;
  }

  #keyOf(slot: number): string {
    const { slots, words, bytes } = this.#memory;
    const block = slots[slot] as number;
    if (!(block > 0)) {
      throw new PolicyFault(`The eviction policy asked for the key of slot ${slot}, which holds no entry`);
    }
    const meta = words[block + BLOCK_META] as number;
    const start = (block + headWords(meta)) * 4;
    return decodeKey(bytes.subarray(start, start + (meta & 0xffff)), (meta >>> META_ENCODING_SHIFT) & 7);
  }

  #tooLarge(record: FrameReader): ErrorRecord {
    const bytes = record.keyBytes + record.valueBytes;
    return {
      code: 'VALUE_TOO_LARGE',
      message:
        `A key and value of ${bytes} bytes do not fit a shard that holds at most ${this.#blockBytesMax} in one entry. ` +
        'Raise `maxBytes`, use fewer `shards`, or store less',
    };
  }

  readonly #onHit = (slot: number, seqLow: number): void => {
    const { slots, words } = this.#memory;
    const block = slots[slot] as number;
    if (block > 0 && words[block + BLOCK_SEQ_LOW] === seqLow) {
      this.#policy.hit(slot);
    }
  };
}

/** Key length and encoding of a record as they stand in a block's meta word. */
function keyMeta(record: FrameReader): number {
  return record.keyBytes | (record.encoding << META_ENCODING_SHIFT);
}

function assert(holds: boolean, message: string): void {
  if (!holds) {
    throw new Error(`shard: ${message}`);
  }
}
