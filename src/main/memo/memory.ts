/**
 * The memory of a memo: a cache that is given, whose results all threads share; or one of the memo's own, which opens with the first
 * call, and keeps no process alive.
 *
 * Whatever it cannot do, it is not worth a call: what reads answers ABSENT, what writes rejects, and whoever calls tells of it.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { CacheError } from '../../protocol/errors.ts';
import { type Cache, openCache, type SetOptions, type TaskModule } from '../index.ts';
import { EVER } from '../units.ts';
import { ABSENT, box, unbox } from './boxed.ts';

const OWN_BYTES = '64mb';
const TIMER_MAX_MS = 2 ** 31 - 1;

export interface OwnMemory {
  readonly maxEntries: number | undefined;
  readonly maxBytes: number | string | undefined;
}

export class Memory {
  /** Whether others use the cache as well. */
  readonly isShared: boolean;
  #cache: Cache | undefined;
  #opening: Promise<Cache> | undefined;
  readonly #own: OwnMemory;
  readonly #ttlMs: number | undefined;
  readonly #onFault: (what: string, cause: unknown) => void;
  #isClosed = false;

  constructor(
    given: Cache | undefined,
    own: OwnMemory,
    ttlMs: number | undefined,
    onFault: (what: string, cause: unknown) => void,
  ) {
    this.isShared = given !== undefined;
    this.#cache = given;
    this.#own = own;
    this.#ttlMs = ttlMs;
    this.#onFault = onFault;
  }

  get isOpen(): boolean {
    return this.#cache !== undefined;
  }

  /** Rejects with INVALID_CONFIG, or CACHE_CLOSED. */
  async open(): Promise<Cache> {
    if (this.#cache !== undefined) {
      return this.#cache;
    }
    if (this.#opening === undefined) {
      this.#opening = this.#openOwn();
      // Whoever comes next may be luckier.
      this.#opening.catch(() => {
        this.#opening = undefined;
      });
    }
    return await this.#opening;
  }

  /** The result of a call, or ABSENT. Counts as a get. */
  recall(key: CacheKey): unknown {
    if (this.#cache === undefined) {
      return ABSENT;
    }
    try {
      return unbox(this.#cache.getSync(key));
    } catch (cause) {
      this.#onFault('read its memory', cause);
      return ABSENT;
    }
  }

  /** Keeps a result until `expiresAtMs`. What cannot become bytes is rejected at once. */
  keep(key: CacheKey, result: unknown, expiresAtMs: number): Promise<void> {
    const life = this.#lifeUntil(expiresAtMs);
    return this.#cache === undefined
      ? this.open().then((cache) => cache.set(key, box(result), life))
      : this.#cache.set(key, box(result), life);
  }

  /** Keeps many, of which nobody says when they end: each lives for the memo's ttl. */
  async keepAll(results: ReadonlyMap<CacheKey, unknown>): Promise<void> {
    const cache = await this.open();
    const ttl = this.#ttlMs;
    await cache.setMany(
      Array.from(results, ([key, result]) => [key, box(result)] as const),
      ttl === undefined ? {} : { ttl },
    );
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
    return this.#cache === undefined ? false : await this.#cache.has(key);
  }

  async forget(key: CacheKey): Promise<boolean> {
    return this.#cache === undefined ? false : await this.#cache.delete(key);
  }

  /** All results of those keys of which `textOf` says that they are this memo's, with what it says. */
  async *entries(textOf: (key: CacheKey) => string | undefined): AsyncGenerator<[text: string, result: unknown]> {
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
    if (this.#cache === undefined) {
      return;
    }
    for await (const key of this.#cache.keys()) {
      const text = textOf(key);
      if (text !== undefined) yield [text, key];
    }
  }

  async forgetAll(textOf: (key: CacheKey) => string | undefined): Promise<void> {
    if (this.#cache === undefined) {
      return;
    }
    if (!this.isShared) {
      await this.#cache.clear();
      return;
    }
    const keys: CacheKey[] = [];
    for await (const [, key] of this.keys(textOf)) keys.push(key);
    await this.#cache.deleteMany(keys);
  }

  /** A cache that was given stays open. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const cache = this.isShared ? undefined : (this.#cache ?? (await this.#opening?.catch(() => undefined)));
    this.#cache = undefined;
    await cache?.close();
  }

  async #openOwn(): Promise<Cache> {
    if (this.#isClosed) {
      throw new CacheError('CACHE_CLOSED', 'The memory of the memo is closed');
    }
    const { maxEntries, maxBytes = OWN_BYTES } = this.#own;
    const bounds = maxEntries === undefined ? { maxBytes } : { maxBytes, maxEntries };
    const cache = await openCache({ shards: 1, ...bounds });
    if (!this.#isClosed) this.#cache = cache;
    return cache;
  }

  #lifeUntil(expiresAtMs: number): SetOptions {
    if (expiresAtMs !== EVER) {
      return { ttl: Math.max(1, expiresAtMs - Date.now()) };
    }
    return this.#ttlMs === undefined ? {} : { ttl: null };
  }
}
