/**
 * The memory of a memo: a cache that is given, whose results all threads share; or one of the memos' own (own-cache.ts), which opens with
 * the first call, and keeps no process alive.
 *
 * Whatever it cannot do, it is not worth a call: what reads answers ABSENT, what writes rejects, and whoever calls tells of it.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { CacheError } from '../../protocol/errors.ts';
import type { Cache, SetOptions, TaskModule } from '../index.ts';
import { EVER } from '../units.ts';
import { ABSENT, box, unbox } from './boxed.ts';
import { hasBounds, type Lodging, lodge, type OwnBounds } from './own-cache.ts';
import { PendingResults } from './pending-results.ts';

const TIMER_MAX_MS = 2 ** 31 - 1;

export class Memory {
  /** Whether other threads may use the cache as well. */
  readonly isShared: boolean;
  #cache: Cache | undefined;
  #lodging: Promise<Lodging> | undefined;
  readonly #own: OwnBounds;
  readonly #ttlMs: number | undefined;
  readonly #onFault: (what: string, cause: unknown) => void;
  readonly #pending: PendingResults;
  #isClosed = false;

  constructor(
    given: Cache | undefined,
    own: OwnBounds,
    ttlMs: number | undefined,
    onFault: (what: string, cause: unknown) => void,
  ) {
    this.isShared = given !== undefined;
    this.#cache = given;
    this.#own = own;
    this.#ttlMs = ttlMs;
    this.#onFault = onFault;
    const sink = {
      opened: () => (this.#cache === undefined && !this.#isClosed ? this.open().catch(() => undefined) : undefined),
      write: (key: CacheKey, result: unknown, expiresAtMs: number) => this.#write(key, result, expiresAtMs),
      failed: (cause: unknown) => {
        // Who closes a cache has all of it forgotten: what was on its way, too.
        if (!isClosedCache(cause)) onFault('keep a result in its memory', cause);
      },
    };
    this.#pending = new PendingResults(sink, given === undefined ? 'msgpack' : given.config.serializer);
  }

  get isOpen(): boolean {
    return this.#cache !== undefined;
  }

  /** Rejects with INVALID_CONFIG, or CACHE_CLOSED. */
  async open(): Promise<Cache> {
    if (this.#cache !== undefined) {
      return this.#cache;
    }
    if (this.#isClosed) {
      throw new CacheError('CACHE_CLOSED', 'The memory of the memo is closed');
    }
    if (this.#lodging === undefined) {
      this.#lodging = lodge(this.#own);
      // Whoever comes next may be luckier.
      this.#lodging.catch(() => {
        this.#lodging = undefined;
      });
    }
    const { cache } = await this.#lodging;
    if (!this.#isClosed) this.#cache = cache;
    return cache;
  }

  /** The result of a call, or ABSENT. Counts as a get. */
  recall(key: CacheKey): unknown {
    const fresh = this.#pending.get(key);
    if (fresh !== ABSENT || this.#cache === undefined) {
      return fresh;
    }
    try {
      return unbox(this.#cache.getSync(key));
    } catch (cause) {
      this.#onFault('read its memory', cause);
      return ABSENT;
    }
  }

  /**
   * Keeps a result until `expiresAtMs`, from now on for this thread, and soon for others. Throws SERIALIZATION_ERROR for one that cannot be
   * kept; what else goes wrong is told.
   */
  keep(key: CacheKey, result: unknown, expiresAtMs: number): void {
    this.#pending.add(key, result, expiresAtMs);
  }

  /** Who keeps many results waits for this where it is a promise, so that they come no faster than they go. */
  room(): Promise<void> | undefined {
    return this.#pending.room();
  }

  /** Resolves when the cache has all that is kept. */
  flush(): Promise<void> {
    return this.#pending.flush();
  }

  /**
   * What `make` makes of a call that no thread has made yet: of all who ask in whatever thread one makes it, and the others get what
   * he has made. Rejects as `getOrSet` does.
   */
  async share(key: CacheKey, make: () => Promise<unknown>, leaseMs: number): Promise<unknown> {
    const cache = await this.open();
    const ttl = this.#ttlMs;
    const life = ttl === undefined ? {} : { ttl };
    // Every caller has a limit of his own.
    const limits = { timeout: TIMER_MAX_MS, leaseTimeout: leaseMs };
    return unbox(await cache.getOrSet(key, async () => box(await make()), { ...life, ...limits }));
  }

  /** Lets a result end at a time, where it would live longer. */
  async shorten(key: CacheKey, expiresAtMs: number): Promise<void> {
    const cache = await this.open();
    const leftMs = await cache.ttl(key);
    const untilMs = expiresAtMs - Date.now();
    if (leftMs !== undefined && leftMs > untilMs) await cache.expire(key, Math.max(1, untilMs));
  }

  async run(task: TaskModule, timeoutMs: number): Promise<unknown> {
    return await (await this.open()).run(task, { timeout: timeoutMs });
  }

  async has(key: CacheKey): Promise<boolean> {
    try {
      return this.#pending.has(key) || (this.#cache !== undefined && (await this.#cache.has(key)));
    } catch (cause) {
      this.#onFault('read its memory', cause);
      return false;
    }
  }

  async forget(key: CacheKey): Promise<boolean> {
    const wasPending = this.#pending.delete(key);
    const wasThere = this.#cache !== undefined && (await this.#cache.delete(key));
    return wasPending || wasThere;
  }

  /** All results of those keys of which `textOf` says that they are this memo's, with what it says. */
  async *entries(textOf: (key: CacheKey) => string | undefined): AsyncGenerator<[text: string, result: unknown]> {
    await this.flush();
    if (this.#cache === undefined) {
      return;
    }
    for await (const key of this.#cache.keys()) {
      const text = textOf(key);
      if (text === undefined) continue;
      const result = unbox(await this.#cache.peek(key));
      if (result !== ABSENT) yield [text, result];
    }
  }

  async *keys(textOf: (key: CacheKey) => string | undefined): AsyncGenerator<[text: string, key: CacheKey]> {
    await this.flush();
    if (this.#cache === undefined) {
      return;
    }
    for await (const key of this.#cache.keys()) {
      const text = textOf(key);
      if (text !== undefined) yield [text, key];
    }
  }

  /** Also what is to come under the keys `underway`. */
  async forgetAll(textOf: (key: CacheKey) => string | undefined, underway: readonly CacheKey[]): Promise<void> {
    this.#pending.clear();
    if (this.#cache === undefined) {
      return;
    }
    if (!this.isShared && hasBounds(this.#own)) {
      await this.#cache.clear();
      return;
    }
    const keys = [...underway];
    for await (const [, key] of this.keys(textOf)) keys.push(key);
    await this.#cache.deleteMany(keys);
  }

  /** A cache that was given stays open, and has all results. */
  async close(): Promise<void> {
    if (this.isShared) await this.flush();
    this.#isClosed = true;
    this.#cache = undefined;
    const lodging = await this.#lodging?.catch(() => undefined);
    this.#lodging = undefined;
    await lodging?.leave();
  }

  async #write(key: CacheKey, result: unknown, expiresAtMs: number): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    const cache = this.#cache ?? (await this.open());
    await cache.set(key, box(result), this.#lifeUntil(expiresAtMs));
  }

  #lifeUntil(expiresAtMs: number): SetOptions {
    if (expiresAtMs !== EVER) {
      return { ttl: Math.max(1, expiresAtMs - Date.now()) };
    }
    return this.#ttlMs === undefined ? {} : { ttl: null };
  }
}

function isClosedCache(cause: unknown): boolean {
  return cause instanceof CacheError && cause.code === 'CACHE_CLOSED';
}
