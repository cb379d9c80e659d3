/**
 * The contract of all engines: what keeps the entries of a store, or of a tier. Keys are texts (engine-key.ts), records are
 * bytes that an engine never looks into (record.ts); it may only ask `deadlineOf` one.
 *
 * - An answer is a value or a promise of one: engines that are done at once say so at once. What fails throws, or
 *   rejects, a CacheError that names the path and the next step; what has failed has not half happened.
 * - Calls on one key take effect in the order in which they are made. A write is acknowledged when it survives the end
 *   of the process (and with `sync: true` of the machine); until then it may or may not be there after one.
 * - The bytes that `get` answers at once are good until the next call, those of a promise are the caller's own. Those given
 *   to `set` are the caller's again once the call has returned, settled or not.
 * - After `close` nothing is called any more. `close` finishes what was begun, and never throws away what it
 *   has acknowledged.
 *
 * A new engine is one file with an EngineKind, and one line in index.ts. Those of users are modules that export one.
 */
import type { Files } from '../files.ts';

export type Answer<T> = T | Promise<T>;

export interface Engine {
  get(key: string): Answer<Uint8Array | undefined>;
  set(key: string, record: Uint8Array): Answer<void>;
  /** Whether there was one. */
  delete(key: string): Answer<boolean>;
  /**
   * Replaces a record by what `change` makes of it, undefined for none; the same object that came in changes nothing.
   * No other write of this process comes between, and none of another process where the engine is shared. `change` runs
   * at once and to its end, perhaps more than once.
   */
  update(key: string, change: (record: Uint8Array | undefined) => Uint8Array | undefined): Answer<void>;
  /** In the order of `keys`. Memory of their own. */
  getMany(keys: readonly string[]): Answer<readonly (Uint8Array | undefined)[]>;
  /** One commit where the engine has any. Rejects when some were not stored; which ones is not told. */
  setMany(entries: readonly (readonly [key: string, record: Uint8Array])[]): Answer<void>;
  /** The number that was removed. */
  clear(): Answer<number>;
  size(): Answer<number>;
  /** Pages of at most KEYS_PER_PAGE. A key that is there from begin to end comes exactly once, any other at most once. */
  keys(): AsyncIterable<readonly string[]>;
  /** Makes all that is acknowledged survive the machine's end, where the engine can. */
  flush(): Answer<void>;
  close(): Answer<void>;
  /** Numbers and words to look at: bytes on the medium, segments, what was cut off at the last opening. */
  facts(): Answer<EngineFacts>;
  /**
   * Reads everything there is, and tells what is wrong: one sentence for each thing. Records are checked by the caller, unless it
   * throws STORE_CORRUPT: then there is no reading on.
   */
  verify?(): AsyncIterable<string>;
  /** Gives back what removed and replaced entries take. */
  compact?(): Answer<void>;
  /**
   * Of an engine that others write to at the same time: tells `watcher` of what they change, from when this resolves until
   * `close`. Once for each engine. What this engine has changed itself it does not tell.
   */
  watch?(watcher: Watcher): Promise<void>;
  /** What a store wrote beside its entries, for engines that keep no directory. */
  readonly manifest?: ManifestPlace;
}

/** Hears of changes, each before the first of its own reads that begins after it is answered, or milliseconds later. */
export interface Watcher {
  /** Others have written to these keys, or removed them; undefined: to any. */
  changed(keys: readonly string[] | undefined): void;
  /** From now on nobody tells of changes, and others may make some: what was read before may be old. */
  lost(): void;
  /** From now on somebody does again. */
  regained(): void;
}

export interface ManifestPlace {
  read(): Answer<string | undefined>;
  /** Unless there is one: of two who write at the same time the first is right. */
  write(text: string): Answer<void>;
  remove(): Answer<void>;
}

export interface EngineFacts {
  /** What the entries take where they are kept; undefined where nobody knows. */
  readonly bytes?: number | undefined;
  readonly [name: string]: number | string | boolean | undefined;
}

/** Where an engine is opened, and with what. */
export interface Place {
  /** The name of the store: for messages, and to tell it from others on the same server. */
  readonly name: string;
  /** Of this store alone. It is there when an engine that keeps a directory is opened. */
  readonly directory: string;
  /** Those that the kind lists, not checked yet. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly files: Files;
  /** Whether the caller holds the lock of the directory (lock.ts), and goes on holding it until the engine is closed. */
  readonly isLocked?: boolean;
  /** Tells the user something, once. */
  warn(message: string): void;
}

export interface EngineKind {
  /** What it needs: nothing, a directory of its own, or a server. */
  readonly keeps: 'nothing' | 'directory' | 'server';
  /** What another process that opens the same store meets: 'shared' is safe, 'exclusive' gets LOCKED. */
  readonly access: 'shared' | 'exclusive';
  /** The names of the options that it takes. */
  readonly options: readonly string[];
  /**
   * Whether a value must be text for people or programs that read the engine's own files: binary values are written in
   * base64 there.
   */
  readonly text?: boolean;
  /** Rejects with INVALID_CONFIG, LOCKED, MISSING_DEPENDENCY, ENGINE_ERROR, STORE_CORRUPT or STORE_FOREIGN. */
  open(place: Place): Promise<Engine>;
}

export const KEYS_PER_PAGE = 1_024;
