/**
 * The facade: each method finds the shard of a key and either looks into its memory or asks its owner.
 *
 * A get looks, unless this client has written to the key and not heard back, the stripe stays busy, or a ring is full:
 * then it queues behind the write, in the same lane. Every change is a call. Async methods always reject and never throw.
 */

import { CacheError, misuse } from '../protocol/errors.ts';
import { checkKey, KeyEncoder, shardOf } from '../protocol/key.ts';
import {
  OP_CLEAR,
  OP_DELETE,
  OP_GET,
  OP_HAS,
  OP_METRICS,
  OP_PEEK,
  OP_SET,
  OP_SIZE,
  type ShardCounts,
  type StoredValue,
} from '../protocol/operations.ts';
import { BUSY, HIT, MISS } from '../protocol/reader.ts';
import type { Result } from '../protocol/reply.ts';
import { Call, type CallLimits, type CallOptions, type CallValue, callLimits, NO_VALUE, type Waiter } from './call.ts';
import { Gathering } from './gathering.ts';
import { type CacheMetrics, sumMetrics } from './metrics.ts';
import { type CacheConfig, type CacheOptions, newSeed, resolveOptions, resolveTimeout, resolveTtl } from './options.ts';
import { MsgpackCodec } from './serializers/msgpack.ts';
import type { ShardView } from './shard-view.ts';
import { type OpenShards, openShards } from './shards.ts';
import { EVER } from './units.ts';

export interface SetOptions extends CallOptions {
  /** Milliseconds, '30s', or null for ever; overrides the cache's `ttl`. */
  ttl?: number | string | null;
}

/** Up to so many calls of one method are one message to a shard. More are several, and the shard starts on the first. */
const ONE_MESSAGE_CALLS = 1_000;
const CLOSE_TIMEOUT_MS = 5_000;
/** Shared by all misses: a promise of undefined is like any other. */
const MISSED: Promise<undefined> = Promise.resolve(undefined);

/**
 * Opens a cache and the threads of its shards.
 *
 * Rejects with INVALID_CONFIG (see `.option`), UNKNOWN_PLUGIN (see `.available`) or INVALID_TTL.
 *
 * @example
 * const cache = await openCache({ maxBytes: '64mb', ttl: '10m' });
 * await cache.set('user:1', { name: 'Ada' });
 * await cache.get('user:1'); // { name: 'Ada' }
 * await cache.close();
 */
export async function openCache<V = unknown, K extends string = string>(
  options: CacheOptions = {},
): Promise<Cache<V, K>> {
  const config = resolveOptions(options);
  return new Cache<V, K>(config, await openShards(config));
}

export class Cache<V = unknown, K extends string = string> {
  /** The options in force, defaults filled in. */
  readonly config: CacheConfig;
  readonly #shards: readonly ShardView[];
  readonly #open: OpenShards;
  readonly #key = new KeyEncoder(newSeed());
  readonly #codec = new MsgpackCodec();
  #closing: Promise<void> | undefined;

  /** Use `openCache`. */
  constructor(config: CacheConfig, open: OpenShards) {
    this.config = config;
    this.#open = open;
    this.#shards = open.views;
  }

