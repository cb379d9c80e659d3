/**
 * The facade: each method finds the shard of a key and either looks into its memory or asks its owner.
 *
 * A get looks, unless this client has written to the key and not heard back, the stripe stays busy, or a ring is full:
 * then it queues behind the write, in the same lane. Every change is a call. Async methods always reject and never throw.
 */

import type { ShardAdvice } from '../protocol/advice.ts';
import type { CacheKey } from '../protocol/cache-key.ts';
import { type Clock, monotonic } from '../protocol/clock.ts';
import { describe } from '../protocol/describe.ts';
import { CacheError, misuse } from '../protocol/errors.ts';
import { diskFiles } from '../protocol/files.ts';
import { decodeKey } from '../protocol/key.ts';
import {
  FLAG_COUNTED,
  FLAG_KEEP_TTL,
  FLAG_MEMORY_ONLY,
  OP_ADD,
  OP_ADVISE,
  OP_CLEANUP,
  OP_CLEAR,
  OP_DELETE,
  OP_DEMAND,
  OP_EXPIRE,
  OP_GET,
  OP_HAS,
  OP_INCREMENT,
  OP_LOOKUP,
  OP_METRICS,
  OP_PEEK,
  OP_POP,
  OP_POP_ITEM,
  OP_RESET_METRICS,
  OP_SET,
  OP_SIZE,
  OP_TIER_CLEANUP,
  OP_TIER_SIZE,
  OP_TOUCH,
  OP_TTL,
  OP_UPDATE,
  type ShardCounts,
  type StoredEntry,
  type StoredValue,
} from '../protocol/operations.ts';
import { BUSY, HIT, MISS } from '../protocol/reader.ts';
import type { Result } from '../protocol/reply.ts';
import { type CacheAdvice, combineAdvice, noAdvice } from './advice.ts';
import { deleteMany, getMany, setMany } from './batch.ts';
import { bodyOf, type CallLimits, type CallOptions, callLimits, type ExtentOptions, NO_BODY } from './call.ts';
import { Client } from './client.ts';
import { resolveTask, type TaskModule } from './compute.ts';
import { computing } from './computing.ts';
import {
  type ComputeOptions,
  type IncrementOptions,
  leaseWishOf,
  type SetOptions,
  slidingFlag,
  type TaskOptions,
  ttlOf,
  type UpdateOptions,
} from './entry-options.ts';
import { type CacheEventName, type CacheListener, Events } from './events.ts';
import { evictionName } from './eviction.ts';
import { type Factory, Flights, type Maker } from './flights.ts';
import { type CacheHandle, createHandle } from './handle.ts';
import { type CacheMetrics, noMetrics, sumMetrics } from './metrics.ts';
import { FORGOTTEN } from './near-cache.ts';
import { Notices } from './notices.ts';
import { optionError } from './option-errors.ts';
import {
  type CacheConfig,
  type CacheOptions,
  flagOr,
  hashSeedOf,
  resolveClock,
  resolveLogger,
  resolveOptions,
  resolveTtl,
  warningsOf,
} from './options.ts';
import { type ScanOptions, scanEntries, scanKeys } from './pages.ts';
import { Runs } from './runs.ts';
import {
  createCodec,
  extensionOf,
  isSerializerName,
  loadSerializer,
  resolveSerializer,
  type ValueCodec,
} from './serializers/index.ts';
import type { ShardView } from './shard-view.ts';
import { type CacheHome, openShards } from './shards.ts';
import { SnapshotCounts } from './snapshot/counts.ts';
import { formatOf, type SavedMetrics, saveMetricsTo } from './snapshot/metrics-file.ts';
import {
  askToLoad,
  askToSave,
  type LoadedSnapshot,
  type LoadOptions,
  limitsOf,
  type SavedSnapshot,
  type SaveMetricsOptions,
  type SaveOptions,
} from './snapshot/requests.ts';
import { resetTierMetrics, tierMetricsOf } from './tier/metrics.ts';
import { openTier } from './tier/open.ts';
import { resolveTier } from './tier/options.ts';
import { EVER } from './units.ts';

/** What `lookup` tells of a key. */
export type Lookup<V> =
  | {
      readonly status: 'hit';
      readonly from: 'memory' | 'tier';
      readonly value: V;
      /** Infinity where it lives for ever. */
      readonly ttlRemainingMs: number;
    }
  /** It was there, its time ran out, and `getOrThrow` has not said so yet. */
  | { readonly status: 'expired' }
  | { readonly status: 'miss' };

const CLOSE_TIMEOUT_MS = 5_000;
/** Shared by all misses: a promise of undefined is like any other. */
const MISSED: Promise<undefined> = Promise.resolve(undefined);

