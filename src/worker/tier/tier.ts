/**
 * The tier, as the owner of one shard sees it: what it reads there goes into memory, what it writes is there before it is in memory,
 * and a filter in shared memory says which keys are in neither.
 *
 *     read    tier -------------------------> memory, unless it has grown old on its way
 *     write   filter --> tier --> filter ---> memory; when the tier fails, memory forgets the key
 *
 * The second look at the filter is for a list of all keys that was begun meanwhile, and may not have the key yet. Callers see to it
 * that there is one call at a time for each key.
 */
import type { MessagePort } from 'node:worker_threads';
import { engineKeyOf, keyOfEngineKey } from '../../protocol/engine-key.ts';
import { CacheError } from '../../protocol/errors.ts';
import type { FilterSpec } from '../../protocol/filter.ts';
import { decodeKey, KeyEncoder } from '../../protocol/key.ts';
import type { TierSpec } from '../../protocol/spec.ts';
import type { EntrySource, Expiry } from '../blocks.ts';
import { PolicyFault } from '../guarded-policy.ts';
import type { Shard } from '../shard.ts';
import { Freshness, type Passage } from './freshness.ts';
import { entryWith, type Held, keyOf } from './held.ts';
import { type KeeperAudience, KeeperPort } from './keeper-port.ts';
import { TierFilter } from './tier-filter.ts';
import type { WallClock } from './wall-clock.ts';

/** A list of all keys that has failed is asked for again after this. */
const LIST_PAUSE_MS = 1_000;

/** A key, as the tier knows it and as memory does. */
export interface TierKey {
  readonly text: string;
  readonly id: number;
  readonly source: Parameters<typeof entryWith>[0];
}

interface TierSetup {
  readonly shard: Shard;
  readonly wall: WallClock;
  readonly spec: TierSpec;
  /** Undefined for a tier that others write to, and where there is no filter. */
  readonly filter: { readonly words: Int32Array; readonly spec: FilterSpec } | undefined;
  /** Says that the owner is alive. */
  beat(): void;
}

export class Tier implements KeeperAudience {
  readonly keeper: KeeperPort;
  readonly wall: WallClock;
  readonly beat: () => void;
  readonly #shard: Shard;
  readonly #spec: TierSpec;
  readonly #filter: TierFilter | undefined;
  readonly #freshness = new Freshness();
  readonly #encoder: KeyEncoder;
  /** The list that is being made; undefined where none is. */
  #listing: object | undefined;
  #isForgetting = false;
  #listAtMs = 0;

  constructor({ shard, wall, spec, filter, beat }: TierSetup) {
    this.#shard = shard;
    this.wall = wall;
    this.#spec = spec;
    this.beat = beat;
    this.#filter = filter && new TierFilter(filter.words, filter.spec);
    this.#encoder = new KeyEncoder(spec.hashSeed);
    this.keeper = new KeeperPort(this);
    shard.contents.onSlidOut = (block) => this.#slideOn(block);
    if (spec.isEmpty && this.#filter?.covers === false) {
      this.#filter.clear();
    }
    if (spec.isShared && shard.contents.epoch > 1) {
      // What the owner before this one was told of others' writes, and had no time for, is told to nobody again.
      this.#forgetAll();
    }
  }

  /** Calls go by this port from now on. */
  connect(port: MessagePort): void {
    this.keeper.connect(port);
    this.#listAtMs = 0;
    this.#list();
  }

  /** Whether the tier cannot have the key. */
  rulesOut({ hashLow, hashHigh }: Pick<EntrySource, 'hashLow' | 'hashHigh'>): boolean {
    return this.#filter?.rulesOut(hashLow, hashHigh) === true;
  }

