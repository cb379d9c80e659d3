/**
 * The tier under a cache: an engine that keeps what memory has no room for, and what was there before a restart. One thread of
 * the process has the engine, the keeper; the owner of each shard asks it about its own keys, one call a key at a time.
 *
 *     client --> owner of the shard --TierBatch--> keeper --> engine
 *                   memory          <--TierNews---   queue of what is written behind
 *
 * The engine has a thread of its own because a shard's thread may be ended at any time: lmdb would hold up every other writer of
 * the file for ever and SQLite end the process, were it in the middle of a commit. So an owner that dies loses nothing
 * that it has sent, no disk holds up a shard, and any number of shards opens any tier.
 *
 * What both send in one turn is one message. The bytes of values travel beside it, one after the other in the order of the
 * calls, in one buffer that is transferred. Times are those of the wall clock, since they outlive the process.
 */
import type { ErrorRecord } from './errors.ts';
import type { Tag } from './value-tags.ts';

/** An entry as it lies in a tier. */
export interface TierEntry {
  readonly tag: Tag;
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970, Infinity for what lives for ever. */
  readonly expiresAtMs: number;
  /** For how long a read lets it live on; 0 for one that does not slide. */
  readonly slideMs: number;
}

/** The head of an entry whose bytes travel beside it. */
export interface TierHead extends Omit<TierEntry, 'bytes'> {
  readonly byteLength: number;
}

/** From an owner. Keys are those of engine-key.ts. Each call with an id is answered, in no order. */
export type TierCall =
  /** Answered with 'entry' or 'nothing'. Of one whose time is over by `nowMs` there is nothing, and the engine may forget it. */
  | { readonly is: 'get'; readonly id: number; readonly key: string; readonly nowMs: number }
  /** Answered with 'done', when the engine has it; of a tier that is written behind, when the queue has it. */
  | { readonly is: 'set'; readonly id: number; readonly key: string; readonly head: TierHead }
  /**
   * Answered with 'done' or 'nothing', when the engine has forgotten it: whether there was one that lives at `nowMs`. Without
   * `tells` nobody looks, and it is 'done'.
   */
  | {
      readonly is: 'delete';
      readonly id: number;
      readonly key: string;
      readonly tells: boolean;
      readonly nowMs: number;
    }
  /** All keys of this shard, answered with 'count'. The owner has nothing else under way, and waits. */
  | { readonly is: 'clear'; readonly id: number }
  /** Entries of the whole tier, answered with 'count'. */
  | { readonly is: 'size'; readonly id: number }
  /** Removes what has expired by `nowMs` from the whole tier, answered with 'count'. */
  | { readonly is: 'cleanup'; readonly id: number; readonly nowMs: number }
  /** The next entries of the whole tier; `scan` 0 begins, else it is that of the page before. Answered with 'page'. */
  | {
      readonly is: 'page';
      readonly id: number;
      readonly scan: number;
      readonly entries: number;
      readonly keysOnly: boolean;
      readonly nowMs: number;
    }
  /** An entry that slides was read, and leaves memory: it is to live until then. No id, since nobody waits for it. */
  | { readonly is: 'slide'; readonly key: string; readonly expiresAtMs: number }
  /** The hashes of all keys of this shard, told as 'hashes': for its filter. No id, since only one is on. */
  | { readonly is: 'hashes' };

export interface TierBatch {
  readonly calls: readonly TierCall[];
  /** Of the 'set's, in order. */
  readonly bytes: Uint8Array;
}

/** To an owner: answers, and what it has to know without having asked. */
export type TierAnswer =
  | { readonly is: 'done'; readonly id: number }
  | { readonly is: 'nothing'; readonly id: number }
  | { readonly is: 'entry'; readonly id: number; readonly head: TierHead }
  | { readonly is: 'count'; readonly id: number; readonly count: number }
  /** `scan` 0 when there is no next page. Values are there unless `keysOnly`. */
  | { readonly is: 'page'; readonly id: number; readonly scan: number; readonly entries: readonly TierPageEntry[] }
  | { readonly is: 'failed'; readonly id: number; readonly error: ErrorRecord }
  /** Pairs of low and high word of hashes, in several parts. */
  | { readonly is: 'hashes'; readonly hashes: Int32Array; readonly isLast: boolean }
  /** The listing of the hashes has failed: ask again later. */
  | { readonly is: 'unlisted' }
  /** Others have written to these keys of this shard: what memory has of them, and what is on its way, is old. */
  | { readonly is: 'changed'; readonly keys: readonly string[] }
  /** Others may have written to any key from now on, and nobody will tell: memory must be empty until 'trusted'. */
  | { readonly is: 'distrusted' }
  | { readonly is: 'trusted' };