/**
 * Opens a cache and the threads of its shards.
 *
 * Rejects with INVALID_CONFIG (see `.option`), UNKNOWN_PLUGIN (see `.available`) or INVALID_TTL; where an eviction policy
 * of your own is to be loaded, with POLICY_ERROR when its factory throws, and TIMEOUT when it takes longer than `timeout`.
 * With `restore` or `autosave`, CACHE_LOAD_ERROR for what was saved and cannot be loaded, and LOCKED.
 * Where there is to be a `tier`, also with what its medium does: LOCKED, ENGINE_ERROR, STORE_CORRUPT, STORE_FOREIGN and
 * MISSING_DEPENDENCY.
 *
 * @example
 * const cache = await openCache({ maxBytes: '64mb', ttl: '10m' });
 * await cache.set('user:1', { name: 'Ada' });
 * await cache.get('user:1'); // { name: 'Ada' }
 * await cache.close();
 */
export async function openCache<V = unknown, K extends CacheKey = CacheKey>(
  options: CacheOptions = {},
): Promise<Cache<V, K>> {
  const memory = resolveOptions(options);
  const notices = new Notices(resolveLogger(options.logger), nameOf(memory));
  const clock = resolveClock(options.clock);
  const serializer = await loadSerializer(resolveSerializer(options.serializer));
  const codec = createCodec(serializer);
  const values = { codec, extension: extensionOf(serializer) };
  const resolved = await resolveTier(options.tier);
  for (const warning of warningsOf(memory)) {
    notices.tell('warning', warning);
  }
  const purpose = { shards: memory.shards, serializer: codec.name, seed: hashSeedOf(memory) };
  const tier = resolved && (await openTier(resolved, purpose, memory, diskFiles, notices));
  const config = tier === undefined ? memory : Object.freeze({ ...memory, tier: tier.config });
  try {
    const home = await openShards(config, clock, values, notices, tier);
    notices.tell('open', `Opened ${nameOf(config)}`, { config });
    return new Cache<V, K>(home, codec, clock ?? monotonic, notices);
  } catch (error) {
    await tier?.close(CLOSE_TIMEOUT_MS);
    throw error;
  }
}

let crash: (cache: Cache, shard: number) => Promise<void>;

/** Ends the thread of a shard, as a crash would. Published in `shardstash/testing`. */
export function crashShard(cache: Cache, shard: number): Promise<void> {
  return crash(cache, shard);
}

