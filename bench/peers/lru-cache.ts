/**
 * lru-cache, the cache most services have: as it is, where a get returns a reference to the one object, and with values
 * kept as msgpack and decoded at each get, where the caller gets a copy of its own, as with ours.
 */
import { LRUCache } from 'lru-cache';
import { Packr } from 'msgpackr';
import type { Peer } from './index.ts';

export class LruCachePeer<V extends {}> implements Peer<V> {
  readonly name: string = 'lru-cache';
  readonly #cache: LRUCache<string, V>;

  constructor(entriesMax: number) {
    this.#cache = new LRUCache({ max: entriesMax });
  }

  get(key: string): V | undefined {
    return this.#cache.get(key);
  }

  set(key: string, value: V): void {
    this.#cache.set(key, value);
  }

  fill(keys: readonly string[], make: (index: number) => V): void {
    for (let i = 0; i < keys.length; i++) {
      this.#cache.set(keys[i] as string, make(i));
    }
  }

  close(): void {
    this.#cache.clear();
  }
}

export class DecodingLruCachePeer<V> implements Peer<V> {
  readonly name = 'lru-cache, decoding';
  readonly #packr = new Packr({ useRecords: false });
  readonly #cache: LRUCache<string, Buffer>;

  constructor(entriesMax: number) {
    this.#cache = new LRUCache({ max: entriesMax });
  }

  get(key: string): V | undefined {
    const bytes = this.#cache.get(key);
    return bytes === undefined ? undefined : (this.#packr.unpack(bytes) as V);
  }

  set(key: string, value: V): void {
    // What pack returns is a view of a pool that it goes on writing to.
    this.#cache.set(key, Buffer.from(this.#packr.pack(value)));
  }

  fill(keys: readonly string[], make: (index: number) => V): void {
    for (let i = 0; i < keys.length; i++) {
      this.set(keys[i] as string, make(i));
    }
  }

  close(): void {
    this.#cache.clear();
  }
}
