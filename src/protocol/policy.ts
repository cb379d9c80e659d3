/**
 * Which entry goes when room is needed: the contract between a shard and its eviction policy, built in or a user's.
 *
 * A policy knows entries by slot and keeps its state in flat arrays by slot. It is told of everything that happens to
 * an entry, each in its own call, and asked for a victim; it never changes the cache itself. Everything is O(1).
 *
 *     a new key      arrive(hash)   victim(), remove(victim, 'evict') as often as needed   add(slot, hash)
 *     a hit          hit(slot), or touched[slot] by the reader
 *     an overwrite   update(slot, previous)
 *     it goes        remove(slot, cause), or clear() for all at once
 */
import type { CacheKey } from './cache-key.ts';

export const HIT_MODES = ['none', 'byte', 'ring'] as const;

/** How a policy learns of hits: not at all, from the byte that readers store, or in order from their rings. */
export type HitMode = (typeof HIT_MODES)[number];

/** Why an entry left. Of 'clear' a policy hears by its own method, once for all. */
export type RemovalCause = 'evict' | 'expire' | 'delete' | 'clear';

/** What a policy may ask about entries. */
export interface PolicyContext {
  /** Slots are 0 to `slots` - 1. */
  readonly slots: number;
  /** Entries that fit at most; Infinity when only bytes bound the shard. */
  readonly entriesMax: number;
  /** Bytes that fit at most, as `weightOf` counts them and as things stand: it moves a little with the kind of entries. */
  readonly bytesMax: number;
  /**
   * The key of an entry, which must be live, or be leaving in this very call of `remove`. Costs a decode: not for the hot
   * path.
   */
  keyOf(slot: number): CacheKey;
  /** The hash of such an entry's key: what `add` was told. */
  hashOf(slot: number): number;
  /** What such an entry takes of `bytesMax`. */
  weightOf(slot: number): number;
  /**
   * How often a reader used the entry since it was stored, saturating at 3. Only for policies of `hits: 'byte'`, which may
   * write it too: a reader's store that comes at the same time may be lost, or win.
   */
  readonly touched: Uint8Array;
  /** An int32 for policies that draw lots: the same seed and the same calls name the same victims. */
  readonly seed: number;
}

/**
 * Chooses which entry of one shard goes. Called in the shard's thread, one call at a time; every method answers at once.
 *
 * A user's policy may fail without harm to the shard. The call that a method failed in rejects with POLICY_ERROR, which
 * says what became of it; where no call waits for the method (`hit`, `ahead`, the `remove` of what expired) the fault is
 * counted, `policyFaults`, and told to the `logger`. `checkPolicy` of shardstash/testing finds most faults beforehand.
 * The README has a whole policy in thirty lines.
 */
export interface EvictionPolicy {
  /** How hits reach the policy: never, as counts in `touched` that it reads itself, or through `hit` in order. */
  readonly hits: HitMode;
  /**
   * Optional. A key that has no entry is about to be stored, and room will be made for it: what the policy remembers of the
   * key can have its say in that. It may still not come, and an entry that was evicted for its own overwrite comes
   * unannounced.
   */
  arrive?(hash: number): void;
  /** A new entry. False refuses it: it is not stored, and the set that brought it is acknowledged. */
  add(slot: number, hash: number): boolean;
  /** A reader used the entry. */
  hit(slot: number): void;
  /**
   * The entry was overwritten or changed in place, and may weigh less or more. It lives in `slot` now, which in a shard is
   * `previous`: an entry keeps its slot. Where the two differ, `previous` is no longer its slot, and its count in `touched` has
   * moved with it.
   */
  update(slot: number, previous: number): void;
  /** The entry leaves, whoever chose it. */
  remove(slot: number, cause: RemovalCause): void;
  /** All entries left. */
  clear(): void;
  /**
   * The slot of the live entry that should go next. Asking changes nothing that matters: asked again at once, it names
   * the same. -1 when there is none, or when the policy gives none up: the call that needs room gets CACHE_FULL then.
   */
  victim(): number;
  /**
   * Optional. Writes the slots that would go next as things stand, soonest first, and says how many: the shard loads their
   * memory ahead, all at once. A guess that turns out wrong costs nothing but the loads.
   */
  ahead?(into: Int32Array): number;
  /**
   * Optional. The slots of all entries as they would leave if nothing more happened, soonest first: for a snapshot,
   * which keeps them in that order. Where marks give entries another round, their queue will do, with the marks in
   * `standing`. All entries are in slots below `used`. Copies what it needs at once, in well under 10 ns for each of
   * these slots, since it is walked in pieces while the policy goes on. Without it a snapshot has the order in which
   * entries were written.
   */
  order?(used: number): SlotOrder;
  /**
   * Optional. As `add`, of an entry of a snapshot that a policy of the same name has made: `standing` is what its
   * `order` said of it, but any uint32 must do, since files can be made up. Entries come in that order; where several
   * shards had them, a stretch of one and a stretch of another. Some may be left out, and others may be there already.
   * Without it they are added.
   */
  restore?(slot: number, hash: number, standing: number): boolean;
  /** Optional. Throws on the first broken invariant. For tests and fuzzers. */
  check?(): void;
}

/** Slots in an order, one at a time. Entries that have left since are still named. */
export interface SlotOrder {
  /** The next slot, -1 at the end. */
  next(): number;
  /**
   * What the policy knows of the slot that `next` has just named, beside its place: a uint32 that means something to
   * `restore` only. Asked before the next one is, and only while the slot holds an entry.
   */
  readonly standing: number;
}

/** What a module of policies exports: makes the policy of one shard. `options` are those of `eviction` beside its name. */
export type PolicyFactory<Options = PolicyOptions> = (context: PolicyContext, options?: Options) => EvictionPolicy;

/** Settings of a policy: plain data, as they cross into the shard's thread. */
export type PolicyOptions = Readonly<Record<string, unknown>>;
