/**
 * Which entry goes when room is needed: the contract of a policy.
 *
 * A policy knows entries by slot and keeps its state in flat arrays by slot. It is told of everything that happens to
 * an entry, each in its own call, and asked for a victim; it never changes the cache itself. Everything is O(1).
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import type { HitMode } from '../../protocol/spec.ts';

/** Why an entry left. */
export type RemovalCause = 'evict' | 'expire' | 'delete' | 'clear';

/** What a policy may ask about entries. */
export interface PolicyContext {
  /** Slots are 0 to `slots` - 1. */
  readonly slots: number;
  /** Entries that fit at most; Infinity when only bytes bound the shard. */
  readonly entriesMax: number;
  /** The key of a live entry. Costs a decode: not for the hot path. */
  keyOf(slot: number): CacheKey;
  /** How often a reader used the entry since it was stored, saturating at 3. Only for policies of `hits: 'byte'`. */
  readonly touched: Uint8Array;
  /** An int32 for policies that draw lots: the same seed and the same calls name the same victims. */
  readonly seed: number;
}

export interface EvictionPolicy {
  /** How hits reach the policy: never, as counts in `touched` that it reads itself, or through `hit` in order. */
  readonly hits: HitMode;
  /** A new entry. False refuses it: it is not stored, and the set that brought it is acknowledged. */
  add(slot: number, hash: number): boolean;
  /** A reader used the entry. */
  hit(slot: number): void;
  /**
   * The entry was overwritten and lives in `slot` now; `previous` is no longer its slot. Its count in `touched` moved with
   * it. `slot` may equal `previous`: an entry changed in place.
   */
  update(slot: number, previous: number): void;
  /** The entry left, whoever chose it. */
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
}

export type PolicyFactory = (context: PolicyContext) => EvictionPolicy;
