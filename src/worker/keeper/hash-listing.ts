/**
 * The hashes of all keys of a tier, told to the owners of their shards for their filters. One pass over the keys serves all
 * who have asked before it begins; who asks later gets the next.
 *
 * A key that is written while a pass runs need not be in it: its owner has written it, and added it to its filter by
 * itself. What waits to be written behind an owner before may have left there, and some of it the engine never takes: so a pass
 * begins with what waits then. All else that was acknowledged before is with the engine.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { KEYS_PER_PAGE } from '../../protocol/engines/engine.ts';
import { CacheError } from '../../protocol/errors.ts';
import type { TierAnswer } from '../../protocol/tier.ts';
import type { KeyHashes } from './key-hashes.ts';
import type { TierRecords } from './records.ts';
import type { Writes } from './writes.ts';

/** Of one part. */
const HASHES_MAX = 8_192;

type Tell = (answer: TierAnswer) => void;

export class HashListing {
  readonly #records: TierRecords;
  readonly #writes: Writes;
  readonly #hashes: KeyHashes;
  #asking: { readonly shard: number; readonly tell: Tell }[] = [];
  #run: Promise<void> | undefined;
  #isClosed = false;

  constructor(records: TierRecords, writes: Writes, hashes: KeyHashes) {
    this.#records = records;
    this.#writes = writes;
    this.#hashes = hashes;
  }

  ask(shard: number, tell: Tell): void {
    this.#asking.push({ shard, tell });
    this.#run ??= this.#passes();
  }

  /** Resolves when no pass is on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#run;
  }

  async #passes(): Promise<void> {
    // The owners of all shards ask at the same time.
    await turn();
    while (this.#asking.length > 0 && !this.#isClosed) {
      const askers = this.#asking.splice(0).map(({ shard, tell }) => new Part(shard, tell));
      try {
        await this.#pass(askers);
        for (const part of askers) part.end();
      } catch {
        // Counted by the breaker; the owners know that they have to ask again.
        for (const part of askers) part.fail();
      }
    }
    this.#run = undefined;
  }

  async #pass(parts: readonly Part[]): Promise<void> {
    const ofShards = new Map<number, Part[]>();
    for (const part of parts) ofShards.set(part.shard, [...(ofShards.get(part.shard) ?? []), part]);
    for await (const page of this.#pages()) {
      for (const key of page) {
        const shard = this.#hashes.shardOf(key);
        for (const part of (shard === undefined ? undefined : ofShards.get(shard)) ?? []) {
          part.add(this.#hashes.low, this.#hashes.high);
        }
      }
      if (this.#isClosed) {
        throw new CacheError('STORE_CLOSED', 'The tier is being closed');
      }
      // Engines that are done at once would let no call through.
      await turn();
    }
  }

  async *#pages(): AsyncGenerator<readonly string[], void, void> {
    const waiting = Array.from(this.#writes.keys());
    for (let at = 0; at < waiting.length; at += KEYS_PER_PAGE) yield waiting.slice(at, at + KEYS_PER_PAGE);
    yield* this.#records.pages();
  }
}

/** What one asker has not been told yet. */
class Part {
  readonly shard: number;
  readonly #tell: Tell;
  #words = new Int32Array(HASHES_MAX * 2);
  #count = 0;

  constructor(shard: number, tell: Tell) {
    this.shard = shard;
    this.#tell = tell;
  }

  add(low: number, high: number): void {
    if (this.#count === HASHES_MAX) {
      this.#send(false);
    }
    this.#words[this.#count * 2] = low;
    this.#words[this.#count * 2 + 1] = high;
    this.#count++;
  }

  end(): void {
    this.#send(true);
  }

  fail(): void {
    this.#tell({ is: 'unlisted' });
  }

  #send(isLast: boolean): void {
    this.#tell({ is: 'hashes', hashes: this.#words.slice(0, this.#count * 2), isLast });
    this.#count = 0;
  }
}
