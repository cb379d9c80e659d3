/** Stores nothing and finds nothing: what a measurement costs by itself, with everybody's modules loaded. */
import type { Peer } from './index.ts';

export class NothingPeer<V> implements Peer<V> {
  readonly name = 'nothing';

  get(_key: string): V | undefined {
    return undefined;
  }

  set(_key: string, _value: V): void {}

  fill(): void {}

  close(): void {}
}