export interface TierPageEntry {
  readonly key: string;
  /** Undefined where only keys were asked for. */
  readonly head: TierHead | undefined;
}

export interface TierNews {
  readonly answers: readonly TierAnswer[];
  /** Of the 'entry's, and the entries of 'page's, in order. */
  readonly bytes: Uint8Array;
}

/** Where a keeper counts, for every thread to read: float64 cells. */
export const TIER_READS = 0;
/** Reads that found an entry. */
export const TIER_READ_HITS = 1;
export const TIER_WRITES = 2;
export const TIER_DELETES = 3;
/** Calls of the engine that have failed, flushes included. */
export const TIER_FAILURES = 4;
/** 1 while the engine fails and calls are refused without being tried. */
export const TIER_DOWN = 5;
/** Written behind: what waits now, and what has been written. */
export const TIER_QUEUED_ENTRIES = 6;
export const TIER_QUEUED_BYTES = 7;
export const TIER_FLUSHED = 8;
/** Keys that others have changed, and how often memory was emptied because nobody could tell. */
export const TIER_INVALIDATIONS = 9;
export const TIER_DISTRUSTS = 10;
export const TIER_CELLS = 12;

/** Which engine, for a thread to load by itself. */
export type EngineSource =
  | { readonly name: string }
  | { readonly name: string; readonly module: string; readonly export: string };

export interface WriteBehind {
  /** What waits is written at the latest after so long: what a process that is killed loses. */
  readonly flushMs: number;
  /** What may wait; a write for which there is no room waits for it. */
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** `workerData` of the keeper's thread. Plain data. */
export interface KeeperBirth {
  readonly engine: EngineSource;
  /** Those of a Place. The directory is prepared, and its lock is held by the thread that opened the cache. */
  readonly place: {
    readonly name: string;
    readonly directory: string;
    readonly options: Readonly<Record<string, unknown>>;
  };
  /** A name of protocol/compression, or false. */
  readonly compression: string | false;
  readonly seed: { readonly low: number; readonly high: number };
  readonly shards: number;
  /** False: written through. */
  readonly behind: WriteBehind | false;
  /** Whether others write to it, too: then the keeper watches them. */
  readonly isShared: boolean;
  /** TIER_CELLS float64. */
  readonly counts: SharedArrayBuffer;
}

/** From the thread that opened the cache. */
export type ToKeeper =
  /** The owner of a shard asks by this port. One that comes after another of the same shard begins when that has ended. */
  | { readonly is: 'session'; readonly shard: number; readonly port: import('node:worker_threads').MessagePort }
  /** No session asks any more: finish, write what waits, close the engine. */
  | { readonly is: 'close' };

export type FromKeeper =
  /** The engine is open. `entries`: how many there are, where that costs nothing to know. */
  | { readonly is: 'ready'; readonly isEmpty: boolean }
  | { readonly is: 'refusal'; readonly error: ErrorRecord & { readonly option?: string; readonly path?: string } }
  | { readonly is: 'warning'; readonly message: string }
  /** The engine fails, and calls are refused until it is tried again; or it works again. */
  | { readonly is: 'down'; readonly message: string }
  | { readonly is: 'up' }
  /** With what could not be written, if anything. */
  | { readonly is: 'closed'; readonly lost: number; readonly error?: ErrorRecord };

/** Bytes that travel beside an answer. */
export function bytesBeside(answer: TierAnswer): number {
  switch (answer.is) {
    case 'entry':
      return answer.head.byteLength;
    case 'page':
      return answer.entries.reduce((sum, { head }) => sum + (head?.byteLength ?? 0), 0);
    default:
      return 0;
  }
}
