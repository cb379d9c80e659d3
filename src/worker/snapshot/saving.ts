/**
 * One save of one shard: its entries on their way into the file, a slice at a time, while the shard goes on answering.
 *
 *     begin    the policy's order is copied, and from now on the slots know which entries came later (slots.ts)
 *     slice    so many slots of that order: what is alive in them is copied into a block, and full blocks are written where the
 *              cursor of all owners stands
 *     end      what the order has not named, in the order of slots: an entry that had to leave its slot for its own overwrite,
 *              and has another one now
 *
 * An entry has the value that it has when the turn of its slot comes. So a snapshot is not of one instant: of two keys that were
 * written one after the other it may have the new value of either and the old one of the other. It has every key that was there
 * from begin to end, none twice, and none that came later.
 */
import type { Clock } from '../../protocol/clock.ts';
import { type Files, writeWhole } from '../../protocol/files.ts';
import {
  BLOCK_META,
  BLOCK_VALUE_LENGTH,
  headWords,
  META_ENCODING_SHIFT,
  META_EXPIRES,
  META_TAG_SHIFT,
  type ShardMemory,
  wordsFor,
} from '../../protocol/memory.ts';
import type { SlotOrder } from '../../protocol/policy.ts';
import { BlockWriter, expiryFlags, wordsOf } from '../../protocol/snapshot/block.ts';
import { parseHeader } from '../../protocol/snapshot/ends.ts';
import { diskError } from '../../protocol/snapshot/faults.ts';
import { HEADER_BYTES } from '../../protocol/snapshot/file.ts';
import type { BlockPlace, SaveTask } from '../../protocol/snapshot/tasks.ts';
import type { Entries } from '../entries.ts';
import { PolicyFault } from '../guarded-policy.ts';
import { NO_SLOT } from '../slots.ts';
import { Survivors } from '../survivors.ts';

/** Slots that one slice looks at, at most: 0.3 ms where they hold small entries. */
export const SLICE_SLOTS = 2_048;
/** Bytes that it copies, checks and writes, at most, but for one entry: 0.5 ms. */
export const SLICE_BYTES = 512 * 1024;
/** Slots whose blocks are loaded before any of them is copied, so that no load waits for another. */
const AT_ONCE = 64;
/** Slots of the order that are looked at for those: where a shard was cleared, most are empty. */
const LOOKS_MAX = 512;
/**
 * A shard is written in so many blocks at least, unless they were very short: a load mixes the blocks of all shards by how cold they
 * are, and within one it keeps their order.
 */
const BLOCKS_MIN = 16;
const SHORT_BLOCK_BYTES = 2 * 1024;
/** An int32 loop copies faster than `set(subarray)` up to here. */
const LOOP_WORDS_MAX = 40;

const DOING = 'write a shard of the snapshot';
const VALUE_META = (7 << META_ENCODING_SHIFT) | (0xff << META_TAG_SHIFT) | 0xffff;

export interface SavingSetup {
  readonly entries: Entries;
  readonly memory: ShardMemory;
  readonly clock: Clock;
  readonly files: Files;
  readonly task: SaveTask;
}

export class Saving {
  readonly #setup: SavingSetup;
  readonly #cursor: BigInt64Array;
  readonly #fd: number;
  readonly #block: BlockWriter;
  /** How long a block is before the next begins. */
  readonly #blockBytes: number;
  readonly #order: SlotOrder;
  readonly #places: BlockPlace[] = [];
  readonly #slots = new Int32Array(AT_ONCE);
  readonly #standings = new Float64Array(AT_ONCE);
  /** Slots that were gathered, and how many of them are done. */
  #gathered = 0;
  #at = 0;
  #isOpen = true;
  #isOrderOver = false;
  #isOver = false;
  /** Where loads leave what they found, so that no compiler may leave them out. */
  warmed = 0;

  /** Opens the file, and begins. Throws CACHE_SAVE_ERROR. */
  constructor(setup: SavingSetup) {
    const { entries, memory, files, task } = setup;
    this.#setup = setup;
    this.#cursor = new BigInt64Array(task.cursor);
    this.#blockBytes = Math.max(SHORT_BLOCK_BYTES, entries.bytes / BLOCKS_MIN);
    try {
      this.#fd = files.openSync(task.path, 'r+');
    } catch (cause) {
      throw diskError('CACHE_SAVE_ERROR', DOING, task.path, cause);
    }
    try {
      this.#block = new BlockWriter(this.#readId());
      // What readers have told belongs to the order, too.
      entries.hits.drain();
      this.#order = orderOf(entries, memory);
    } catch (cause) {
      this.#abandon();
      throw diskError('CACHE_SAVE_ERROR', DOING, task.path, cause);
    }
    entries.slots.beginSave();
  }

  /** In the order in which they were written. */
  get blocks(): readonly BlockPlace[] {
    return this.#places;
  }

  /** Writes a slice. False when all is written. When that, or CACHE_SAVE_ERROR, has come, the save has ended. */
  step(): boolean {
    try {
      if (this.#writeSlice()) {
        return true;
      }
      this.#end();
      return false;
    } catch (cause) {
      this.#abandon();
      throw diskError('CACHE_SAVE_ERROR', DOING, this.#setup.task.path, cause);
    }
  }

  #writeSlice(): boolean {
    this.#setup.memory.beat();
    const nowMs = this.#setup.clock.now();
    let bytes = 0;
    for (let looked = 0; looked < SLICE_SLOTS && bytes < SLICE_BYTES; looked += AT_ONCE) {
      if (this.#at === this.#gathered) {
        this.#gather();
      }
      bytes += this.#copy(SLICE_BYTES - bytes, nowMs);
      if (this.#isOver && this.#at === this.#gathered) {
        this.#flush();
        return false;
      }
    }
    return true;
  }

