/** Ours, over the public interface: with reads that are awaited, as `get`, or in place, as `getSync`. */
import { type Cache, type CacheOptions, openCache } from 'shardstash';
import type { Peer } from './index.ts';

/** Entries of one `setMany` while filling. */
const FILL_ENTRIES = 10_000;

export class Shardstash<V> implements Peer<V> {
  readonly name: string;
  readonly cache: Cache<V>;

  constructor(cache: Cache<V>, name = 'shardstash') {
    this.cache = cache;
    this.name = name;
  }

  static async open<V>(options: CacheOptions, name?: string): Promise<Shardstash<V>> {
    return new Shardstash<V>(await openCache<V>(options), name);
  }

  get(key: string): Promise<V | undefined> {
    return this.cache.get(key);
  }

  set(key: string, value: V): Promise<void> {
    return this.cache.set(key, value);
  }

  async fill(keys: readonly string[], make: (index: number) => V): Promise<void> {
    for (let from = 0; from < keys.length; from += FILL_ENTRIES) {
      await this.cache.setMany(keys.slice(from, from + FILL_ENTRIES).map((key, i) => [key, make(from + i)] as const));
    }
  }

  /** The same cache, read in place. Close the one that it came from. */
  inPlace(): InPlaceShardstash<V> {
    return new InPlaceShardstash(this.cache);
  }

  close(): Promise<void> {
    return this.cache.close();
  }
}

class InPlaceShardstash<V> {
  readonly name = 'shardstash, getSync';
  readonly #cache: Cache<V>;

  constructor(cache: Cache<V>) {
    this.#cache = cache;
  }

  get(key: string): V | undefined {
    return this.#cache.getSync(key);
  }

  set(key: string, value: V): Promise<void> {
    return this.#cache.set(key, value);
  }
}
