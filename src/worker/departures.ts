/**
 * Which keys somebody has removed while a snapshot is loaded: their entries in it are older, and stay away. While nothing is loaded
 * nothing is noted.
 *
 *     deleted, popped             noted, whether the key was there or is yet to come
 *     written since, then gone    noted, expired or evicted: what the snapshot has is older than what was written
 *     all cleared                 one word in the header: nothing more of this load is stored, by this owner or the next
 *
 * Keys are known by 43 bits of their hash. Where more are removed than may be noted, those that were first come back; and an owner that
 * dies takes its notes along.
 */
import {
  BLOCK_HASH,
  BLOCK_SEQ_HIGH,
  BLOCK_SEQ_LOW,
  HEADER_LOAD,
  HEADER_LOAD_CLEARED,
  SEQ_HIGH_BITS,
  type ShardMemory,
  sequenceOf,
} from '../protocol/memory.ts';
import type { RemovalCause } from '../protocol/policy.ts';

/** Keys that are noted in one load: 4 MB. */
export const DEPARTURES_MAX = 65_536;
/** The bits of a hash's high word that an entry keeps. */
const HIGH_MASK = 0x7ff;
const WORDS = 2 ** 32;

export class Departures {
  readonly #header: Int32Array;
  readonly #words: Int32Array;
  /** Undefined while nothing is loaded. */
  #noted: Set<number> | undefined;
  /** The write sequence when the load began. */
  #since = 0;

  constructor({ header, words }: ShardMemory) {
    this.#header = header;
    this.#words = words;
  }

  /** A load goes on that was begun at that number of the write sequence. */
  heed([low, high]: readonly [low: number, high: number]): void {
    this.#since = sequenceOf(low, high);
    this.#noted ??= new Set();
  }

  /** The load has ended, or another begins. */
  forget(): void {
    this.#noted = undefined;
  }

  /** An entry leaves. What nobody has deleted, and was there before, may come again. */
  leave(block: number, cause: RemovalCause): void {
    if (this.#noted !== undefined && (cause === 'delete' || this.isNewer(block))) {
      const words = this.#words;
      this.note(words[block + BLOCK_HASH] as number, (words[block + BLOCK_SEQ_HIGH] as number) >>> SEQ_HIGH_BITS);
    }
  }

  /** Whether an entry was written since the load began. */
  isNewer(block: number): boolean {
    const words = this.#words;
    return sequenceOf(words[block + BLOCK_SEQ_LOW] as number, words[block + BLOCK_SEQ_HIGH] as number) > this.#since;
  }

  /** A key that is removed, wherever its entry is. */
  note(hashLow: number, hashHigh: number): void {
    const noted = this.#noted;
    if (noted === undefined) {
      return;
    }
    if (noted.size >= DEPARTURES_MAX) {
      noted.delete(noted.values().next().value as number);
    }
    noted.add(idOf(hashLow, hashHigh));
  }

  noteAll(): void {
    this.#header[HEADER_LOAD_CLEARED] = this.#header[HEADER_LOAD] as number;
    this.#noted?.clear();
  }

  /** Whether an entry of the snapshot stays away. */
  has({ hashLow, hashHigh }: { readonly hashLow: number; readonly hashHigh: number }): boolean {
    const isCleared = this.#header[HEADER_LOAD_CLEARED] === this.#header[HEADER_LOAD];
    return isCleared || (this.#noted !== undefined && this.#noted.size > 0 && this.#noted.has(idOf(hashLow, hashHigh)));
  }
}

function idOf(hashLow: number, hashHigh: number): number {
  return (hashHigh & HIGH_MASK) * WORDS + (hashLow >>> 0);
}
