/**
 * Results that were computed in a turn that is not over, on their way into the memory of a cache. They are here for the next call of the
 * same turn, and go there when it is over, BATCH_MAX at a time: the lane of a shard takes 65,536 calls, and a get of a key looks through
 * those that wait in it, which for 100,000 results of one recursive function were minutes.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { createCodec } from '../codec/index.ts';
import type { Cache } from '../index.ts';
import { ABSENT } from './boxed.ts';
import type { Memory } from './memory.ts';

const BATCH_MAX = 512;
/** Results of one turn; those beyond are not kept in memory, which is told. */
const PENDING_MAX = 1_000_000;

interface Pending {
  readonly result: unknown;
  readonly expiresAtMs: number;
}

export class PendingResults {
  readonly #memory: Memory;
  readonly #onFault: (what: string, cause: unknown) => void;
  readonly #waiting = new Map<CacheKey, Pending>();
  readonly #copy: ((result: unknown) => unknown) | undefined;
  #flushing: Promise<void> | undefined;

  constructor(memory: Memory, cache: Cache, onFault: (what: string, cause: unknown) => void) {
    this.#memory = memory;
    this.#onFault = onFault;
    this.#copy = copierOf(cache);
  }

  get(key: CacheKey): unknown {
    if (this.#waiting.size === 0) {
      return ABSENT;
    }
    const pending = this.#waiting.get(key);
    return pending === undefined ? ABSENT : this.#copied(pending.result);
  }

  /** Throws SERIALIZATION_ERROR for what cannot be kept. */
  add(key: CacheKey, result: unknown, expiresAtMs: number): void {
    if (this.#copy === undefined && isObject(result)) {
      // Only the cache can copy it, which it does at once.
      this.#memory.keep(key, result, expiresAtMs).catch((cause: unknown) => this.#tell(cause));
      return;
    }
    const own = this.#copied(result);
    if (this.#waiting.size >= PENDING_MAX) {
      this.#tell(new RangeError(`${PENDING_MAX} results of one turn wait already, as many as may`));
      return;
    }
    this.#waiting.set(key, { result: own, expiresAtMs });
    this.#flushing ??= this.#write();
  }

  delete(key: CacheKey): boolean {
    return this.#waiting.delete(key);
  }

  /** Resolves when memory has all of them. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) {
      await this.#flushing;
    }
  }

  async #write(): Promise<void> {
    // The turn may go on for long, and every result of it joins.
    await undefined;
    while (this.#waiting.size > 0) {
      const batch = [...take(this.#waiting, BATCH_MAX)];
      await Promise.all(
        batch.map(([key, { result, expiresAtMs }]) =>
          this.#memory.keep(key, result, expiresAtMs).catch((cause: unknown) => this.#tell(cause)),
        ),
      );
      for (const [key, pending] of batch) {
        // Unless another has taken its place meanwhile.
        if (this.#waiting.get(key) === pending) this.#waiting.delete(key);
      }
    }
    this.#flushing = undefined;
  }

  #copied(result: unknown): unknown {
    return isObject(result) && this.#copy !== undefined ? this.#copy(result) : result;
  }

  #tell(cause: unknown): void {
    this.#onFault('keep a result in its memory', cause);
  }
}

/** What copies as the cache does; undefined where the cache has a serializer of somebody's own. */
function copierOf(cache: Cache): ((result: unknown) => unknown) | undefined {
  const { serializer } = cache.config;
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
