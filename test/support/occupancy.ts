/**
 * How much of a shard's bytes hold values when it is full for a long time: random sizes at the ceiling under LRU, with
 * gets in between that shuffle the order of the victims (in the order of arrival holes would meet by themselves).
 */
import { ClientMemory } from '../../src/protocol/client.ts';
import { ENTRY_COLUMN_BYTES, reserveShard, ShardMemory } from '../../src/protocol/memory.ts';
import { HIT, Reader } from '../../src/protocol/reader.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { Shard } from '../../src/worker/shard.ts';
import { Forged } from './forged.ts';
import { Random } from './random.ts';

export interface Sizes {
  readonly least: number;
  readonly most: number;
}

export interface Sample {
  readonly sets: number;
  /** Bytes of live blocks over `maxBytes`; and with the columns of their entries, which is what the limit bounds. */
  readonly live: number;
  readonly accounted: number;
}

export interface Phase {
  readonly samples: readonly Sample[];
  readonly least: number;
  readonly average: number;
  readonly accountedMost: number;
  readonly movedBytesPerSet: number;
  readonly evictionsPerSet: number;
  readonly nsPerSet: number;
}

export class Occupancy {
  readonly shard: Shard;
  readonly #bytesMax: number;
  readonly #random: Random;
  readonly #reader: Reader;
  readonly #client = new ClientMemory();
  readonly #forged: Forged;
  readonly #keys: number;

  /** `keys`: how many different keys there are; about twice as many as fit makes half of the sets overwrites. */
  constructor(bytesMax: number, keys: number, seed: number, valueBytesMax = 64 * 1024) {
    const limits = { bytesMax, entriesMax: Number.POSITIVE_INFINITY };
    const memory = new ShardMemory(reserveShard(limits));
    this.shard = new Shard(limits, memory, policies.lru, performance);
    this.shard.connect(this.#client);
    this.#reader = new Reader(memory, performance);
    this.#bytesMax = bytesMax;
    this.#random = new Random(seed);
    this.#forged = new Forged(valueBytesMax);
    this.#keys = keys;
  }

  /** Sets until the shard evicts: from then on it is full. */
  fill({ least, most }: Sizes): void {
    const before = this.#evictions;
    while (this.#evictions === before) {
      this.#set(this.#random.logUniform(least, most));
    }
  }

  /** So many sets with as many gets between them, and `samples` looks at the shard on the way. */
  run(sets: number, { least, most }: Sizes, samples: number, onSample?: (sample: Sample) => void): Phase {
    const taken: Sample[] = [];
    const moved = this.shard.contents.moved.bytes;
    const evictions = this.#evictions;
    const every = Math.max(1, Math.floor(sets / samples));
    const start = performance.now();
    for (let i = 1; i <= sets; i++) {
      this.#set(this.#random.logUniform(least, most));
      this.#get();
      if (i % every === 0) {
        const sample = this.#sample(i);
        taken.push(sample);
        onSample?.(sample);
      }
    }
    const elapsedMs = performance.now() - start;
    return {
      samples: taken,
      least: Math.min(...taken.map(({ live }) => live)),
      average: taken.reduce((sum, { live }) => sum + live, 0) / taken.length,
      accountedMost: Math.max(...taken.map(({ accounted }) => accounted)),
      movedBytesPerSet: (this.shard.contents.moved.bytes - moved) / sets,
      evictionsPerSet: (this.#evictions - evictions) / sets,
      nsPerSet: (elapsedMs * 1e6) / sets,
    };
  }

  get #evictions(): number {
    return this.shard.counts().evictions;
  }

  #set(valueBytes: number): void {
    this.#forged.about(this.#random.below(this.#keys), valueBytes);
    const error = this.shard.set(this.#forged.record);
    if (error !== undefined || this.shard.bytes > this.#bytesMax) {
      throw new Error(error?.message ?? `${this.shard.bytes} bytes are accounted, ${this.#bytesMax} are the limit`);
    }
  }

  /** As a reader in another thread: the value stays where it is, the hit goes into the ring. */
  #get(): void {
    this.#forged.about(this.#random.below(this.#keys), 0);
    if (this.#reader.probe(this.#forged.key) === HIT) {
      this.#client.push(this.#reader.slot, this.#reader.seqLow);
    }
  }

  #sample(sets: number): Sample {
    const { bytes, entries } = this.shard;
    return {
      sets,
      live: (bytes - entries * ENTRY_COLUMN_BYTES) / this.#bytesMax,
      accounted: bytes / this.#bytesMax,
    };
  }
}
