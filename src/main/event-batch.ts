/**
 * Events of one kind and one shard, as they wait for listeners: how many there are, and how to make of them what a listener
 * is handed. Keys stay as they came until a listener is handed them, so nothing is decoded that is dropped, and what waits has
 * the size it had in the port. Each listener gets keys of his own: what one does to them is not what another was told.
 */
import type { CacheKey } from '../protocol/cache-key.ts';
import { EventBatchReader, type EventKind, KINDS } from '../protocol/events.ts';

export interface EventBatch {
  readonly event: string;
  readonly shard: number;
  readonly count: number;
  /** Events that the shard could not tell of, before these. */
  readonly dropped: number;
  /** What a listener is handed that has missed so many more since its last batch. */
  open(missed: number): object;
}

/** What a listener is handed in place of events that it has missed; undefined where nobody is told how many those were. */
export function hollowOf(event: string, shard: number, missed: number): object | undefined {
  if (event === 'clear') {
    return { event, shard, entries: 0, dropped: missed };
  }
  return Object.hasOwn(KINDS, event) ? { event, shard, keys: [], dropped: missed } : undefined;
}

/** What a shard has sent, in the order in which it is to be told: kind by kind, but what came before a clear before it. */
export function batchesIn(shard: number, bytes: Uint8Array): EventBatch[] {
  const reader = new EventBatchReader(bytes);
  const batches: EventBatch[] = [];
  const dropped = [...reader.dropped];
  const counts = dropped.map(() => 0);
  let from = reader.position;
  const add = (event: Exclude<EventKind, 'clear'>) => {
    const kind = KINDS[event];
    if (counts[kind] !== 0 || dropped[kind] !== 0) {
      batches.push(new Removals(event, shard, bytes, from, counts[kind] as number, dropped[kind] as number));
    }
    counts[kind] = 0;
    dropped[kind] = 0;
  };
  const addRemovals = () => {
    add('evict');
    add('expire');
    add('delete');
  };
  while (reader.next()) {
    if (reader.kind === KINDS.clear) {
      addRemovals();
      batches.push(new Clear(shard, reader.entries, dropped[KINDS.clear] as number));
      dropped[KINDS.clear] = 0;
      from = reader.position;
    } else {
      (counts[reader.kind] as number)++;
    }
  }
  addRemovals();
  if (dropped[KINDS.clear] !== 0) {
    batches.push(new Clear(shard, 0, dropped[KINDS.clear] as number));
  }
  return batches;
}

class Removals implements EventBatch {
  readonly event: EventKind;
  readonly shard: number;
  readonly count: number;
  readonly dropped: number;
  readonly #bytes: Uint8Array;
  readonly #from: number;

  /** The first `count` events of this kind in `bytes`, `from` there on; `dropped` came before them. */
  constructor(event: EventKind, shard: number, bytes: Uint8Array, from: number, count: number, dropped: number) {
    this.event = event;
    this.shard = shard;
    this.count = count;
    this.dropped = dropped;
    this.#bytes = bytes;
    this.#from = from;
  }

  open(missed: number): object {
    const { event, shard } = this;
    const keys = this.#decode();
    // Of what somebody has forged, not all may be keys.
    return { event, shard, keys, dropped: this.dropped + missed + this.count - keys.length };
  }

  #decode(): CacheKey[] {
    const reader = new EventBatchReader(this.#bytes, this.#from);
    const keys: CacheKey[] = [];
    for (let left = this.count; left > 0 && reader.next(); ) {
      if (reader.kind === KINDS[this.event]) {
        const key = reader.key;
        if (key !== undefined) keys.push(key);
        left--;
      }
    }
    return keys;
  }
}

class Clear implements EventBatch {
  readonly event = 'clear';
  readonly shard: number;
  /** 0 where it only tells what was dropped. */
  readonly count: number;
  readonly dropped: number;
  readonly #entries: number;

  constructor(shard: number, entries: number, dropped: number) {
    this.shard = shard;
    this.count = entries === 0 ? 0 : 1;
    this.dropped = dropped;
    this.#entries = entries;
  }

  open(missed: number): object {
    return { event: this.event, shard: this.shard, entries: this.#entries, dropped: this.dropped + missed };
  }
}

/** What became of the thread of a shard. */
export class OwnerChange implements EventBatch {
  readonly event: string;
  readonly shard: number;
  readonly count = 1;
  readonly dropped = 0;
  readonly #cause: unknown;

  constructor(event: string, shard: number, cause: unknown) {
    this.event = event;
    this.shard = shard;
    this.#cause = cause;
  }

  open(): object {
    const { event, shard } = this;
    return this.#cause === undefined ? { event, shard } : { event, shard, cause: this.#cause };
  }
}
