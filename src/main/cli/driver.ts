/**
 * Clients that share a list of requests: each gets, and after a miss sets, with at most `concurrency` of them at once.
 *
 * A get of shared memory never leaves the microtasks. Were all clients to run side by side, each would measure the queue
 * of the others, 64 gets for one. So a client runs alone until it waits for a shard, and the next one starts then: at once
 * where the wait is known (a set, any get with reads: 'owner'), so that the calls of a turn share a frame; else at the next
 * tick, which comes when the microtasks are done and everybody waits. A client ends with its first miss or with the turn.
 * A turn ends after TURN_MS, since microtasks would starve the event loop: sockets, timers, replies of shards.
 *
 * Requests of one key keep the order of the trace, so that what one stores is there for the next. With one client all
 * requests do: get, on a miss set and wait for it, then the next.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cache, CacheError, type CacheErrorCode, type MisuseCode } from '../index.ts';
import { type Batch, EMPTY_BATCH, keysOf, UNSET } from './batch.ts';

/** How long gets may hold the event loop. */
const TURN_MS = 0.5;
/** Pause before a set that found its shard's queue full is tried again. */
const OVERLOADED_PAUSE_MS = 1;
const NS_PER_MS = 1e6;
const MS_PER_SECOND = 1_000;
/** What a request may meet without ending the replay: it is counted as failed. Any other error is the end. */
const REQUEST_FAULTS: readonly (CacheErrorCode | MisuseCode)[] = [
  'VALUE_TOO_LARGE',
  'CACHE_FULL',
  'TIMEOUT',
  'BUSY',
  'POLICY_ERROR',
  'INVALID_KEY',
];

export interface DriverOptions {
  readonly concurrency: number;
  /** Bytes of a value whose request names no size. */
  readonly valueBytes: number;
  /** Whether TTLs of requests count. */
  readonly expires: boolean;
  /** The next batch; undefined when there are no more. */
  readonly next: () => Promise<Batch | undefined>;
}

/** Gets and sets in nanoseconds. */
export interface Latencies {
  readonly get: RecordableHistogram;
  readonly set: RecordableHistogram;
}

export class Driver {
  readonly latencies: Latencies = { get: createHistogram(), set: createHistogram() };
  hits = 0;
  misses = 0;
  /** Requests that ended in an error, of get or set; they count as misses, too. */
  failed = 0;
  /** When the first batch came; 0 before. */
  startedMs = 0;
  /** How long nothing could be asked because the source had nothing ready. */
  hungryMs = 0;

  readonly #cache: Cache<Buffer>;
  readonly #options: DriverOptions;
  /** Whether every get is a call. */
  readonly #asks: boolean;
  /** Keys that somebody asks an owner for or stores, until that has settled. */
  readonly #underWay = new Map<string, Promise<void>>();
  #values = Buffer.alloc(0);
  #batch = EMPTY_BATCH;
  #keys: readonly string[] = [];
  #at = 0;
  #clients = 0;
  #turnEndsMs = 0;
  #isScheduled = false;
  #isRefilling = false;
  #isTicking = false;
  #isOver = false;
  #error: { cause: unknown } | undefined;
  #done: () => void = () => {};

  constructor(cache: Cache<Buffer>, options: DriverOptions) {
    this.#cache = cache;
    this.#options = options;
    this.#asks = cache.config.reads === 'owner';
  }

