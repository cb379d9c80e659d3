/**
 * What a client can ask of a shard, and the shapes of the answers.
 *
 * A record carries a key (empty where the operation is about the whole shard), a value (empty but for those marked "value"),
 * one number, the argument, and flags. Answers are those of `reply.ts`; "absent" is an error, KEY_NOT_FOUND or, once
 * after an expiry, KEY_EXPIRED.
 */

/** Changes nothing; but the owner takes in the hits that wait in the rings. A withdrawn record becomes one. */
export const OP_NONE = 0;
/** A value or nil. */
export const OP_GET = 1;
/** As OP_GET, but nobody counts or hears of it. */
export const OP_PEEK = 2;
export const OP_HAS = 3;
/** A value; the argument is its ttl in ms, 0 for ever. FLAG_SLIDING. */
export const OP_SET = 4;
export const OP_DELETE = 5;
export const OP_CLEAR = 6;
export const OP_SIZE = 7;
export const OP_METRICS = 8;
/** A value, or absent. */
export const OP_DEMAND = 9;
/** A value with the ms it has left, true where it has expired, or nil. Leaves the mark of an expiry. */
export const OP_LOOKUP = 10;
/** As OP_SET where the key is free, else KEY_EXISTS. */
export const OP_ADD = 11;
/** As OP_SET where the key is taken, else absent. FLAG_KEEP_TTL. */
export const OP_UPDATE = 12;
/** Removes what it answers: a value or nil. */
export const OP_POP = 13;
/** Removes what it answers: an entry, nil when there is none, or false when it has to be asked again to know. */
export const OP_POP_ITEM = 14;
/**
 * Adds to a number, in place. Value: two float64, what to add and what to begin with where there is nothing; the argument
 * is the ttl of an entry that is born here. Answers the sum, or false where the value is no number.
 */
export const OP_INCREMENT = 15;
/** Gives an entry another ttl: the argument, 0 for ever. Done, or absent. */
export const OP_EXPIRE = 16;
/** The ms an entry has left, or nil. */
export const OP_TTL = 17;
/** As OP_GET, but answers whether there is a value, and counts nothing. */
export const OP_TOUCH = 18;
/**
 * A page of entries, or with FLAG_KEYS_ONLY of keys. The argument says where it begins, 0 for the first; the value, one
 * float64, how many entries it should have.
 */
export const OP_SCAN = 19;
/** Removes expired entries, a bounded number at a time: how many, or -1 - how many when there are more to remove. */
export const OP_CLEANUP = 20;
export const OP_RESET_METRICS = 21;
/**
 * Asks to be the one who computes the value of an absent key. The argument and FLAG_SLIDING are those of the set to come;
 * the value is two float64: for how many ms the lease is wanted, and how long what is stored may be served when its ttl is
 * over. Answers the value where there is one; else a number, the token of the lease, or, while somebody else has it, that
 * of his times -1: how it ends will be told. Where an expired value may still be served it comes with that number.
 */
export const OP_LEASE = 22;
/** A value, and in the argument the token: stored, true, if nobody has written to the key since; else false. */
export const OP_FILL = 23;
/**
 * Gives back the lease whose token is the argument, with whatever was thrown as value; with -1 the one that this client
 * holds of the key, whether it knows of it or not.
 */
export const OP_RELEASE = 24;
/** What the shard has found out about itself, or nil where it was not told to. */
export const OP_ADVISE = 25;
/** Entries of the whole tier, expired ones that are still there included. Of any shard, as the next two. */
export const OP_TIER_SIZE = 26;
/** As OP_SCAN, of the whole tier: the argument is 0 for the first page, else what the one before said. */
export const OP_TIER_SCAN = 27;
/** Removes what has expired from the whole tier: how many. */
export const OP_TIER_CLEANUP = 28;

/** Every read of the entry lets it live for its ttl again. */
export const FLAG_SLIDING = 1;
/** The new value takes over the expiry of the old. */
export const FLAG_KEEP_TTL = 2;
/** The client has looked into the memory, and counted, before it asked. */
export const FLAG_COUNTED = 4;
export const FLAG_KEYS_ONLY = 8;
/** Of OP_CLEAR: what is in the tier stays there. */
export const FLAG_MEMORY_ONLY = 8;

/** One bit for each operation that changes something. */
const WRITES = [OP_SET, OP_DELETE, OP_CLEAR, OP_ADD, OP_UPDATE, OP_POP, OP_POP_ITEM, OP_INCREMENT, OP_EXPIRE, OP_FILL];
const WRITE_BITS = WRITES.reduce((bits, op) => bits | (1 << op), 0);

/** Whether an operation changes what its key reads as, so that this client's next get of the key must queue behind. */
export function isWrite(op: number): boolean {
  return ((WRITE_BITS >>> op) & 1) !== 0;
}

/** Whether an operation may change any key. */
export function isWide(op: number): boolean {
  return op === OP_CLEAR || op === OP_POP_ITEM;
}

/** A value as it left a shard: the codec's tag and its bytes, which alias the reply. */
export interface StoredValue {
  readonly tag: number;
  readonly bytes: Buffer;
  /** Only for OP_LOOKUP: Infinity where it lives for ever. */
  readonly leftMs?: number;
  /** Only for OP_LOOKUP: memory did not have it. */
  readonly isFromTier?: boolean;
}

/** The same of a value that came from another thread, where a Buffer becomes an Uint8Array. */
export function storedValue({ tag, bytes }: { readonly tag: number; readonly bytes: Uint8Array }): StoredValue {
  return { tag, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** An entry as it left a shard. Without a value where only keys were asked for, or where it is too large for a page. */
export interface StoredEntry {
  readonly encoding: number;
  readonly key: Buffer;
  readonly value: StoredValue | undefined;
  /** In pages: when it expires, if it does, unless it is read before. Monotonic milliseconds. */
  readonly expiresAtMs?: number;
}

export interface StoredPage {
  /** Where the next page begins; SCAN_END when there is none. */
  readonly next: number;
  readonly entries: readonly StoredEntry[];
}

/** Pages go through the hashes from 0 to here. */
export const SCAN_END = 2 ** 32;
/** A page ends when it holds this many bytes of values, and leaves out values larger than that: ask for those one by one. */
export const PAGE_BYTES_MAX = 1024 * 1024;

/** Counts and gauges of one shard, clients included. Counts start at zero with the cache, or when they are reset. */
export interface ShardCounts {
  hits: number;
  misses: number;
  sets: number;
  deletes: number;
  evictions: number;
  expirations: number;
  /** Calls that were answered with an error. */
  failures: number;
  /** How often the policy, a user's, failed: in calls, which were answered with an error, and beside them. */
  policyFaults: number;
  /** Live entries, expired ones that were not yet swept included, and the most there were. */
  entries: number;
  entriesPeak: number;
  /** The same without those that are known to have expired. */
  validEntries: number;
  validPeak: number;
  /** Bytes of live blocks and columns: what `maxBytes` bounds. */
  bytes: number;
  /** Bytes of keys and values alone. */
  payloadBytes: number;
  /** Frames and records that this shard has answered. */
  frames: number;
  calls: number;
  droppedTouches: number;
  /** Events that a client listened to and was not told of. */
  droppedEvents: number;
  /** Misses that the filter answered, and misses that reached the owner though it has a filter. */
  filterNegatives: number;
  filterFalsePositives: number;
  nearHits: number;
  /** How often a new owner took over from one that had died. */
  restarts: number;
  /** Clients that are connected. */
  clients: number;
}