export class Cache<V = unknown, K extends CacheKey = CacheKey> {
  static {
    crash = async (cache, shard) => {
      const { crash, facts } = cache.#home;
      if (crash === undefined) {
        throw misuse('INVALID_CONFIG', 'the cache that was opened, not one that was attached', cache, {
          option: 'cache',
        });
      }
      if (!Number.isInteger(shard) || shard < 0 || shard >= facts.config.shards) {
        throw optionError('shard', `the number of one of ${facts.config.shards} shards, from 0`, shard);
      }
      await crash.call(cache.#home, shard);
    };
  }

  /** The options in force, defaults filled in. */
  readonly config: CacheConfig;
  readonly #client: Client;
  readonly #home: CacheHome;
  readonly #flights: Flights;
  readonly #runs: Runs;
  readonly #events: Events;
  readonly #notices: Notices;
  /** The shard that the next popItem asks first. */
  #popAt = 0;
  #closing: Promise<void> | undefined;

  /** Use `openCache`, or `attachCache`. */
  constructor(home: CacheHome, codec: ValueCodec, clock: Clock, notices: Notices) {
    const { config, hashSeed, id } = home.facts;
    this.config = config;
    this.#home = home;
    this.#client = new Client(hashSeed, home.views, codec, clock, config.nearCache);
    this.#flights = new Flights(this.#client, notices, id);
    this.#runs = new Runs(home);
    this.#events = new Events(home.facts, home.views, notices);
    this.#notices = notices;
    void home.gone.then(() => this.#abandon());
  }

  /**
   * The value under a key, or undefined. A fresh copy each time, unless a near cache freezes or shares it. Counts a hit or a
   * miss and keeps the entry warm.
   */
  get(key: K, options?: CallOptions): Promise<V | undefined> {
    try {
      const limits = callLimits(options);
      const client = this.#client;
      const kept = client.recall(key);
      if (kept !== FORGOTTEN) {
        return Promise.resolve(kept as V);
      }
      const view = client.aim(key);
      const seen = view.look(client.key);
      if (seen === HIT) {
        return Promise.resolve(client.takeNear(key, view) as V);
      }
      if (seen === MISS) {
        return MISSED;
      }
      return client.ask(view, OP_GET, key, limits).then(this.#decode);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * What `get` would find in memory, without a promise. A key that this client has just set or deleted answers with that,
   * acknowledged or not; other writes show when they are acknowledged. Throws BUSY when the key's stripe stays locked for
   * 250 ms (its shard died in the middle of a change, or this thread starves it).
   */
  getSync(key: K): V | undefined {
    const client = this.#client;
    const kept = client.recallSync(key);
    if (kept !== FORGOTTEN) {
      return kept as V;
    }
    const view = client.aim(key);
    const own = view.lane.ownWrite(client.key);
    if (own !== undefined) {
      return this.#takeOwn(view, own);
    }
    return view.lookSync(client.key, key) === HIT ? (client.takeNear(key, view) as V) : undefined;
  }

  /** As `get`, but rejects with KEY_NOT_FOUND, or, once after it has expired, with KEY_EXPIRED. */
  getOrThrow(key: K, options?: CallOptions): Promise<V> {
    const take = (view: ShardView) => this.#client.takeNear(key, view) as V;
    return this.#lookOrAsk(key, options, OP_DEMAND, take, this.#decode) as Promise<V>;
  }

  /** As `get`, but tells a stored undefined from a miss and a miss from an expiry, and how long the value has left. */
  lookup(key: K, options?: CallOptions): Promise<Lookup<V>> {
    const take = (view: ShardView) => {
      // Before the value is decoded: a serializer of the user's may look something else up.
      const { leftMs } = view.reader;
      return hitOf(this.#client.take(view) as V, leftMs);
    };
    return this.#lookOrAsk(key, options, OP_LOOKUP, take, (result) => this.#lookupOf(result));
  }

  /** The value under a key, or undefined. Counts nothing and warms nothing. */
  peek(key: K, options?: CallOptions): Promise<V | undefined> {
    try {
      const limits = callLimits(options);
      const view = this.#client.aim(key);
      const seen = view.glance(this.#client.key);
      if (seen !== BUSY) {
        return seen === HIT ? Promise.resolve(this.#client.take(view) as V) : MISSED;
      }
      return this.#client.ask(view, OP_PEEK, key, limits).then(this.#decode);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Whether a live entry is there. Counts nothing and warms nothing. */
  has(key: K, options?: CallOptions): Promise<boolean> {
    return this.#probe(key, options, OP_HAS, (seen) => seen === HIT) as Promise<boolean>;
  }

  /** Keeps an entry warm, and lets one that slides live on, as a get would; but counts nothing. True if it is there. */
  touch(key: K, options?: CallOptions): Promise<boolean> {
    try {
      const limits = callLimits(options);
      const view = this.#client.aim(key);
      const seen = view.touch(this.#client.key);
      return seen === BUSY
        ? (this.#client.ask(view, OP_TOUCH, key, limits) as Promise<boolean>)
        : Promise.resolve(seen === HIT);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Milliseconds an entry has left, Infinity for one that lives for ever, undefined where there is none. */
  ttl(key: K, options?: CallOptions): Promise<number | undefined> {
    const left = (seen: number, view: ShardView) => (seen === HIT ? view.reader.leftMs : undefined);
    return this.#probe(key, options, OP_TTL, left) as Promise<number | undefined>;
  }

  /** Stores a value, whatever was there. Resolves when every thread can read it. */
  set(key: K, value: V, options?: SetOptions): Promise<void> {
    return this.#store(OP_SET, key, value, options);
  }

  /** Stores a value where there is none. Rejects with KEY_EXISTS. */
  add(key: K, value: V, options?: SetOptions): Promise<void> {
    return this.#store(OP_ADD, key, value, options);
  }

  /** Stores a value in the place of another. Rejects with KEY_NOT_FOUND or KEY_EXPIRED. */
  update(key: K, value: V, options?: UpdateOptions): Promise<void> {
    try {
      return this.#store(
        OP_UPDATE,
        key,
        value,
        options,
        flagOr('keepTtl', options?.keepTtl, false) ? FLAG_KEEP_TTL : 0,
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The value under a key; where there is none, what `factory` makes of the key, which is stored. However many ask at
   * once, in however many threads, the factory runs once: all get its value, a copy each, or its error. A key that is
   * written meanwhile keeps what was written. With a `task` in the factory's place it is CPU-bound work, and runs in a
   * thread of the cache's `compute` pool. Rejects with TIMEOUT when it takes longer than `timeout` (default: the
   * cache's), and REENTRANT_CALL where the factory asks for its own key. When the thread that owns the key dies meanwhile,
   * a second factory may run.
   *
   * @example
   * await cache.getOrSet('user:1', () => db.user(1), { ttl: '10m', grace: '1h' });
   * const task = { module: new URL('./report.js', import.meta.url), export: 'render', args: [2026] };
   * await cache.getOrSet('report:2026', { task });
   */
  getOrSet(key: K, factory: Factory<V, K>, options?: ComputeOptions): Promise<V>;
  getOrSet(key: K, options: TaskOptions): Promise<V>;
  getOrSet(key: K, factory: Factory<V, K> | TaskOptions, options?: ComputeOptions): Promise<V> {
    try {
      const isTask = typeof factory === 'object' && factory !== null && 'task' in factory;
      const given = isTask ? factory : options;
      const { signal, timeoutMs } = callLimits(given);
      const wish = leaseWishOf(this.config, given);
      const make = isTask ? this.#makerOf(factory) : this.#makerBy(factory as Factory<V, K>, key);
      const client = this.#client;
      const kept = client.recall(key);
      if (kept !== FORGOTTEN) {
        return Promise.resolve(kept as V);
      }
      const view = client.aim(key);
      const seen = view.look(client.key);
      if (seen === HIT) {
        return Promise.resolve(client.takeNear(key, view) as V);
      }
      const limits = { signal, timeoutMs: timeoutMs === 0 ? this.config.timeout : timeoutMs };
      const counted = seen === MISS ? { ...wish, flags: wish.flags | FLAG_COUNTED } : wish;
      return this.#flights.join(key, make, counted, limits).then(this.#decode) as Promise<V>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Runs a task in a thread of the cache's `compute` pool and resolves to what it makes; nothing is stored, nor looked for.
   * Rejects as `getOrSet` with a `task` does; TIMEOUT (default: the cache's `timeout`) and `signal` end its thread.
   *
   * @example
   * const page = await cache.run({ module: new URL('./report.js', import.meta.url), export: 'render', args: [2026] });
   */
  async run(task: TaskModule, options?: CallOptions): Promise<unknown> {
    const { signal, timeoutMs } = callLimits(options);
    this.#client.assertOpen();
    const limits = { signal, timeoutMs: timeoutMs === 0 ? this.config.timeout : timeoutMs };
    return this.#client.valueOf(await this.#runs.run(resolveTask(task), limits));
  }

  /**
   * Adds to a number and resolves to the sum; nothing comes between. An entry that is there keeps its ttl. Rejects with
   * SERIALIZATION_ERROR where the value is no number.
   */
  async increment(key: K, by = 1, options?: IncrementOptions): Promise<number> {
    const limits = callLimits(options);
    const initial = options?.initial ?? 0;
    assertNumber('by', by);
    assertNumber('initial', initial);
    const bytes = Buffer.alloc(16);
    bytes.writeDoubleLE(by, 0);
    bytes.writeDoubleLE(initial, 8);
    const body = bodyOf(ttlOf(this.config, options), slidingFlag(this.config, options), bytes);
    const sum = await this.#client.ask(this.#client.aim(key), OP_INCREMENT, key, limits, body);
    if (sum === false) {
      throw notNumber(key);
    }
    return sum as number;
  }

  /** Gives an entry another ttl, null for ever. Rejects with KEY_NOT_FOUND or KEY_EXPIRED. */
  async expire(key: K, ttl: number | string | null, options?: CallOptions): Promise<void> {
    const limits = callLimits(options);
    const ttlMs = resolveTtl(ttl);
    await this.#client.ask(this.#client.aim(key), OP_EXPIRE, key, limits, bodyOf(ttlMs === EVER ? 0 : ttlMs));
  }

  /** Removes a key. True if there was a live entry. */
  async delete(key: K, options?: CallOptions): Promise<boolean> {
    const limits = callLimits(options);
    return (await this.#client.ask(this.#client.aim(key), OP_DELETE, key, limits)) as boolean;
  }

  /** Removes a key and resolves to the value it had, undefined where there was none. Counts as a get. */
  async pop(key: K, options?: CallOptions): Promise<V | undefined> {
    const limits = callLimits(options);
    return this.#decode(await this.#client.ask(this.#client.aim(key), OP_POP, key, limits));
  }

  /**
   * Removes some entry, and resolves to its key and value; undefined when the cache is empty. In each shard it is the one
   * that would be evicted next, where the policy knows.
   */
  async popItem(options?: CallOptions): Promise<[K, V] | undefined> {
    const limits = callLimits(options);
    const { views } = this.#client;
    this.#popAt = (this.#popAt + 1) % views.length;
    const order = [...views.slice(this.#popAt), ...views.slice(0, this.#popAt)];
    for (const view of order) {
      let entry: StoredEntry | undefined | false = false;
      while (entry === false) {
        // So much had expired there that the shard let others go before: what it removed does not come again.
        entry = (await this.#client.askShard(view, OP_POP_ITEM, limits)) as StoredEntry | undefined | false;
      }
      if (entry !== undefined) {
        return [decodeKey(entry.key, entry.encoding) as K, this.#decode(entry.value) as V];
      }
    }
    return undefined;
  }

  /** The values that are there, by key, in the order of `keys`. Each key counts as a get. */
  async getMany(keys: Iterable<K>, options?: CallOptions): Promise<Map<K, V>> {
    return (await getMany(this.#client, listOf(keys), callLimits(options))) as Map<K, V>;
  }

  /**
   * Stores many values under one set of options. Keys and values are checked before the first is stored, but for their
   * size. However many there are, no more wait at once than a shard's queue takes. Not atomic: other calls may see some
   * before others.
   */
  async setMany(entries: Iterable<readonly [K, V]> | Readonly<Record<string, V>>, options?: SetOptions): Promise<void> {
    const limits = callLimits(options);
    await setMany(
      this.#client,
      pairsOf(entries),
      ttlOf(this.config, options),
      slidingFlag(this.config, options),
      limits,
    );
  }

  /** Removes many keys and says how many had a live entry. */
  async deleteMany(keys: Iterable<K>, options?: CallOptions): Promise<number> {
    return await deleteMany(this.#client, listOf(keys), callLimits(options));
  }

  /**
   * All keys in memory, or, with `from: 'tier'`, in the tier; in no order that means anything. One that is there throughout
   * comes exactly once; one that comes or goes meanwhile may or may not. Counts nothing and warms nothing.
   */
  keys(options?: ScanOptions): AsyncGenerator<K, void, undefined> {
    this.#isOfTier(options);
    return scanKeys(this.#client, options) as AsyncGenerator<K, void, undefined>;
  }

  /** All values, as `keys` goes through them. */
  async *values(options?: ScanOptions): AsyncGenerator<V, void, undefined> {
    for await (const [, value] of this.entries(options)) {
      yield value;
    }
  }

  /** All pairs of key and value, as `keys` goes through them. */
  entries(options?: ScanOptions): AsyncGenerator<[K, V], void, undefined> {
    this.#isOfTier(options);
    return scanEntries(this.#client, options) as AsyncGenerator<[K, V], void, undefined>;
  }

  [Symbol.asyncIterator](): AsyncGenerator<[K, V], void, undefined> {
    return this.entries();
  }

  /** A copy of all entries, as `entries` goes through them. */
  async toMap(options?: ScanOptions): Promise<Map<K, V>> {
    const map = new Map<K, V>();
    for await (const [key, value] of this.entries(options)) {
      map.set(key, value);
    }
    return map;
  }

  /**
   * Removes every entry, of the tier, too, and says how many there were; with `from: 'memory'` the tier keeps its own. Shard by
   * shard: not atomic over all of them.
   */
  async clear(options?: ExtentOptions): Promise<number> {
    const ofMemory = !this.#isOfTier(options) && options?.from === 'memory';
    return await this.#total(OP_CLEAR, options, bodyOf(0, ofMemory ? FLAG_MEMORY_ONLY : 0));
  }

  /** Entries in memory, or, with `from: 'tier'`, in the tier; expired ones count until they are swept. */
  async size(options?: ExtentOptions): Promise<number> {
    return this.#isOfTier(options) ? await this.#ofTier(OP_TIER_SIZE, options) : await this.#total(OP_SIZE, options);
  }

  /** Entries that have not expired: sweeps first. */
  async validSize(options?: ExtentOptions): Promise<number> {
    await this.cleanup(options);
    return await this.size(options);
  }

  /**
   * Removes what has expired from memory, or, with `from: 'tier'`, from the tier, which nobody sweeps else; and says how many. In
   * pieces: other calls come in between.
   */
  async cleanup(options?: ExtentOptions): Promise<number> {
    if (this.#isOfTier(options)) {
      return await this.#ofTier(OP_TIER_CLEANUP, options);
    }
    const limits = callLimits(options);
    const removed = await Promise.all(this.#client.views.map((view) => this.#cleanUp(view, limits)));
    return sum(removed);
  }

  /** Counts and gauges, summed and for each shard. All zero, and `enabled` false, for a cache without `metrics`. */
  async metrics(options?: CallOptions): Promise<CacheMetrics> {
    const limits = callLimits(options);
    if (!this.config.metrics) {
      this.#client.assertOpen();
      return noMetrics(this.config.shards);
    }
    const told = this.#client.views.map((view) => this.#countsOf(view, limits));
    const { tierCounts, snapshotCounts } = this.#home.facts;
    return sumMetrics(await Promise.all(told), tierMetricsOf(tierCounts), new SnapshotCounts(snapshotCounts).metrics());
  }

  /**
   * Writes `metrics()` into a file, as JSON, CSV or text for Prometheus; replaces it as a whole. Without a path, to the place that
   * `metricsStorage` names; a bare name is put there, too. Rejects with CACHE_METRICS_SAVE_ERROR.
   *
   * @example
   * await cache.saveMetrics('/var/lib/node_exporter/cache.prom');
   */
  async saveMetrics(path?: string, options?: SaveMetricsOptions): Promise<SavedMetrics> {
    const { signal, timeoutMs } = limitsOf(options, ['useTimestamp', 'format']);
    const { metricsStorage } = this.config;
    const useTimestamp = flagOr('useTimestamp', options?.useTimestamp, metricsStorage.timestamps);
    const format = formatOf(options?.format);
    const limits = { ...(signal && { signal }), ...(timeoutMs > 0 && { timeout: timeoutMs }) };
    return saveMetricsTo(diskFiles, metricsStorage, await this.metrics(limits), { path, useTimestamp, format });
  }

  /**
   * Writes all entries into one file, which `load` reads, also with another number of shards; the cache goes on meanwhile. What is
   * written to a key while the file is being written is in it, or is not. Without a path, to the place that `storage` names; a bare name
   * is put there, too, and a missing extension is appended. A path that ends in .json makes text of it. The file that was there is replaced
   * when the new one is whole and on the disk; a save that fails, or is aborted, leaves it as it was. It takes as long as it takes,
   * unless there is a `timeout`.
   *
   * Rejects with CACHE_SAVE_ERROR (see `.path` and `.cause`), LOCKED where another process saves into that directory, SHARD_DOWN,
   * SHARD_FAILED, OVERLOADED, TIMEOUT and CACHE_CLOSED.
   *
   * @example
   * await cache.save(); // { path: '/srv/app/cache_storage/cache_data.snapshot', entries: 10000, bytes: 1234567 }
   * await cache.save('nightly', { useTimestamp: true });
   */
  async save(path?: string, options?: SaveOptions): Promise<SavedSnapshot> {
    this.#client.assertOpen();
    return await askToSave(this.#home.snapshots, path, options);
  }

  /**
   * Replaces what is in the cache with what was saved, or, with `merge`, adds it; what is written or deleted meanwhile is newer, and stays so.
   * The file may be binary or text, whatever it is called. Nothing changes before all of it has been checked. Entries that have
   * expired are left out, and so are the coldest where there is no room for all; whoever comes first is evicted first, as before, where the
   * policy is the same. Without a path it reads what `save()` has written, the newest of them where names have the time in them.
   * `signal` and `timeout` count until the cache begins to change.
   *
   * Rejects with CACHE_LOAD_ERROR (see `.path` and `.cause`), INVALID_CONFIG for a cache with a `tier`, which keeps its entries by itself,
   * OVERLOADED, TIMEOUT and CACHE_CLOSED; with SHARD_DOWN or SHARD_FAILED where a shard has no owner, and then, if it lost that in the
   * middle, with a part of it loaded.
   *
   * @example
   * await cache.save('my_cache_file');
   * await cache.clear();
   * await cache.load('my_cache_file'); // { loaded: 10000, expired: 0, evicted: 0 }
   */
  async load(path?: string, options?: LoadOptions): Promise<LoadedSnapshot> {
    this.#client.assertOpen();
    return await askToLoad(this.#home.snapshots, path, options);
  }

  /**
   * What half, twice and four times the size would have hit since the cache was opened, what other policies would have,
   * which keys are hot and how evenly the shards are used, with one recommendation. Nothing, and `enabled` false, for a
   * cache without `advise`. Numbers are predictions, each with its margin; see `ready`.
   *
   * @example
   * const cache = await openCache({ maxEntries: 10_000, advise: true });
   * // ... some minutes of gets and sets ...
   * const { sizes, recommendation } = await cache.advise();
   */
  async advise(options?: CallOptions): Promise<CacheAdvice<K>> {
    const limits = callLimits(options);
    const { advise, maxEntries, maxBytes, eviction } = this.config;
    if (advise === false) {
      this.#client.assertOpen();
      return noAdvice();
    }
    const shards = (await this.#client.askAll(OP_ADVISE, limits)) as ShardAdvice[];
    return combineAdvice(shards, { maxEntries, maxBytes, eviction: evictionName(eviction) });
  }

  /** Lets every count begin at zero again, for `advise` too, and every peak at what there is. The entries stay. */
  async resetMetrics(options?: CallOptions): Promise<void> {
    await this.#client.askAll(OP_RESET_METRICS, callLimits(options));
    resetTierMetrics(this.#home.facts.tierCounts);
    new SnapshotCounts(this.#home.facts.snapshotCounts).reset();
  }

  /**
   * Lets `listener` hear of entries that leave, whoever's call it was, or of shards' threads that come and go. It is handed
   * batches: the keys of one shard that left for one reason, in order, a few milliseconds after they did. Nobody waits for a
   * listener: one that is too slow, or whose thread is busy, misses events, and is told how many. Where it returns a
   * promise, its next batch waits until that settles. What it throws is an uncaught exception. It does not keep the process
   * alive. Throws INVALID_CONFIG and CACHE_CLOSED.
   *
   * @example
   * cache.on('evict', ({ keys, dropped }) => console.log(`${keys.length} had to go, ${dropped} more nobody told us of`));
   */
  on<E extends CacheEventName>(event: E, listener: CacheListener<E, K>): this {
    this.#client.assertOpen();
    this.#events.on(event, listener);
    return this;
  }

  /** Lets `listener` hear of that event no more. Throws INVALID_CONFIG and CACHE_CLOSED. */
  off<E extends CacheEventName>(event: E, listener: CacheListener<E, K>): this {
    this.#client.assertOpen();
    this.#events.off(event, listener);
    return this;
  }

  /**
   * What another thread needs to join this cache with `attachCache`: one for each client, to be sent with
   * `handle.transfer` in the transfer list. Throws CACHE_CLOSED, OVERLOADED when too many were made and never used, and
   * INVALID_CONFIG where the cache has a serializer that other threads cannot load.
   *
   * @example
   * const handle = cache.handle();
   * worker.postMessage({ handle }, handle.transfer);
   */
  handle(): CacheHandle {
    this.#client.assertOpen();
    const { serializer } = this.config;
    if (typeof serializer === 'string' && !isSerializerName(serializer)) {
      throw optionError('serializer', 'a name, or a module, which other threads can load as well', serializer);
    }
    const { handle, opener } = createHandle(this.#home.facts);
    this.#home.expect(opener);
    return handle;
  }

  /**
   * Waits up to `timeout` (default 5 s) for calls in flight, saves and loads among them, rejects those that are left with
   * CACHE_CLOSED, and ends the threads. With `autosave` it saves before it ends them, which has no limit, and rejects as `save` does
   * where that fails. In a thread that has attached it leaves the cache, which goes on for all others. Repeated calls return the
   * same promise.
   */
  close(options?: Pick<CallOptions, 'timeout'>): Promise<void> {
    try {
      const { timeoutMs } = callLimits(options);
      this.#closing ??= this.#shutDown(timeoutMs === 0 ? CLOSE_TIMEOUT_MS : timeoutMs);
      return this.#closing;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  toString(): string {
    return nameOf(this.config);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  #store(op: number, key: K, value: V, options: SetOptions | undefined, flags = 0): Promise<void> {
    try {
      const limits = callLimits(options);
      const ttlMs = ttlOf(this.config, options);
      const client = this.#client;
      const own = client.steady(key);
      const body = client.bodyOf(value, ttlMs, flags | slidingFlag(this.config, options));
      return client.ask(client.aimWith(body, own), op, own, limits, body) as Promise<undefined>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A get that asks the owner on a miss. */
  #lookOrAsk<T>(
    key: K,
    options: CallOptions | undefined,
    op: number,
    take: (view: ShardView) => T,
    read: (result: Result) => T,
  ): Promise<T> {
    try {
      const limits = callLimits(options);
      const client = this.#client;
      const kept = op === OP_DEMAND ? client.recall(key) : FORGOTTEN;
      if (kept !== FORGOTTEN) {
        return Promise.resolve(kept as T);
      }
      const view = client.aim(key);
      const seen = view.look(client.key);
      if (seen === HIT) {
        return Promise.resolve(take(view));
      }
      return client.ask(view, op, key, limits, seen === MISS ? COUNTED : NO_BODY).then(read);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** What can be said of a key without its value, by looking or else by asking. */
  #probe<T>(
    key: K,
    options: CallOptions | undefined,
    op: number,
    tell: (seen: number, view: ShardView) => T,
  ): Promise<unknown> {
    try {
      const limits = callLimits(options);
      const view = this.#client.aim(key);
      const seen = view.probe(this.#client.key);
      return seen === BUSY ? this.#client.ask(view, op, key, limits) : Promise.resolve(tell(seen, view));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #total(op: number, options: CallOptions | undefined, body = NO_BODY): Promise<number> {
    return sum((await this.#client.askAll(op, callLimits(options), body)) as number[]);
  }

  async #ofTier(op: number, options: CallOptions | undefined): Promise<number> {
    return (await this.#client.askTier(op, callLimits(options))) as number;
  }

  /** Throws INVALID_CONFIG where there is no such thing. */
  #isOfTier(options: ExtentOptions | undefined): boolean {
    const from = options?.from;
    if (from !== undefined && from !== 'memory' && from !== 'tier') {
      throw optionError('from', "'memory' or 'tier'", from);
    }
    if (from === 'tier' && this.config.tier === false) {
      throw optionError('from', "'memory': the cache was opened without a `tier`", from);
    }
    return from === 'tier';
  }

  /** Undefined of a shard that has failed. */
  async #countsOf(view: ShardView, limits: CallLimits): Promise<ShardCounts | undefined> {
    try {
      return (await this.#client.askShard(view, OP_METRICS, limits)) as ShardCounts;
    } catch (error) {
      if (error instanceof CacheError && error.code === 'SHARD_FAILED') return undefined;
      throw error;
    }
  }

  async #cleanUp(view: ShardView, limits: CallLimits): Promise<number> {
    let removed = 0;
    for (;;) {
      const answer = (await this.#client.askShard(view, OP_CLEANUP, limits)) as number;
      if (answer >= 0) {
        return removed + answer;
      }
      removed += -1 - answer;
    }
  }

  #takeOwn(view: ShardView, own: StoredValue | 'absent'): V | undefined {
    if (own === 'absent') {
      view.client.countMiss();
      return undefined;
    }
    view.client.countHit();
    return this.#client.valueOf(own) as V;
  }

  /** The value in a reply. */
  readonly #decode = (result: Result): V | undefined =>
    result === undefined ? undefined : (this.#client.valueOf(result as StoredValue) as V);

  #lookupOf(result: Result): Lookup<V> {
    if (result === undefined || result === true) {
      return { status: result === true ? 'expired' : 'miss' };
    }
    const stored = result as StoredValue;
    const from = stored.isFromTier === true ? 'tier' : 'memory';
    return hitOf(this.#client.valueOf(stored) as V, stored.leftMs ?? EVER, from);
  }

  async #shutDown(timeoutMs: number): Promise<void> {
    this.#client.close();
    this.#events.close();
    this.#home.beginClose();
    const lanes = this.#client.views.map(({ lane }) => lane.drained());
    const { snapshots } = this.#home;
    const idle = Promise.all([...lanes, this.#flights.drained(), this.#runs.drained(), snapshots.drained()]);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([idle, late]);
    clearTimeout(timer);
    this.#failComputations();
    try {
      await this.#home.close(timeoutMs);
    } finally {
      this.#notices.tell('close', `Closed ${this}`);
    }
  }

  /** Somebody else has closed the cache. */
  #abandon(): void {
    this.#client.close();
    this.#events.close();
    this.#closing ??= Promise.resolve();
    this.#failComputations();
  }

  #failComputations(): void {
    const error = new CacheError('CACHE_CLOSED', 'The cache was closed before the value was computed');
    this.#flights.fail(error);
    this.#runs.fail(error);
  }

  #makerBy(factory: Factory<V, K>, key: K): Maker {
    if (typeof factory !== 'function') {
      throw misuse('INVALID_CONFIG', 'a function that makes the value, or options with a `task`', factory, {
        option: 'factory',
      });
    }
    const { codec } = this.#client;
    return async (chain, signal) => {
      codec.encode(await computing.run(chain, () => factory(key, { signal })));
      return { tag: codec.tag, bytes: Buffer.from(codec.bytes.subarray(0, codec.byteLength)) };
    };
  }

  #makerOf(options: TaskOptions): Maker {
    const task = resolveTask(options.task);
    return (chain, signal) => this.#home.compute(task, chain, signal);
  }
}

const COUNTED = bodyOf(0, FLAG_COUNTED);

/** How a cache calls itself. */
export function nameOf({ shards, maxBytes, maxEntries, eviction }: CacheConfig): string {
  const entries = maxEntries === EVER ? '' : `, maxEntries=${maxEntries}`;
  return `<Cache shards=${shards}, maxBytes=${maxBytes}${entries}, eviction='${evictionName(eviction)}'>`;
}

function hitOf<V>(value: V, ttlRemainingMs: number, from: 'memory' | 'tier' = 'memory'): Lookup<V> {
  return { status: 'hit', from, value, ttlRemainingMs };
}

function notNumber(key: CacheKey): TypeError {
  const message = `Expected a number under the key ${describe(key)}, to add to. Its value is another; \`set\` a number first`;
  return Object.assign(new TypeError(message), { code: 'SERIALIZATION_ERROR', key });
}

function assertNumber(option: string, value: unknown): void {
  if (!Number.isFinite(value)) {
    throw optionError(option, 'a finite number', value);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** A string could be one, of its letters, but nobody means that. */
function listOf<K>(keys: Iterable<K>): readonly K[] {
  if (typeof keys !== 'object' || keys === null || !(Symbol.iterator in keys)) {
    throw misuse('INVALID_CONFIG', 'an array of keys, or another iterable', keys, { option: 'keys' });
  }
  return [...keys];
}

function pairsOf<K, V>(entries: Iterable<readonly [K, V]> | Readonly<Record<string, V>>): readonly (readonly [K, V])[] {
  if (typeof entries !== 'object' || entries === null) {
    throw misuse('INVALID_CONFIG', 'pairs of key and value, a Map, or an object', entries, { option: 'entries' });
  }
  if (!(Symbol.iterator in entries)) {
    return Object.entries(entries) as unknown as readonly (readonly [K, V])[];
  }
  const pairs = [...(entries as Iterable<readonly [K, V]>)];
  const stranger = pairs.findIndex((pair) => !Array.isArray(pair) || pair.length !== 2);
  if (stranger !== -1) {
    throw misuse('INVALID_CONFIG', 'pairs of key and value', pairs[stranger], { option: 'entries' });
  }
  return pairs;
}
