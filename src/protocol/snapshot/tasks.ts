/**
 * What the thread that opened a cache asks the owners of its shards while a snapshot is saved or loaded: one task at a time and
 * owner, over the port of its thread, beside the frames of clients.
 *
 *     save      every owner writes its own entries, coldest first, in slices, into one file: a block is put where the shared
 *               cursor stands. The opener writes header and index. file.ts draws the format.
 *
 *     load      check    any owner   reads one block: is it whole, what is in it, for which shards of this cache
 *               begin    each owner  empties its shard, unless it is to be merged
 *               route    any owner   reads one block again and sorts it by shard, into shared memory
 *               install  each owner  stores what of that is its own
 *               end      each owner  need not note any more what leaves
 *
 * `check`, `route` change nothing, so whatever a dead owner did not answer another one is asked. `begin`, `install` and `end` may be asked
 * again of the next owner of the shard: doing them twice is doing them once. Nobody holds a file open between two tasks.
 */
import type { ThrownText } from '../describe.ts';
import type { CacheErrorCode } from '../errors.ts';
import type { HashSeed } from '../key.ts';

export type SnapshotTask = SaveTask | CheckTask | RouteTask | BeginTask | InstallTask | EndTask;

/** Opener to owner. */
export interface SnapshotRequest {
  /** A number of the opener's, which the answer repeats. */
  readonly task: number;
  readonly snapshot: SnapshotTask;
}

/** Owner to opener. */
export type SnapshotReply = { readonly is: 'task'; readonly task: number } & (
  | { readonly done: SnapshotAnswer }
  | { readonly failed: TaskFailure }
);

export interface TaskFailure {
  /** CACHE_SAVE_ERROR: the file system refused. CACHE_LOAD_ERROR: the file is not what it was, or cannot be read. */
  readonly code: CacheErrorCode;
  readonly message: string;
  /** Of the file system, where it refused. */
  readonly cause?: ThrownText | undefined;
}

export type SnapshotAnswer = SavedShard | CheckedBlock | RoutedBlock | BegunLoad | InstalledEntries | EndedLoad;

/** Writes all entries of the shard. Answered with SavedShard. */
export interface SaveTask {
  readonly do: 'save';
  /** The temporary file, which is there: its header is written. */
  readonly path: string;
  /** One BigInt64: where the next block begins. Whoever writes a block moves it on first. */
  readonly cursor: SharedArrayBuffer;
  /** What the wall's clock says when the shard's says 0: entries are stored with deadlines of the wall. */
  readonly wallOriginMs: number;
}

export interface SavedShard {
  /** In the order in which they were written: coldest entries first. */
  readonly blocks: readonly BlockPlace[];
}

/** Where a block lies in the file, and what the index says of it. */
export interface BlockPlace {
  readonly offset: number;
  readonly bytes: number;
  readonly entries: number;
  /** CRC-32 of all its bytes. */
  readonly checksum: number;
}

/** What both readers of a block need to know. */
export interface BlockTask {
  readonly path: string;
  readonly block: BlockPlace;
  /** What has expired at that time, in ms since 1970, is left out. The same for all tasks of a load. */
  readonly nowWallMs: number;
  readonly hashSeed: HashSeed;
  /** Of this cache. */
  readonly shards: number;
}

/** Reads a block and says what is in it. Answered with CheckedBlock. */
export interface CheckTask extends BlockTask {
  readonly do: 'check';
}

export interface CheckedBlock {
  readonly expired: number;
  /** By shard of this cache: entries that have not expired, and the bytes they would take of its `bytesMax`. */
  readonly entries: readonly number[];
  readonly bytes: readonly number[];
  /** Of the largest of them. */
  readonly bytesMax: number;
}

/** Sorts what has not expired in a block by shard, each in the order of the file. Answered with RoutedBlock. */
export interface RouteTask extends BlockTask {
  readonly do: 'route';
}

export interface RoutedBlock {
  /** Sections, one behind the other; how they are laid out only route and install know. */
  readonly memory: SharedArrayBuffer;
  /** By shard: where its section begins, how long it is and how many entries it has. */
  readonly sections: readonly RoutedSection[];
}

export interface RoutedSection {
  readonly offset: number;
  readonly bytes: number;
  readonly entries: number;
}

/** Answered with BegunLoad. */
export interface BeginTask {
  readonly do: 'begin';
  /** Of this load, above 0 and unlike that of any other: a shard that was emptied for it is not emptied again. */
  readonly load: number;
  /** Whether what is there stays, but for the keys that are loaded. */
  readonly merge: boolean;
}

export interface BegunLoad {
  /**
   * The write sequence of the shard when it was begun, [ low | high ]: what has been written since then is newer than the snapshot, and stays. The opener
   * repeats it in every install.
   */
  readonly since: readonly [low: number, high: number];
}

/** Stores entries of a section, unless their key was written or removed since the load began. Answered with InstalledEntries. */
export interface InstallTask {
  readonly do: 'install';
  readonly memory: SharedArrayBuffer;
  readonly section: RoutedSection;
  /** Of its entries so many, the first, are left out: the shard has no room for them. */
  readonly skip: number;
  readonly since: readonly [low: number, high: number];
  /** Whether the policy is told what the policy of the snapshot knew of each entry: it is of the same name. */
  readonly standings: boolean;
  readonly wallOriginMs: number;
}

export interface InstalledEntries {
  /** Stored, be it by an owner that died. What somebody has written or removed meanwhile, or the policy refused, is not. */
  readonly installed: number;
  /** Entries that had to go for them, or were refused. Those that were skipped are not counted. */
  readonly evicted: number;
}

/** There will be no more installs of the load that was begun last, be it done or given up. Answered with EndedLoad. */
export interface EndTask {
  readonly do: 'end';
}

export interface EndedLoad {
  readonly ended: true;
}
