/**
 * What a bench asks of a contender, and nothing more. One file per contender; each stores the same values under the same keys.
 */

export interface Peer<V> {
  readonly name: string;
  /** The value, or a promise of it where the contender has no other way. */
  get(key: string): V | undefined | Promise<V | undefined>;
  /** What it returns settles when the value is stored. */
  set(key: string, value: V): unknown;
  /** Stores `make(i)` under `keys[i]`, by the fastest way there is. */
  fill(keys: readonly string[], make: (index: number) => V): void | Promise<void>;
  close(): void | Promise<void>;
}