  /** The value under a key, or undefined. A fresh copy each time. Counts a hit or a miss and keeps the entry warm. */
  get(key: K, options?: CallOptions): Promise<V | undefined> {
    try {
      const limits = callLimits(options);
      const view = this.#aim(key);
      const seen = view.look(this.#key);
      if (seen === HIT) {
        return Promise.resolve(this.#take(view));
      }
      if (seen === MISS) {
        return MISSED;
      }
      return this.#ask(view, OP_GET, key, limits).then(this.#decode);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * What `get` would find in memory, without a promise. A key that this client has just written answers with what was
   * written, acknowledged or not. Throws BUSY when the key's stripe stays locked for 250 ms (its shard died in the middle of
   * a change, or this thread starves it).
   */
  getSync(key: K): V | undefined {
    const view = this.#aim(key);
    const own = view.lane.ownWrite(this.#key);
    if (own !== undefined) {
      return this.#takeOwn(view, own);
    }
    return view.lookSync(this.#key, key) === HIT ? this.#take(view) : undefined;
  }

  /** Stores a value, whatever was there. Resolves when every thread can read it. */
  set(key: K, value: V, options?: SetOptions): Promise<void> {
    try {
      const limits = callLimits(options);
      const ttlMs = this.#ttlOf(options);
      const view = this.#aim(key);
      const encoded = this.#encode(view, key, value, ttlMs);
      return view.lane.call(OP_SET, this.#key, key, limits, encoded) as Promise<undefined>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Removes a key. True if there was a live entry. */
  delete(key: K, options?: CallOptions): Promise<boolean> {
    try {
      const limits = callLimits(options);
      return this.#ask(this.#aim(key), OP_DELETE, key, limits) as Promise<boolean>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Whether a live entry is there. Counts nothing and warms nothing. */
  has(key: K, options?: CallOptions): Promise<boolean> {
    try {
      const limits = callLimits(options);
      const view = this.#aim(key);
      const seen = view.probe(this.#key);
      if (seen !== BUSY) {
        return Promise.resolve(seen === HIT);
      }
      return this.#ask(view, OP_HAS, key, limits) as Promise<boolean>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The value under a key, or undefined. Counts nothing and warms nothing. */
  peek(key: K, options?: CallOptions): Promise<V | undefined> {
    try {
      const limits = callLimits(options);
      const view = this.#aim(key);
      const seen = view.glance(this.#key);
      if (seen !== BUSY) {
        return seen === HIT ? Promise.resolve(this.#take(view)) : MISSED;
      }
      return this.#ask(view, OP_PEEK, key, limits).then(this.#decode);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The values that are there, by key, in the order of `keys`. Each key counts as a get. */
  async getMany(keys: Iterable<K>, options?: CallOptions): Promise<Map<K, V>> {
    const limits = callLimits(options);
    const asked = [...keys];
    const found = new Map<K, V>();
    const results = await this.#gather(asked, (key, waiter, index) => {
      const view = this.#aim(key);
      const seen = view.look(this.#key);
      if (seen === HIT) {
        waiter.resolve({ tag: view.reader.tag, bytes: Buffer.from(view.reader.value) }, index);
      } else if (seen === MISS) {
        waiter.resolve(undefined, index);
      } else {
        view.lane.submit(OP_GET, this.#key, new Call(key, waiter, index), limits, NO_VALUE);
      }
    });
    for (let i = 0; i < asked.length; i++) {
      if (results[i] !== undefined) {
        found.set(asked[i] as K, this.#decode(results[i]) as V);
      }
    }
    return found;
  }

  /**
   * Stores many values under one set of options. Keys and values are checked before the first is stored. However many
   * there are, no more wait at once than a shard's queue takes. Not atomic: other calls may see some before others.
   */
  async setMany(entries: Iterable<readonly [K, V]> | Readonly<Record<string, V>>, options?: SetOptions): Promise<void> {
    const limits = callLimits(options);
    const ttlMs = this.#ttlOf(options);
    const pairs = pairsOf<K, V>(entries);
    for (const [key, value] of pairs) {
      checkKey(key);
      this.#codec.check(value);
    }
    await this.#gather(pairs, ([key, value], waiter, index) => {
      const view = this.#aim(key);
      const encoded = this.#encode(view, key, value, ttlMs);
      view.lane.submit(OP_SET, this.#key, new Call(key, waiter, index), limits, encoded);
    });
  }

  /** Removes many keys and says how many had a live entry. */
  async deleteMany(keys: Iterable<K>, options?: CallOptions): Promise<number> {
    const limits = callLimits(options);
    const removed = await this.#gather([...keys], (key, waiter, index) => {
      this.#aim(key).lane.submit(OP_DELETE, this.#key, new Call(key, waiter, index), limits, NO_VALUE);
    });
    return removed.filter((result) => result === true).length;
  }

  /** Removes every entry and says how many there were. Shard by shard: not atomic over all of them. */
  clear(options?: CallOptions): Promise<number> {
    return this.#total(OP_CLEAR, options);
  }

  /** Entries in memory; expired ones count until they are swept. */
  size(options?: CallOptions): Promise<number> {
    return this.#total(OP_SIZE, options);
  }

  /** Counts and gauges, summed and for each shard. */
  async metrics(options?: CallOptions): Promise<CacheMetrics> {
    return sumMetrics((await this.#askAll(OP_METRICS, options)) as ShardCounts[], this.#shards);
  }

  /**
   * Waits up to `timeout` (default 5 s) for calls in flight, rejects those that are left with CACHE_CLOSED, and ends the
   * threads. Repeated calls return the same promise.
   */
  close({ timeout }: { timeout?: number | string } = {}): Promise<void> {
    this.#closing ??= this.#shutDown(timeout);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  toString(): string {
    const { shards, maxBytes, maxEntries, eviction } = this.config;
    const entries = maxEntries === EVER ? '' : `, maxEntries=${maxEntries}`;
    return `<Cache shards=${shards}, maxBytes=${maxBytes}${entries}, eviction='${eviction}'>`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) {
      throw new CacheError('CACHE_CLOSED', 'The cache is closed', { outcome: 'not-sent' });
    }
  }

  /** Encodes the key and names its shard. Throws INVALID_KEY or CACHE_CLOSED. */
  #aim(key: K): ShardView {
    this.#assertOpen();
    this.#key.encode(key);
    return this.#shards[shardOf(this.#key.hashHigh, this.#shards.length)] as ShardView;
  }

  #ask(view: ShardView, op: number, key: K | undefined, limits: CallLimits): Promise<Result> {
    return view.lane.call(op, this.#key, key, limits);
  }

  #encode(view: ShardView, key: K, value: V, ttlMs: number): CallValue {
    this.#codec.encode(value);
    const { tag, bytes, byteLength } = this.#codec;
    if (byteLength > view.limits.bytesMax) {
      throw new CacheError(
        'VALUE_TOO_LARGE',
        `A value of ${byteLength} bytes does not fit a shard of ${view.limits.bytesMax}. Raise \`maxBytes\` or use fewer \`shards\``,
        { key, shard: view.shard, outcome: 'not-sent' },
      );
    }
    return { tag, ttlMs: ttlMs === EVER ? 0 : ttlMs, bytes, byteLength };
  }

  async #askAll(op: number, options: CallOptions | undefined): Promise<Result[]> {
    const limits = callLimits(options);
    this.#assertOpen();
    this.#key.encode('');
    return await Promise.all(this.#shards.map((view) => this.#ask(view, op, undefined, limits)));
  }

  async #total(op: number, options: CallOptions | undefined): Promise<number> {
    const counts = (await this.#askAll(op, options)) as number[];
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * Makes one call for each item, pausing while a lane is crowded. When all have settled it returns their results, or
   * throws the first error.
   */
  async #gather<Item>(
    items: readonly Item[],
    submit: (item: Item, waiter: Waiter, index: number) => void,
  ): Promise<Result[]> {
    const gathering = new Gathering(items.length);
    for (let i = 0; i < items.length; i++) {
      try {
        submit(items[i] as Item, gathering, i);
      } catch (error) {
        gathering.reject(error);
      }
      if (items.length > ONE_MESSAGE_CALLS) {
        this.#hurry();
      }
      // An await ends the turn, and the frame with it: only where there is need.
      if (this.#isCrowded()) {
        await this.#elbowRoom();
      }
    }
    return await gathering.results;
  }

  #hurry(): void {
    for (const { lane } of this.#shards) {
      lane.hurry();
    }
  }

  /** Waits until every lane has room for more calls of one method. */
  async #elbowRoom(): Promise<void> {
    while (this.#isCrowded()) {
      const crowded = this.#shards.filter(({ lane }) => lane.isCrowded);
      await Promise.race(crowded.map(({ lane }) => lane.progress()));
    }
  }

  #isCrowded(): boolean {
    for (const { lane } of this.#shards) {
      if (lane.isCrowded) {
        return true;
      }
    }
    return false;
  }

  /** The value that the view's reader has just found. */
  #take({ reader }: ShardView): V {
    return this.#codec.decode(reader.tag, reader.bytes, reader.length) as V;
  }

  #takeOwn(view: ShardView, own: StoredValue | 'absent'): V | undefined {
    if (own === 'absent') {
      view.client.countMiss();
      return undefined;
    }
    view.client.countHit();
    return this.#codec.decode(own.tag, own.bytes, own.bytes.length) as V;
  }

  /** The value in a reply. */
  readonly #decode = (result: Result): V | undefined => {
    if (result === undefined) {
      return undefined;
    }
    const { tag, bytes } = result as StoredValue;
    return this.#codec.decode(tag, bytes, bytes.length) as V;
  };

  #ttlOf(options: SetOptions | undefined): number {
    return options === undefined ? this.config.ttl : resolveTtl(options.ttl, this.config.ttl);
  }

  async #shutDown(timeout: number | string | undefined): Promise<void> {
    const deadline = performance.now() + resolveTimeout(timeout, CLOSE_TIMEOUT_MS);
    const idle = Promise.all(this.#shards.map(({ lane }) => lane.drained()));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, deadline - performance.now());
    });
    await Promise.race([idle, late]);
    clearTimeout(timer);
    await this.#open.close();
  }
}

function pairsOf<K, V>(entries: Iterable<readonly [K, V]> | Readonly<Record<string, V>>): readonly (readonly [K, V])[] {
  if (typeof entries !== 'object' || entries === null) {
    throw misuse('INVALID_CONFIG', 'pairs of key and value, a Map, or an object', entries, { option: 'entries' });
  }
  return Symbol.iterator in entries
    ? [...(entries as Iterable<readonly [K, V]>)]
    : (Object.entries(entries) as unknown as readonly (readonly [K, V])[]);
}