  /** What the tier has of a key; with `keeps` memory has it from then on, too. */
  async read(key: TierKey, keeps: boolean): Promise<Held | undefined> {
    this.#list();
    return await this.#pass(key, async (passage) => {
      const entry = await this.keeper.get(key.text, this.wall.now());
      if (entry === undefined) {
        if (this.#filter?.covers === true) this.#shard.contents.tally.countFalsePositive();
        return undefined;
      }
      const { tag, bytes, expiresAtMs, slideMs } = entry;
      const held: Held = { tag, bytes, expiry: { atMs: this.wall.monotonicOf(expiresAtMs), slideMs, graceMs: 0 } };
      if (!keeps) {
        return held;
      }
      this.#keep(key, held, passage, false);
      return passage.isOld ? held : { ...held, expiry: this.#used(key, held.expiry) };
    });
  }

  /** Stores a value there and in memory. `isSet`: it counts as a set. */
  async write(
    key: TierKey,
    value: Pick<Held, 'tag' | 'bytes'>,
    expiry: Expiry,
    { isSet = true }: { readonly isSet?: boolean } = {},
  ): Promise<void> {
    const { hashLow, hashHigh } = key.source;
    const { tag, bytes } = value;
    const passage = this.#freshness.begin(key.id);
    try {
      this.#filter?.add(hashLow, hashHigh);
      const expiresAtMs = this.wall.wallOf(expiry.atMs);
      await this.keeper.set(key.text, { tag, bytes, expiresAtMs, slideMs: expiry.slideMs });
    } catch (error) {
      // What memory has may be older than what the tier has, if that failed half-way.
      this.#forget(key.source);
      throw error;
    } finally {
      // Of one that has failed nobody knows whether the tier has it.
      this.#filter?.add(hashLow, hashHigh);
      this.#freshness.end(key.id);
    }
    this.#keep(key, { tag, bytes, expiry }, passage, isSet);
    this.#list();
  }

  /** Removes a key there, and not in memory. With `tells` whether there was one. */
  remove(key: TierKey, tells: boolean): Promise<boolean> {
    return this.#pass(key, () => this.#orForget(key, this.keeper.delete(key.text, tells, this.wall.now())));
  }

  /** Removes all of this shard's keys there, and says how many; memory forgets them in any case. */
  async clear(): Promise<number> {
    let removed: number;
    try {
      removed = await this.keeper.clear();
    } finally {
      this.#forgetAll();
    }
    // After memory: what a reader is told is nowhere must not be found there by another.
    this.#filter?.clear();
    return removed;
  }

  changed(keys: readonly string[]): void {
    for (const text of keys) {
      const source = this.#sourceOf(text);
      if (source !== undefined) {
        this.#freshness.changed(idOf(source));
        this.#shard.breakLease(source);
        if (!this.#hasExpired(source)) this.#forget(source);
      }
    }
  }

  distrusted(): void {
    if (this.#spec.isShared) {
      this.#freshness.distrust();
      this.#forgetAll();
    }
  }

  trusted(): void {
    this.#freshness.trust();
  }

  listed(hashes: Int32Array, isLast: boolean): void {
    this.#filter?.take(hashes);
    if (isLast) {
      this.#filter?.finish();
      this.#listing = undefined;
    }
  }

  unlisted(): void {
    this.#filter?.abandon();
    this.#listing = undefined;
    this.#listAtMs = performance.now() + LIST_PAUSE_MS;
  }

  /** Has all keys listed, if the filter has to know them. */
  #list(): void {
    if (this.#filter?.wantsList === true && this.#listing === undefined && performance.now() >= this.#listAtMs) {
      this.#listing = {};
      void this.#beginList(this.#filter, this.#listing);
    }
  }

