/** The hashes of keys as they stand in a tier, and with them whose they are. */
import { keyOfEngineKey } from '../../protocol/engine-key.ts';
import { type HashSeed, KeyEncoder, shardOf } from '../../protocol/key.ts';

export class KeyHashes {
  readonly #encoder: KeyEncoder;
  readonly #shards: number;

  constructor(seed: HashSeed, shards: number) {
    this.#encoder = new KeyEncoder(seed);
    this.#shards = shards;
  }

  get low(): number {
    return this.#encoder.hashLow;
  }

  get high(): number {
    return this.#encoder.hashHigh;
  }

  /** The shard of a key; undefined for text that no cache has made of one: nobody asks for it. */
  shardOf(text: string): number | undefined {
    try {
      this.#encoder.encode(keyOfEngineKey(text));
    } catch {
      return undefined;
    }
    return shardOf(this.#encoder.hashHigh, this.#shards);
  }
}
