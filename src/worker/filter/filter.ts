/**
 * Which keys a shard may hold, for whoever wants to know without asking the shard: the contract of a membership filter.
 *
 * The owner tells the filter of every entry that comes or leaves, each in its own call; one that is overwritten does neither,
 * and keeps its slot. In return no reader ever rules out a key whose `add` returned and that was not removed since. A filter may keep the bits of removed keys for a
 * while, and it may need to see all live entries again: it asks the source for their hashes, a few slots per `add`.
 */

/** The live entries of a shard, as a filter sees them. */
export interface HashSource {
  /** Live entries are in slots below this. */
  readonly used: number;
  /** Writes [low, high] of the hash of each live entry in slots `from` to `to` - 1, and says how many entries that were. */
  hashesOf(from: number, to: number, into: Int32Array): number;
}

export interface FilterContext {
  /** The region that readers see, `filterBytes` long for these slots and this rate. */
  readonly words: Int32Array;
  /** Slots of the shard; it never holds more entries. */
  readonly slots: number;
  /** Above 0 and below 1: the share of keys that never were in the cache which may not be ruled out. */
  readonly falsePositiveRate: number;
  /** A filter starts with the entries that are there: none, or those of an owner that died. */
  readonly source: HashSource;
}

export interface FilterCounts {
  /** Keys, live and stale, for which the filter has its rate. */
  readonly capacity: number;
  /** Keys in it now: live, and stale ones that it could not forget. At most `capacity`. */
  readonly keys: number;
  readonly bits: number;
  /** How often it was built anew while the shard lived. */
  readonly rebuilds: number;
  /** The rate to expect with the keys that are in it. */
  readonly falsePositiveRate: number;
}

export interface MembershipFilter {
  /**
   * An entry with a new key is about to be published. It must be among the source's entries, or removed again, before the
   * next `add`.
   */
  add(hashLow: number, hashHigh: number): void;
  /** An entry left. */
  removed(hashLow: number, hashHigh: number): void;
  /** All entries left. */
  clear(): void;
  /** Loads the memory that `add` will need, so that a batch waits for all of it at once. The result means nothing. */
  touch(hashLow: number, hashHigh: number): number;
  counts(): FilterCounts;
  /** Throws if it would rule out an entry of the source. For tests and fuzzers. */
  check(): void;
}

export type FilterFactory = (context: FilterContext) => MembershipFilter;