  #end(): void {
    this.#isOpen = false;
    this.#setup.entries.slots.endSave();
    this.#setup.files.closeSync(this.#fd);
  }

  #abandon(): void {
    if (!this.#isOpen) {
      return;
    }
    try {
      this.#end();
    } catch {
      // There is another error on its way, which is the one to tell.
    }
  }

  #readId(): Buffer {
    const header = Buffer.alloc(HEADER_BYTES);
    const read = this.#setup.files.readSync(this.#fd, header, 0, HEADER_BYTES, 0);
    return parseHeader(header.subarray(0, read), this.#setup.task.path);
  }

  /** The next slots that are to be written, and what is said of them. */
  #gather(): void {
    const { slots } = this.#setup.entries;
    let count = 0;
    for (let looks = 0; looks < LOOKS_MAX && count < AT_ONCE && !this.#isOver; looks++) {
      const slot = this.#next();
      if (slots.isLive(slot) && !slots.isPassed(slot)) {
        this.#slots[count] = slot;
        this.#standings[count++] = this.#isOrderOver ? 0 : this.#order.standing;
      }
    }
    this.#gathered = count;
    this.#at = 0;
    for (let i = 0; i < count; i++) {
      this.warmed ^= this.#setup.memory.words[slots.blockOf(this.#slots[i] as number) + BLOCK_META] as number;
    }
  }

  #next(): number {
    let slot = this.#isOrderOver ? NO_SLOT : this.#order.next();
    if (slot === NO_SLOT) {
      this.#isOrderOver = true;
      slot = this.#setup.entries.slots.nextLeft();
      this.#isOver = slot === NO_SLOT;
    }
    return slot;
  }

  /** Copies entries that were gathered until so many bytes are passed, and says how many they took. */
  #copy(bytesMax: number, nowMs: number): number {
    const { slots } = this.#setup.entries;
    let bytes = 0;
    while (this.#at < this.#gathered && bytes < bytesMax) {
      const slot = this.#slots[this.#at] as number;
      const standing = this.#standings[this.#at++] as number;
      // Where a slice has ended in between, another entry may be in it.
      if (slots.isLive(slot) && !slots.isPassed(slot)) {
        slots.pass(slot);
        bytes += this.#add(slots.blockOf(slot), standing, nowMs);
      }
    }
    return bytes;
  }

  #add(block: number, standing: number, nowMs: number): number {
    const { blocks } = this.#setup.entries;
    const { words } = this.#setup.memory;
    const meta = words[block + BLOCK_META] as number;
    let deadlineMs = Number.POSITIVE_INFINITY;
    let slideMs = 0;
    let graceMs = 0;
    if ((meta & META_EXPIRES) !== 0) {
      const atMs = blocks.expiresAt(block);
      graceMs = blocks.graceOf(block);
      if (atMs + graceMs <= nowMs) {
        return 0;
      }
      slideMs = blocks.slideOf(block);
      deadlineMs = atMs + this.#setup.task.wallOriginMs;
    }
    const valueBytes = (words[block + BLOCK_VALUE_LENGTH] as number) >>> 0;
    const payload = wordsFor(meta & 0xffff) + wordsOf(valueBytes);
    if (!this.#block.hasRoom(payload) || this.#block.bytes >= this.#blockBytes) {
      this.#flush();
    }
    const flags = expiryFlags(deadlineMs, slideMs, graceMs);
    const head = { meta: (meta & VALUE_META) | flags, valueBytes, standing, deadlineMs, slideMs, graceMs };
    const at = this.#block.add(head);
    const to = this.#block.words;
    const from = block + headWords(meta);
    if (payload <= LOOP_WORDS_MAX) {
      for (let i = 0; i < payload; i++) {
        to[at + i] = words[from + i] as number;
      }
    } else {
      to.set(words.subarray(from, from + payload), at);
    }
    const rest = valueBytes & 3;
    if (rest !== 0) {
      // Behind a value lies whatever its frame had there.
      (to[at + payload - 1] as number) &= (1 << (rest * 8)) - 1;
    }
    return payload * 4;
  }

  #flush(): void {
    if (this.#block.entries === 0) {
      return;
    }
    const { bytes, entries, checksum } = this.#block.seal();
    const offset = Number(Atomics.add(this.#cursor, 0, BigInt(bytes.length)));
    writeWhole(this.#setup.files, this.#fd, bytes, offset);
    this.#places.push({ offset, bytes: bytes.length, entries, checksum });
  }
}

/** The policy's own order; without one, or when it fails, that in which entries were written: 50 ms for a million of them. */
function orderOf(entries: Entries, memory: ShardMemory): SlotOrder {
  try {
    const order = entries.policy.order?.(entries.slots.used);
    if (order !== undefined) {
      return order;
    }
  } catch (error) {
    if (!(error instanceof PolicyFault)) throw error;
  }
  const slots = new Survivors(memory).slotsByAge();
  let at = 0;
  return { standing: 0, next: () => (at < slots.length ? (slots[at++] as number) : NO_SLOT) };
}
