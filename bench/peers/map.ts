/** A bare Map: no bound, no eviction, no copy, one thread. What a get can cost at least. */
import type { Peer } from './index.ts';

export class MapPeer<V> implements Peer<V> {
  readonly name = 'Map';
  readonly #map = new Map<string, V>();

  get(key: string): V | undefined {
    return this.#map.get(key);
  }

  set(key: string, value: V): void {
    this.#map.set(key, value);
  }

  fill(keys: readonly string[], make: (index: number) => V): void {
    for (let i = 0; i < keys.length; i++) {
      this.#map.set(keys[i] as string, make(i));
    }
  }

  close(): void {
    this.#map.clear();
  }
}
