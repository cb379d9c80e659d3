/**
 * What left a shard, as its owner tells a client that listens: batches of events, in the order in which they happened.
 *
 *     words 0-7   for each kind, as float64: events that came before these and that this client was not told of
 *     words 8-    events
 *
 *                   +-----------------+------+----------+--------------------+
 *       a removal   | key length 0-15 | kind | encoding | key, padded with   |
 *                   |                 | 16-23|  24-26   | zeros to a word    |
 *                   +-----------------+------+----------+--------------------+
 *       a clear     |                 | kind |          | entries: one word  |
 *                   +-----------------+------+----------+--------------------+
 *
 * The head of a removal is the key's part of the meta word of its block, with the kind where the tag of the value was, so
 * a key is copied word by word and nothing is computed.
 */
import type { CacheKey } from './cache-key.ts';
import { CacheError } from './errors.ts';
import { decodeKey } from './key.ts';
import { KEY_BYTES_MAX, META_ENCODING_SHIFT, META_TAG_SHIFT, wordsFor } from './memory.ts';
import type { RemovalCause } from './policy.ts';

/** Kinds of events by number, which is also the bit by which a client says that it wants them. */
export const KINDS = { evict: 0, expire: 1, delete: 2, clear: 3 } as const satisfies Record<RemovalCause, number>;
export type EventKind = keyof typeof KINDS;

/** Events of a batch at most. */
export const BATCH_EVENTS_MAX = 1_024;
const KINDS_COUNT = Object.keys(KINDS).length;
const HEAD_WORDS = KINDS_COUNT * 2;
/** 64 KiB, and some words: the longest key fits an empty batch. */
const BATCH_WORDS = HEAD_WORDS + 1 + wordsFor(KEY_BYTES_MAX);
export const BATCH_BYTES_MAX = BATCH_WORDS * 4;

/** A batch on its way: beside the messages of Comlink, in the same port. */
export interface EventMessage {
  readonly events: Uint8Array;
}

/** Tells a batch from all else that comes from a shard. */
export function isEventMessage(message: unknown): message is EventMessage {
  return typeof message === 'object' && message !== null && (message as Partial<EventMessage>).events !== undefined;
}

/** Events that wait for one client. Bounded: what finds no room is to be sealed first, or given up and counted. */
export class EventBatchWriter {
  readonly #words = new Int32Array(BATCH_WORDS);
  /** Given up before the first event of this batch; and since, which is for the next. */
  readonly #dropped = new Float64Array(this.#words.buffer, 0, KINDS_COUNT);
  readonly #droppedSince = new Float64Array(KINDS_COUNT);
  #length = HEAD_WORDS;
  #events = 0;
  /** When one of them was dropped, others that would fit must not get before it. */
  #isClosed = false;

  /** Whether there is nothing to tell, not even that something could not be. */
  get isEmpty(): boolean {
    return this.#events === 0 && this.#dropped.every((events) => events === 0);
  }

  /** `keyMeta` is the key's part of a meta word, and the key is at word `at` of `from`. False when there is no room. */
  addRemoval(kind: number, keyMeta: number, from: Int32Array, at: number): boolean {
    const words = this.#words;
    const length = wordsFor(keyMeta & KEY_BYTES_MAX);
    if (!this.#admits(1 + length)) {
      return false;
    }
    let to = this.#length;
    words[to++] = keyMeta | (kind << META_TAG_SHIFT);
    for (let i = 0; i < length; i++) {
      words[to++] = from[at + i] as number;
    }
    this.#length = to;
    this.#events++;
    return true;
  }

  /** So many entries left at once. False when there is no room. */
  addClear(entries: number): boolean {
    if (!this.#admits(2)) {
      return false;
    }
    this.#words[this.#length++] = KINDS.clear << META_TAG_SHIFT;
    this.#words[this.#length++] = entries;
    this.#events++;
    return true;
  }

  /** An event has been given up. */
  drop(kind: number): void {
    this.#isClosed = this.#events > 0;
    const dropped = this.#isClosed ? this.#droppedSince : this.#dropped;
    (dropped[kind] as number)++;
  }

  /** A copy of what waited, of exactly its size, and an empty writer; but what was given up last still waits. */
  seal(): Uint8Array<ArrayBuffer> {
    const batch = new Uint8Array(this.#words.slice(0, this.#length).buffer);
    this.#dropped.set(this.#droppedSince);
    this.#droppedSince.fill(0);
    this.#length = HEAD_WORDS;
    this.#events = 0;
    this.#isClosed = false;
    return batch;
  }

  #admits(words: number): boolean {
    return !this.#isClosed && this.#events < BATCH_EVENTS_MAX && this.#length + words <= BATCH_WORDS;
  }
}

/** Goes through a batch, event by event. */
export class EventBatchReader {
  /** By kind: events that came before these and were given up. */
  readonly dropped: readonly number[];
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  #head = 0;
  /** After the head of this event, and at the head of the next. */
  #at = 0;
  #next: number;

  /** `bytes` are a batch as `seal` made it; `position` is where to begin, as another reader has told it. */
  constructor(bytes: Uint8Array, position = HEAD_WORDS) {
    this.#bytes = bytes;
    this.#next = position;
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    this.dropped = [...new Float64Array(bytes.buffer, bytes.byteOffset, KINDS_COUNT)];
  }

  /** Where the next event begins. */
  get position(): number {
    return this.#next;
  }

  /** Goes to the next event; false at the end. */
  next(): boolean {
    if (this.#next >= this.#words.length) {
      return false;
    }
    this.#head = this.#words[this.#next] as number;
    this.#at = this.#next + 1;
    this.#next = this.#at + (this.kind === KINDS.clear ? 1 : wordsFor(this.#head & KEY_BYTES_MAX));
    return true;
  }

  get kind(): number {
    return (this.#head >>> META_TAG_SHIFT) & 0xff;
  }

  /** Of a clear: how many entries there were. */
  get entries(): number {
    return (this.#words[this.#at] as number) >>> 0;
  }

  /** Of a removal; undefined for what a client has forged, and is no key. */
  get key(): CacheKey | undefined {
    const start = this.#at * 4;
    const bytes = this.#bytes.subarray(start, start + (this.#head & KEY_BYTES_MAX));
    try {
      return decodeKey(bytes, (this.#head >>> META_ENCODING_SHIFT) & 7);
    } catch (error) {
      if (!(error instanceof CacheError)) throw error;
      return undefined;
    }
  }
}
