/**
 * What a shard counts: how often things happened, and the peaks of its gauges. Counts never fall, but for `reset`, which
 * takes them as they stand for the new zero: clients go on writing theirs into their own memory.
 */
import type { ClientCounts, ClientMemory } from '../protocol/client.ts';
import type { ShardCounts } from '../protocol/operations.ts';
import type { RemovalCause } from '../protocol/policy.ts';

/** What only the shard itself knows. */
export type Gauges = Pick<ShardCounts, 'entries' | 'validEntries' | 'bytes' | 'payloadBytes'>;

type Counts = Omit<ShardCounts, keyof Gauges | 'entriesPeak' | 'validPeak'>;

export class Tally {
  sets = 0;
  failures = 0;
  policyFaults = 0;
  frames = 0;
  calls = 0;
  readonly removed: Record<RemovalCause, number> = { evict: 0, expire: 0, delete: 0, clear: 0 };
  /** Counts of clients that are gone, and of reads that came by frame. */
  readonly read: ClientCounts = { hits: 0, misses: 0, droppedTouches: 0, filterNegatives: 0 };
  falsePositives = 0;
  #entriesPeak = 0;
  #validPeak = 0;
  #zero: Counts | undefined;

  /** An entry was added. */
  rise(entries: number, validEntries: number): void {
    if (entries > this.#entriesPeak) {
      this.#entriesPeak = entries;
    }
    if (validEntries > this.#validPeak) {
      this.#validPeak = validEntries;
    }
  }

  counts(clients: Iterable<ClientMemory>, gauges: Gauges): ShardCounts {
    const counts = this.#counts(clients);
    const zero = this.#zero;
    if (zero !== undefined) {
      for (const name of Object.keys(counts) as (keyof Counts)[]) {
        counts[name] -= zero[name];
      }
    }
    return { ...counts, ...gauges, entriesPeak: this.#entriesPeak, validPeak: this.#validPeak };
  }

  /** Gets of all clients since birth, whatever was reset. */
  gets(clients: Iterable<ClientMemory>): number {
    const read = { ...this.read };
    for (const client of clients) {
      client.addCounts(read);
    }
    return read.hits + read.misses;
  }

  /** Counts begin at zero again, peaks at what there is now. */
  reset(clients: Iterable<ClientMemory>, { entries, validEntries }: Gauges): void {
    this.#zero = this.#counts(clients);
    this.#entriesPeak = entries;
    this.#validPeak = validEntries;
  }

  #counts(clients: Iterable<ClientMemory>): Counts {
    const read = { ...this.read };
    for (const client of clients) {
      client.addCounts(read);
    }
    return {
      ...read,
      sets: this.sets,
      failures: this.failures,
      policyFaults: this.policyFaults,
      frames: this.frames,
      calls: this.calls,
      filterFalsePositives: this.falsePositives,
      deletes: this.removed.delete + this.removed.clear,
      evictions: this.removed.evict,
      expirations: this.removed.expire,
    };
  }
}