  /** Resolves when every request was answered. Rejects, after all have settled, if the cache can no longer be used. */
  async run(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#done = resolve;
      this.#schedule();
    });
    if (this.#error !== undefined) {
      throw this.#error.cause;
    }
  }

  /** No more requests; `run` resolves when those under way have settled. */
  stop(): void {
    this.#isOver = true;
    this.#schedule();
  }

  get requests(): number {
    return this.hits + this.misses;
  }

  #schedule(): void {
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(this.#turn);
    }
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    this.#turnEndsMs = performance.now() + TURN_MS;
    if (this.#isOver) {
      if (this.#clients === 0) this.#done();
      return;
    }
    this.#start();
  };

  /** Starts a client, and another one when it waits. */
  readonly #start = (): void => {
    if (this.#isOver || this.#clients >= this.#options.concurrency) {
      return;
    }
    if (this.#at === this.#batch.count) {
      void this.#refill();
      return;
    }
    if (performance.now() >= this.#turnEndsMs) {
      this.#schedule();
      return;
    }
    void this.#client();
    if (this.#asks) {
      queueMicrotask(this.#start);
    } else if (!this.#isTicking) {
      this.#isTicking = true;
      // A tick of this very phase would come before the client's microtasks; one that they ask for comes after them.
      queueMicrotask(() => process.nextTick(this.#tick));
    }
  };

  readonly #tick = (): void => {
    this.#isTicking = false;
    this.#start();
  };

  async #refill(): Promise<void> {
    if (this.#isRefilling) {
      return;
    }
    this.#isRefilling = true;
    const askedMs = performance.now();
    const batch = await this.#options.next();
    const gotMs = performance.now();
    if (this.startedMs === 0) {
      this.startedMs = gotMs;
    } else {
      this.hungryMs += gotMs - askedMs;
    }
    this.#isRefilling = false;
    this.#isOver ||= batch === undefined;
    this.#batch = batch ?? EMPTY_BATCH;
    this.#keys = keysOf(this.#batch);
    this.#at = 0;
    this.#schedule();
  }

  async #client(): Promise<void> {
    this.#clients++;
    try {
      await this.#serve();
    } catch (cause) {
      this.#error ??= { cause };
      this.#isOver = true;
    }
    this.#clients--;
    this.#schedule();
  }

  /** Gets, one after the other, until one misses or the turn is over. */
  async #serve(): Promise<void> {
    let nowMs = performance.now();
    while (this.#at < this.#batch.count && nowMs < this.#turnEndsMs && !this.#isOver) {
      const index = this.#at++;
      const key = this.#keys[index] as string;
      // Taken now: another client may bring the next batch while this one waits.
      const { sizes, ttls } = this.#batch;
      const asks = this.#asks || this.#underWay.has(key);
      if (!asks) {
        // Written out, since this is all there is to most requests: a method of its own takes a fifth longer.
        const askedMs = nowMs;
        let value: Buffer | undefined;
        try {
          value = await this.#cache.get(key);
        } catch (error) {
          this.#countFailed(error);
        }
        nowMs = performance.now();
        this.latencies.get.record(nanoseconds(nowMs - askedMs));
        if (value !== undefined) {
          this.hits++;
          continue;
        }
      }
      await this.#settle(key, sizes?.[index] ?? UNSET, ttls?.[index] ?? UNSET, asks);
      if (this.#clients > 1) {
        return;
      }
      // Alone, and the event loop has turned while it waited: one more turn would only cost. Measured with one client:
      // 62,000 against 47,000 requests a second, a set in 32 against 75 us.
      nowMs = performance.now();
      this.#turnEndsMs = nowMs + TURN_MS;
    }
  }

  /**
   * Brings a request to its end that has not hit at once, when no other works on its key; with `asks` it has yet to get.
   * Requests of one key keep their order that way; else a key that is asked for again before its first miss is stored
   * would miss again. Asked of their owners, half of corda's hits would be lost.
   */
  async #settle(key: string, size: number, ttlSeconds: number, asks: boolean): Promise<void> {
    let hasWaited = false;
    for (let other = this.#underWay.get(key); other !== undefined; other = this.#underWay.get(key)) {
      hasWaited = true;
      queueMicrotask(this.#start);
      await other;
    }
    const look = asks ? 'get' : hasWaited ? 'peek' : 'none';
    const done = this.#getOrFill(key, size, ttlSeconds, look);
    this.#underWay.set(key, done);
    await done;
  }

  /**
   * Does not reject: what must end the replay is kept. Whoever has had a miss and waited for another that stored the key
   * peeks, so that each request is one get for the cache that counts them.
   */
  async #getOrFill(key: string, size: number, ttlSeconds: number, look: 'get' | 'peek' | 'none'): Promise<void> {
    try {
      const value = look === 'get' ? await this.#get(key) : look === 'peek' ? await this.#cache.peek(key) : undefined;
      if (value !== undefined) {
        this.hits++;
        return;
      }
      this.misses++;
      await this.#fill(key, size, ttlSeconds);
    } catch (cause) {
      this.#error ??= { cause };
      this.#isOver = true;
    } finally {
      this.#underWay.delete(key);
    }
  }

  /** A get that fails counts as a miss, and as failed. */
  async #get(key: string): Promise<Buffer | undefined> {
    const askedMs = performance.now();
    try {
      return await this.#cache.get(key);
    } catch (error) {
      this.#countFailed(error);
      return undefined;
    } finally {
      this.latencies.get.record(nanoseconds(performance.now() - askedMs));
    }
  }

  /** Stores what a get missed. */
  async #fill(key: string, size: number, ttlSeconds: number): Promise<void> {
    const valueBytes = size === UNSET ? this.#options.valueBytes : size;
    if (valueBytes > this.#cache.config.maxBytes) {
      // The cache would say so too, but the value would have to be made first.
      this.failed++;
      return;
    }
    const value = this.#valueOf(valueBytes);
    const isForEver = ttlSeconds === UNSET || !this.#options.expires;
    const options = isForEver ? undefined : { ttl: ttlSeconds * MS_PER_SECOND };
    const askedMs = performance.now();
    queueMicrotask(this.#start);
    try {
      while (!(await this.#set(key, value, options))) {
        await delay(OVERLOADED_PAUSE_MS);
      }
    } catch (error) {
      this.#countFailed(error);
      return;
    }
    this.latencies.set.record(nanoseconds(performance.now() - askedMs));
  }

  /** False when the shard's queue is full: large values of other clients wait there, and will be gone in a moment. */
  async #set(key: string, value: Buffer, options: { ttl: number } | undefined): Promise<boolean> {
    try {
      await this.#cache.set(key, value, options);
      return true;
    } catch (error) {
      if (error instanceof CacheError && error.code === 'OVERLOADED') {
        return false;
      }
      throw error;
    }
  }

  #countFailed(error: unknown): void {
    if (!(error instanceof Error && 'code' in error && REQUEST_FAULTS.some((code) => code === error.code))) {
      throw error;
    }
    this.failed++;
  }

  /** Zeros. All values are windows of one buffer, which grows by doubling, but never past what a cache can hold. */
  #valueOf(valueBytes: number): Buffer {
    if (valueBytes > this.#values.length) {
      this.#values = Buffer.alloc(Math.min(Math.max(valueBytes, this.#values.length * 2), this.#cache.config.maxBytes));
    }
    return this.#values.subarray(0, valueBytes);
  }
}

/** A histogram takes integers from 1 on. */
function nanoseconds(ms: number): number {
  return Math.max(1, Math.round(ms * NS_PER_MS));
}
