/**
 * Results on their way into the memory of a cache. They are here for the next call of the same turn of the event loop, and go there
 * BATCH_MAX at a time, when the batch before is acknowledged.
 *
 * One by one, each when it comes, would be simpler and cost a hundred times as much: a lane sends nothing before the turn is over, and
 * neither a function that calls itself nor a loop of awaited calls ends one; and a get looks through the writes that wait in the lane.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { CacheError } from '../../protocol/errors.ts';
import { ABSENT } from './boxed.ts';
import { type Copier, copierOf, isCopy } from './copier.ts';

const BATCH_MAX = 512;
/** Whoever can wait lets no more come together. */
const CROWD = 1_024;
/** So many have come together: they wait for all of them. */
const THRONG = 4_096;
/** Of those who cannot wait: results beyond are not kept in memory, which is told. */
const PENDING_MAX = 1_000_000;

interface Pending {
  readonly result: unknown;
  readonly expiresAtMs: number;
}

/** Where they go. */
export interface PendingSink {
  /** Opens memory, if it is not open; undefined where it is. Never rejects: then it is `write` that does. */
  opened(): Promise<unknown> | undefined;
  write(key: CacheKey, result: unknown, expiresAtMs: number): Promise<void>;
  /** What could not be written. */
  failed(cause: unknown): void;
}

export class PendingResults {
  readonly #sink: PendingSink;
  readonly #waiting = new Map<CacheKey, Pending>();
  readonly #copy: Copier | undefined;
  /** Those that only the cache can copy, which are on their way already. */
  #direct = 0;
  #flushing: Promise<void> | undefined;
  /** What it waits for. */
  #step: Promise<unknown> | undefined;

  /** `serializer` is the cache's, by its name where it has one. */
  constructor(sink: PendingSink, serializer: unknown) {
    this.#sink = sink;
    this.#copy = copierOf(serializer);
  }

  get(key: CacheKey): unknown {
    if (this.#waiting.size === 0) {
      return ABSENT;
    }
    const pending = this.#waiting.get(key);
    return pending === undefined ? ABSENT : this.#copied(pending.result);
  }

  has(key: CacheKey): boolean {
    return this.#waiting.has(key);
  }

  /** Throws SERIALIZATION_ERROR for what cannot be kept. */
  add(key: CacheKey, result: unknown, expiresAtMs: number): void {
    if (this.#copy === undefined && !isCopy(result)) {
      this.#waiting.delete(key);
      this.#direct++;
      void this.#writeOne(key, { result, expiresAtMs }, true).finally(() => this.#direct--);
      return;
    }
    const own = this.#copied(result);
    if (this.#waiting.size >= PENDING_MAX) {
      this.#sink.failed(new RangeError(`${PENDING_MAX} results of one turn wait already, as many as may`));
      return;
    }
    this.#waiting.set(key, { result: own, expiresAtMs });
    this.#flushing ??= this.#write();
  }

  delete(key: CacheKey): boolean {
    return this.#waiting.delete(key);
  }

  clear(): void {
    this.#waiting.clear();
  }

  /** Undefined while there is room for more: then there is nothing to wait for. */
  room(): Promise<void> | undefined {
    return this.#waiting.size + this.#direct < CROWD ? undefined : this.#makeRoom();
  }

  /** Resolves when memory has all of them. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) {
      await this.#flushing;
    }
  }

  async #makeRoom(): Promise<void> {
    // One batch makes room for those who come one by one, who go on while the next one is on its way.
    await (this.#waiting.size < THRONG ? this.#step : this.flush());
    // What is direct has left when the turn is over. And acknowledgements come one after the other: timers must have their turn.
    await new Promise((resolve) => setImmediate(resolve));
  }

  async #write(): Promise<void> {
    // Not before the first result has been returned; and what is forgotten before memory is open never comes there.
    this.#step = this.#sink.opened();
    await this.#step;
    while (this.#waiting.size > 0) {
      this.#step = this.#writeBatch();
      await this.#step;
    }
    this.#flushing = undefined;
  }

  async #writeBatch(): Promise<void> {
    const batch = [...take(this.#waiting, BATCH_MAX)];
    const answers = await Promise.all(batch.map(([key, pending]) => this.#writeOne(key, pending)));
    for (const [i, [key, pending]] of batch.entries()) {
      // They were too large to travel together. One that has been forgotten meanwhile does not come back.
      const isOld = this.#waiting.get(key) !== pending;
      if (answers[i] === 'overloaded' && !isOld) await this.#writeOne(key, pending, true);
    }
    for (const [key, pending] of batch) {
      // Unless another has taken its place meanwhile.
      if (this.#waiting.get(key) === pending) this.#waiting.delete(key);
    }
  }

  /** 'overloaded' where more waits for the shard than may, unless it `isLast`. */
  async #writeOne(key: CacheKey, { result, expiresAtMs }: Pending, isLast = false): Promise<'overloaded' | 'done'> {
    try {
      await this.#sink.write(key, result, expiresAtMs);
    } catch (cause) {
      if (!isLast && cause instanceof CacheError && cause.code === 'OVERLOADED') {
        return 'overloaded';
      }
      this.#sink.failed(cause);
    }
    return 'done';
  }

  #copied(result: unknown): unknown {
    return this.#copy === undefined ? result : this.#copy(result);
  }
}

function* take<K, V>(map: ReadonlyMap<K, V>, count: number): Generator<[K, V]> {
  let taken = 0;
  for (const entry of map) {
    if (taken++ === count) {
      return;
    }
    yield entry;
  }
}
