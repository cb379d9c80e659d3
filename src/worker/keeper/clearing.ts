/**
 * The removal of all keys of a shard. A cache that is cleared asks for each of its shards at nearly the same time, and none of
 * them has anything else under way until it is answered. So when all have asked there is nobody whose keys would have to
 * stay, and it is one call of the engine:
 *
 *     shard 0 asks   1   2   3            all of 4: engine.clear()
 *     shard 0 asks   .   .   CLEAR_GATHER_MS over: the keys are listed, those of shard 0 removed
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Engine } from '../../protocol/engines/engine.ts';
import { CacheError } from '../../protocol/errors.ts';
import type { Breaker } from './breaker.ts';
import type { KeyHashes } from './key-hashes.ts';
import type { TierRecords } from './records.ts';
import type { Writes } from './writes.ts';

export const CLEAR_GATHER_MS = 20;
/** Keys that are removed at once. */
const DELETES_PER_STEP = 64;

interface Asker {
  readonly resolve: (count: number) => void;
  readonly reject: (error: unknown) => void;
}

export interface ClearingParts {
  readonly records: TierRecords;
  readonly engine: Engine;
  readonly breaker: Breaker;
  readonly writes: Writes;
  readonly hashes: KeyHashes;
  readonly shards: number;
}

export class Clearing {
  readonly #parts: ClearingParts;
  #askers = new Map<number, Asker>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: ClearingParts) {
    this.#parts = parts;
  }

  /** How many there were: over all shards of one clear the sum is what was removed. */
  ask(shard: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const before = this.#askers.get(shard);
      // A shard waits for its answer, so that there is none but of one that does not keep the contract.
      before?.reject(new CacheError('BUSY', `Expected one clear of shard ${shard} at a time`));
      this.#askers.set(shard, { resolve, reject });
      if (this.#askers.size === this.#parts.shards) {
        void this.#clear((askers) => this.#clearAll(askers));
      } else {
        this.#timer ??= setTimeout(() => void this.#clear((askers) => this.#clearShards(askers)), CLEAR_GATHER_MS);
      }
    });
  }

  async #clear(remove: (askers: ReadonlyMap<number, Asker>) => Promise<ReadonlyMap<number, number>>): Promise<void> {
    const askers = this.#askers;
    this.#askers = new Map();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      // What waits has been acknowledged, and counts; with the engine there is one place to remove it from.
      const { writes, hashes } = this.#parts;
      await writes.drain();
      const refused = writes.forget((key) => askers.has(hashes.shardOf(key) ?? -1));
      // Some of it may be on its way just now.
      await writes.drain();
      const counts = await remove(askers);
      for (const [shard, asker] of askers) {
        const others = refused.filter((key) => hashes.shardOf(key) === shard).length;
        asker.resolve((counts.get(shard) ?? 0) + others);
      }
    } catch (error) {
      for (const asker of askers.values()) asker.reject(error);
    }
  }

  /** Nobody knows whose they were: each shard says that it were as many as the others'. */
  async #clearAll(askers: ReadonlyMap<number, Asker>): Promise<ReadonlyMap<number, number>> {
    const { engine, breaker, shards } = this.#parts;
    const removed = await breaker.run(() => engine.clear());
    return new Map(Array.from(askers.keys(), (shard) => [shard, Math.floor((removed + shard) / shards)] as const));
  }

  /** One pass for all who have asked. */
  async #clearShards(askers: ReadonlyMap<number, Asker>): Promise<ReadonlyMap<number, number>> {
    const { records, hashes } = this.#parts;
    const counts = new Map<number, number>();
    for await (const page of records.pages()) {
      for (let at = 0; at < page.length; at += DELETES_PER_STEP) {
        const removals: Promise<number | undefined>[] = [];
        for (const key of page.slice(at, at + DELETES_PER_STEP)) {
          const shard = hashes.shardOf(key);
          if (shard !== undefined && askers.has(shard)) removals.push(this.#remove(key, shard));
        }
        for (const result of await Promise.allSettled(removals)) {
          if (result.status === 'rejected') throw result.reason;
          if (result.value !== undefined) counts.set(result.value, (counts.get(result.value) ?? 0) + 1);
        }
        await turn();
      }
    }
    return counts;
  }

  /** The shard that has one key less. */
  async #remove(key: string, shard: number): Promise<number | undefined> {
    const { engine, breaker } = this.#parts;
    return (await breaker.run(() => engine.delete(key))) ? shard : undefined;
  }
}
