/**
 * Results on their way into the memory of a cache. They are here for the next call of the same turn of the event loop, and go there
 * BATCH_MAX at a time, when the batch before is acknowledged.
 *
 * One by one, each when it comes, would be simpler and cost a hundred times as much: a lane sends nothing before the turn is over, and
 * neither a function that calls itself nor a loop of awaited calls ends one; and a get looks through the writes that wait in the lane.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { createCodec } from '../codec/index.ts';
import { ABSENT } from './boxed.ts';

const BATCH_MAX = 512;
/** Whoever can wait lets no more come together. */
const CROWD = 1_024;
/** Of those who cannot wait: results beyond are not kept in memory, which is told. */
const PENDING_MAX = 1_000_000;

interface Pending {
  readonly result: unknown;
  readonly expiresAtMs: number;
}

/** Where they go. */
export interface PendingSink {
  write(key: CacheKey, result: unknown, expiresAtMs: number): Promise<void>;
  /** What could not be written. */
  failed(cause: unknown): void;
}

export class PendingResults {
  readonly #sink: PendingSink;
  readonly #waiting = new Map<CacheKey, Pending>();
  readonly #copy: ((result: unknown) => unknown) | undefined;
  /** Those that only the cache can copy, which are on their way already. */
  #direct = 0;
  #flushing: Promise<void> | undefined;

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
    if (this.#copy === undefined && isObject(result)) {
      this.#waiting.delete(key);
      this.#direct++;
      void this.#writeOne(key, result, expiresAtMs).finally(() => this.#direct--);
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
    await this.flush();
    // What is direct has left when the turn is over.
    if (this.#direct >= CROWD) await new Promise((resolve) => setImmediate(resolve));
  }

  async #write(): Promise<void> {
    // Not before the first result has been returned.
    await undefined;
    while (this.#waiting.size > 0) {
      const batch = [...take(this.#waiting, BATCH_MAX)];
      await Promise.all(batch.map(([key, { result, expiresAtMs }]) => this.#writeOne(key, result, expiresAtMs)));
      for (const [key, pending] of batch) {
        // Unless another has taken its place meanwhile.
        if (this.#waiting.get(key) === pending) this.#waiting.delete(key);
      }
    }
    this.#flushing = undefined;
  }

  async #writeOne(key: CacheKey, result: unknown, expiresAtMs: number): Promise<void> {
    try {
      await this.#sink.write(key, result, expiresAtMs);
    } catch (cause) {
      this.#sink.failed(cause);
    }
  }

  #copied(result: unknown): unknown {
    return isObject(result) && this.#copy !== undefined ? this.#copy(result) : result;
  }
}

/** What copies as the cache does; undefined where the cache has a serializer of somebody's own. */
function copierOf(serializer: unknown): ((result: unknown) => unknown) | undefined {
  if (serializer !== 'msgpack' && serializer !== 'json' && serializer !== 'v8' && serializer !== 'raw') {
    return undefined;
  }
  const codec = createCodec({ serializer });
  return (result) => codec.decode(codec.encode(result));
}

function isObject(value: unknown): boolean {
  return (typeof value === 'object' && value !== null) || typeof value === 'function' || typeof value === 'symbol';
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