  async #beginList(filter: TierFilter, listing: object): Promise<void> {
    let keys: number;
    try {
      keys = await this.keeper.size();
    } catch (error) {
      if (!(error instanceof CacheError)) throw error;
      // The keeper has counted and told it. Until the next try every miss asks the tier. With the keeper's port the list has been
      // lost already, and another may have begun by the next.
      if (listing === this.#listing) this.unlisted();
      return;
    }
    if (listing === this.#listing) {
      filter.begin(Math.ceil(keys / this.#spec.shards));
      this.keeper.listHashes();
    }
  }

  async #pass<T>({ id }: TierKey, act: (passage: Passage) => Promise<T>): Promise<T> {
    const passage = this.#freshness.begin(id);
    try {
      return await act(passage);
    } finally {
      this.#freshness.end(id);
    }
  }

  /** What memory has may be older than what the tier has, if that failed half-way. */
  async #orForget<T>({ source }: TierKey, done: Promise<T>): Promise<T> {
    try {
      return await done;
    } catch (error) {
      this.#forget(source);
      throw error;
    }
  }

  /** Into memory. Where it has no room, or must not have it, it has nothing of the key. */
  #keep({ source }: TierKey, held: Held, { isOld }: Passage, isSet: boolean): void {
    const entry = entryWith(source, held);
    const shard = this.#shard;
    let isKept = false;
    if (!isOld) {
      tolerating(() => {
        isKept = (isSet ? shard.install(entry, held.expiry) : shard.promote(entry, held.expiry)) === undefined;
      });
    }
    if (!isKept) {
      this.#forget(source);
    }
  }

  /** The expiry of an entry that was read, in memory or, where that has no room for it, in the tier: one that slides lives on. */
  #used({ source, text }: TierKey, expiry: Expiry): Expiry {
    const nowMs = this.wall.monotonic();
    if (expiry.slideMs === 0 || expiry.atMs <= nowMs) {
      return expiry;
    }
    const atMs = Math.max(expiry.atMs, nowMs + expiry.slideMs);
    const { blocks, contents } = this.#shard;
    const block = contents.find(source);
    if (block !== 0) blocks.slide(block, nowMs);
    else this.keeper.slide(text, this.wall.wallOf(atMs));
    return { ...expiry, atMs };
  }

  #forget(source: TierKey['source']): void {
    const { contents } = this.#shard;
    const block = contents.find(source);
    if (block !== 0) {
      this.#isForgetting = true;
      tolerating(() => contents.remove(block, 'evict'));
      this.#isForgetting = false;
    }
  }

  /**
   * A server tells of what it drops when its time is over, too. What has expired in memory is not served by itself, but may have a
   * grace, and somebody is to be told that it has expired.
   */
  #hasExpired(source: TierKey['source']): boolean {
    const block = this.#shard.contents.find(source);
    return block !== 0 && this.#shard.isExpired(block);
  }

  /**
   * Reads have let an entry live on, in memory, which it leaves. Of one that memory must forget the tier knows more, as it does of
   * one that is being written: with a ttl that may be shorter.
   */
  #slideOn(block: number): void {
    const { blocks } = this.#shard;
    const id = idOf({ hashLow: blocks.hashLowOf(block) });
    if (!this.#isForgetting && !this.#freshness.isUnderWay(id)) {
      this.keeper.slide(engineKeyOf(blocks.keyOf(block)), this.wall.wallOf(blocks.expiresAt(block)));
    }
  }

  #forgetAll(): void {
    tolerating(() => void this.#shard.clear());
  }

  /** Others may write keys that no cache has. */
  #sourceOf(text: string): TierKey['source'] | undefined {
    try {
      this.#encoder.encode(keyOfEngineKey(text));
    } catch (error) {
      if (error instanceof CacheError || error instanceof TypeError) return undefined;
      throw error;
    }
    return keyOf(this.#encoder);
  }
}

/** The key of a record, or of an entry in memory. */
export function tierKeyOf(source: TierKey['source'], bytes: Uint8Array): TierKey {
  return { text: engineKeyOf(decodeKey(bytes, source.encoding)), id: idOf(source), source };
}

/** Tells keys that are under way from each other; two that share it wait for each other. */
export function idOf({ hashLow }: Pick<EntrySource, 'hashLow'>): number {
  return hashLow;
}

/** A fault of the user's policy has been counted and told; the tier has what is to be kept, and what was to leave has left. */
function tolerating(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof PolicyFault)) throw error;
  }
}
