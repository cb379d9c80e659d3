/**
 * The entries of a tier, as its sessions ask for them: records are sealed and opened here, and the engine is asked by way of the
 * breaker, beside what still waits to be written.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Engine } from '../../protocol/engines/engine.ts';
import { deadlineOf, openRecord, slidOn } from '../../protocol/record.ts';
import { type Sealing, type UnsealedValue, unseal } from '../../protocol/sealing.ts';
import {
  TIER_DELETES,
  TIER_FAILURES,
  TIER_READ_HITS,
  TIER_READS,
  TIER_WRITES,
  type TierHead,
} from '../../protocol/tier.ts';
import type { Breaker } from './breaker.ts';
import type { TierCounts } from './counts.ts';
import type { Writes } from './writes.ts';

/** Records that are read at once: a page of keys may stand for gigabytes. */
export const RECORDS_PER_STEP = 64;

export interface TierParts {
  readonly engine: Engine;
  readonly breaker: Breaker;
  readonly writes: Writes;
  readonly sealing: Sealing;
  readonly counts: TierCounts;
  /** Whether the engine is a server's, which others write to. */
  readonly isShared: boolean;
}

export class TierRecords {
  readonly #parts: TierParts;

  constructor(parts: TierParts) {
    this.#parts = parts;
  }

  /** Undefined where there is none that lives at `nowMs`. */
  async get(key: string, nowMs: number): Promise<UnsealedValue | undefined> {
    const { engine, breaker, writes, counts, isShared } = this.#parts;
    counts.add(TIER_READS);
    const waiting = writes.find(key);
    const record = waiting ?? (await breaker.run(() => engine.get(key)));
    if (record === undefined) {
      return undefined;
    }
    if (deadlineOf(record) <= nowMs) {
      // Before it is forgotten: one that is damaged may only look as if its time were over.
      this.#assertWhole(record);
      // What waits is written first: what the engine has is older. A server forgets by itself, and would tell of it twice.
      if (waiting === undefined && !isShared) await this.#forgetExpired(key, nowMs);
      return undefined;
    }
    const value = await this.open(record);
    counts.add(TIER_READ_HITS);
    return value;
  }

  async set(key: string, head: TierHead, bytes: Uint8Array): Promise<void> {
    const { tag, byteLength, expiresAtMs, slideMs } = head;
    const sealed = this.#parts.sealing.seal({ tag, bytes, byteLength }, { expiresAtMs, slideMs });
    const record = sealed instanceof Promise ? await sealed : sealed;
    await this.#parts.writes.set(key, record);
    this.#parts.counts.add(TIER_WRITES);
  }

  /** Lets an entry that slides live on, if it has not been written anew: what waits to be written was used a moment ago. */
  async slide(key: string, expiresAtMs: number): Promise<void> {
    const { engine, breaker, writes } = this.#parts;
    if (writes.find(key) === undefined) {
      await breaker.run(() => engine.update(key, (record) => record && slidOn(record, expiresAtMs)));
    }
  }

  /** Whether there was one that lives at `nowMs`; true where nobody wants to know. */
  async delete(key: string, { tells, nowMs }: { tells: boolean; nowMs: number }): Promise<boolean> {
    const { engine, breaker, writes, counts } = this.#parts;
    let wasThere = true;
    await writes.remove(key, async (waiting) => {
      if (waiting !== undefined || !tells) {
        await breaker.run(() => engine.delete(key));
        wasThere = !tells || (waiting !== undefined && deadlineOf(waiting) > nowMs);
        return;
      }
      await breaker.run(() =>
        engine.update(key, (record) => {
          wasThere = record !== undefined && deadlineOf(record) > nowMs;
          return undefined;
        }),
      );
    });
    counts.add(TIER_DELETES);
    return wasThere;
  }

  /** Entries, with those that have expired and that nobody has removed yet. */
  async size(): Promise<number> {
    await this.#parts.writes.drain();
    return this.#parts.breaker.run(() => this.#parts.engine.size());
  }

  /** Removes what has expired by `nowMs`, and says how many. */
  async cleanup(nowMs: number): Promise<number> {
    let count = 0;
    await this.#parts.writes.drain();
    for await (const page of this.pages()) {
      for (let at = 0; at < page.length; at += RECORDS_PER_STEP) {
        const keys = page.slice(at, at + RECORDS_PER_STEP);
        const records = await this.readMany(keys);
        for (const [i, record] of records.entries()) {
          if (record !== undefined && deadlineOf(record) <= nowMs) {
            count += await this.#removeExpired(keys[i] as string, nowMs);
          }
        }
        await turn();
      }
    }
    return count;
  }

  /** Pages of the keys that the engine has. */
  async *pages(): AsyncGenerator<readonly string[], void, void> {
    const { engine, breaker } = this.#parts;
    const iterator = engine.keys()[Symbol.asyncIterator]();
    let isOver = false;
    try {
      while (true) {
        const page = await breaker.run(() => iterator.next());
        if (page.done === true) {
          isOver = true;
          return;
        }
        yield page.value;
      }
    } finally {
      if (!isOver) await iterator.return?.();
    }
  }

  readMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#parts.breaker.run(() => this.#parts.engine.getMany(keys));
  }

  /** Rejects with STORE_CORRUPT, STORE_FOREIGN or MISSING_DEPENDENCY; counted, as any failure. */
  async open(record: Uint8Array): Promise<UnsealedValue> {
    try {
      return await unseal(record);
    } catch (error) {
      this.#parts.counts.add(TIER_FAILURES);
      throw error;
    }
  }

  #assertWhole(record: Uint8Array): void {
    try {
      openRecord(record);
    } catch (error) {
      this.#parts.counts.add(TIER_FAILURES);
      throw error;
    }
  }

  async #forgetExpired(key: string, nowMs: number): Promise<void> {
    try {
      await this.#removeExpired(key, nowMs);
    } catch {
      // The breaker has counted it, and there is nothing that lives either way: the next read or cleanup tries again.
    }
  }

  /** Looks again: the owner of the key may have written meanwhile. */
  async #removeExpired(key: string, nowMs: number): Promise<number> {
    const { engine, breaker } = this.#parts;
    let removed = 0;
    await breaker.run(() =>
      engine.update(key, (record) => {
        const hasExpired = record !== undefined && deadlineOf(record) <= nowMs;
        removed = hasExpired ? 1 : 0;
        return hasExpired ? undefined : record;
      }),
    );
    return removed;
  }
}
