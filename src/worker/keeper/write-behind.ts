/**
 * Writes that are acknowledged when they wait here, and reach the engine in batches a little later. Of each key the latest
 * waits; reads are answered from it.
 *
 *     set --> [ k1 k7 k3 ... ]  --setMany, after flushMs or half full-->  engine
 *               |
 *     get <-----+
 *
 * - One flush runs at a time. It takes what waits when it begins; what is written meanwhile waits for the next. An entry leaves
 *   when the engine has it, and only if it is still the latest of its key.
 * - A delete goes to the engine at once, but not into a flush of that very key: it waits for that batch. Its entry is held back
 *   meanwhile, and stays if the delete fails: a read must not see what was there before it.
 * - A set for which there is no room waits for it. What waits so is bounded by the lanes of the owners, which have a bound
 *   of calls under way; each key is at most once among them.
 * - A flush that fails is tried again, RETRY_MIN_MS to RETRY_MAX_MS later, for as long as the process lives: nothing that was
 *   acknowledged is thrown away. Once there is no room either, sets fail with what the engine says.
 *
 * It is bad at an entry that the engine never takes, as one that is too large for it: its batch is written one by one, and that
 * one keeps its place, where reads find it and no scan, until it is set anew, deleted or cleared.
 */
import type { Engine } from '../../protocol/engines/engine.ts';
import { CacheError } from '../../protocol/errors.ts';
import {
  type WriteBehind as Bounds,
  TIER_FLUSHED,
  TIER_QUEUED_BYTES,
  TIER_QUEUED_ENTRIES,
} from '../../protocol/tier.ts';
import type { Breaker } from './breaker.ts';
import type { TierCounts } from './counts.ts';
import { errorRecordOf } from './error-record.ts';
import type { Unwritten, Writes } from './writes.ts';

/** Of one setMany: engines that are done at once would hold up reads for longer. */
const BATCH_ENTRIES = 1_024;
const BATCH_BYTES = 16 * 1024 * 1024;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1_000;
/** With the pauses between them longer than a Breaker refuses to try. */
const CLOSE_TRIES = 6;
/** A character of a key is two bytes at most. */
const BYTES_PER_CHARACTER = 2;

interface Queued {
  readonly key: string;
  readonly record: Uint8Array;
  /** In the batch that is on its way. */
  isFlying: boolean;
  /** A delete of its key is under way. */
  isHeld: boolean;
}

export class WriteBehind implements Writes {
  readonly #engine: Engine;
  readonly #breaker: Breaker;
  readonly #counts: TierCounts;
  readonly #bounds: Bounds;
  /** The latest of each key. */
  readonly #waiting = new Map<string, Queued>();
  /** Of these, and of what has been replaced on its way. */
  #entries = 0;
  #bytes = 0;
  /** Sets without room. */
  #blocked: (() => void)[] = [];
  #flight: { readonly keys: ReadonlySet<string>; readonly landed: Promise<void> } | undefined;
  /** When the last flush that has begun has ended. */
  #last: Promise<void> = Promise.resolve();
  /** The flush that has not begun yet. */
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = 0;
  /** Why the last flush has failed. */
  #fault: Error | undefined;

  constructor(engine: Engine, breaker: Breaker, counts: TierCounts, bounds: Bounds) {
    this.#engine = engine;
    this.#breaker = breaker;
    this.#counts = counts;
    this.#bounds = bounds;
  }

  find(key: string): Uint8Array | undefined {
    return this.#waiting.get(key)?.record;
  }

  keys(): Iterable<string> {
    return this.#waiting.keys();
  }

  async set(key: string, record: Uint8Array): Promise<void> {
    const entry: Queued = { key, record, isFlying: false, isHeld: false };
    for (let waits = 0; !this.#hasRoomFor(entry); waits++) {
      // One entry that is not taken is no reason: others may leave. After that the room is gone to such entries.
      if (this.#fault !== undefined && (isEngineError(this.#fault) || waits > 0)) {
        throw full(this.#fault);
      }
      this.#flushSoon();
      await new Promise<void>((resolve) => this.#blocked.push(resolve));
    }
    this.#withdraw(this.#waiting.get(key));
    this.#waiting.set(key, entry);
    this.#account(1, costOf(entry));
    this.#arm();
  }

  async remove<T>(key: string, step: (waiting: Uint8Array | undefined) => Promise<T>): Promise<T> {
    const entry = this.#waiting.get(key);
    if (entry !== undefined) {
      entry.isHeld = true;
    }
    try {
      // Bounded: who holds its entry, or has none, sees no other batch with its key.
      if (this.#flight?.keys.has(key)) {
        await this.#flight.landed;
      }
      const removed = await step(entry?.record);
      if (this.#waiting.get(key) === entry) {
        this.#withdraw(entry);
        this.#makeRoom();
      }
      return removed;
    } finally {
      if (entry !== undefined && this.#waiting.get(key) === entry) {
        entry.isHeld = false;
        this.#arm();
      }
    }
  }

  async drain(): Promise<void> {
    try {
      await (this.#entries === 0 ? undefined : this.#flush());
    } catch (error) {
      // What is wrong with one entry keeps that one here, and holds up nobody.
      if (isEngineError(error)) throw error;
    }
  }

  forget(isOf: (key: string) => boolean): readonly string[] {
    const forgotten = Array.from(this.#waiting.values()).filter(({ key }) => isOf(key));
    for (const entry of forgotten) this.#withdraw(entry);
    this.#makeRoom();
    return forgotten.map(({ key }) => key);
  }

  async close(): Promise<Unwritten> {
    for (let tries = 1; ; tries++) {
      try {
        await this.drain();
        const lost = this.#waiting.size;
        return lost === 0 ? { lost } : { lost, error: errorRecordOf(this.#fault) };
      } catch (error) {
        if (tries === CLOSE_TRIES) {
          return { lost: this.#waiting.size, error: errorRecordOf(error) };
        }
        const ms = Math.min(RETRY_MIN_MS * 2 ** tries, RETRY_MAX_MS);
        await new Promise((resolve) => setTimeout(resolve, ms));
      } finally {
        clearTimeout(this.#timer);
        clearTimeout(this.#retry);
      }
    }
  }

  /** One larger than all there is goes alone. */
  #hasRoomFor(entry: Queued): boolean {
    const before = this.#waiting.get(entry.key);
    const isReplaced = before !== undefined && !before.isFlying;
    const entries = this.#entries + (isReplaced ? 0 : 1);
    const bytes = this.#bytes + costOf(entry) - (isReplaced ? costOf(before) : 0);
    return entries === 1 || (entries <= this.#bounds.entriesMax && bytes <= this.#bounds.bytesMax);
  }

  #arm(): void {
    if (this.#entries * 2 >= this.#bounds.entriesMax || this.#bytes * 2 >= this.#bounds.bytesMax) {
      this.#flushSoon();
    } else {
      this.#flushAfter(this.#bounds.flushMs);
    }
  }

  #flushAfter(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flushSoon();
    }, ms);
  }

  /** Unless the engine is failing: then the retry is when it is asked again. */
  #flushSoon(): void {
    if (this.#retry === undefined) {
      // Its failure is kept, and tried again.
      this.#flush().catch(ignore);
    }
  }

  /** All that waits now. Who asks while one runs gets the next. */
  #flush(): Promise<void> {
    if (this.#next === undefined) {
      const flush = this.#last.then(() => {
        this.#next = undefined;
        return this.#writeAll();
      });
      this.#next = flush;
      this.#last = flush.catch(ignore);
    }
    return this.#next;
  }

  async #writeAll(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let fault: Error | undefined;
    let batch: Queued[] = [];
    let bytes = 0;
    const all = Array.from(this.#waiting.values());
    for (const [i, entry] of all.entries()) {
      batch.push(entry);
      bytes += costOf(entry);
      if (i === all.length - 1 || batch.length === BATCH_ENTRIES || bytes >= BATCH_BYTES) {
        fault = (await this.#write(batch.filter((each) => this.#isDue(each)))) ?? fault;
        batch = [];
        bytes = 0;
        if (isEngineError(fault)) break;
      }
    }
    this.#settle(fault);
    if (fault !== undefined) {
      throw fault;
    }
  }

  #isDue(entry: Queued): boolean {
    return !entry.isHeld && this.#waiting.get(entry.key) === entry;
  }

  /** The error of those that the engine has not taken. */
  async #write(batch: readonly Queued[]): Promise<Error | undefined> {
    if (batch.length === 0) {
      return undefined;
    }
    let land = ignore;
    const landed = new Promise<void>((resolve) => {
      land = resolve;
    });
    for (const entry of batch) entry.isFlying = true;
    this.#flight = { keys: new Set(batch.map(({ key }) => key)), landed };
    const written = new Set<Queued>();
    const fault = await this.#offer(batch, written);
    this.#flight = undefined;
    for (const entry of batch) this.#land(entry, written.has(entry));
    this.#counts.add(TIER_FLUSHED, written.size);
    this.#makeRoom();
    land();
    return fault;
  }

  async #offer(batch: readonly Queued[], written: Set<Queued>): Promise<Error | undefined> {
    try {
      await this.#breaker.run(() => this.#engine.setMany(batch.map(({ key, record }) => [key, record] as const)));
      for (const entry of batch) written.add(entry);
      return undefined;
    } catch (error) {
      return isEngineError(error) ? (error as Error) : this.#offerEach(batch, written);
    }
  }

  /** What is wrong with one entry is no reason to keep the others. */
  async #offerEach(batch: readonly Queued[], written: Set<Queued>): Promise<Error | undefined> {
    let fault: Error | undefined;
    for (const entry of batch) {
      try {
        await this.#breaker.run(() => this.#engine.set(entry.key, entry.record));
        written.add(entry);
      } catch (error) {
        fault = error as Error;
        if (isEngineError(error)) break;
      }
    }
    return fault;
  }

  #land(entry: Queued, isWritten: boolean): void {
    entry.isFlying = false;
    if (this.#waiting.get(entry.key) !== entry) {
      // It was replaced meanwhile, and counted until now.
      this.#account(-1, -costOf(entry));
    } else if (isWritten) {
      this.#withdraw(entry);
    }
  }

  /** Out of the queue. One that is on its way takes its room until it has landed. */
  #withdraw(entry: Queued | undefined): void {
    if (entry !== undefined) {
      this.#waiting.delete(entry.key);
      if (!entry.isFlying) this.#account(-1, -costOf(entry));
    }
  }

  #settle(fault: Error | undefined): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#fault = fault;
    if (!isEngineError(fault)) {
      this.#retryMs = 0;
      if (fault !== undefined) this.#flushAfter(Math.max(this.#bounds.flushMs, RETRY_MAX_MS));
    } else {
      this.#retryMs = Math.min(Math.max(this.#retryMs * 2, RETRY_MIN_MS), RETRY_MAX_MS);
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.#flushSoon();
      }, this.#retryMs);
      // They learn that there will be none.
      this.#makeRoom();
    }
  }

  #makeRoom(): void {
    for (const wake of this.#blocked.splice(0)) wake();
  }

  #account(entries: number, bytes: number): void {
    this.#entries += entries;
    this.#bytes += bytes;
    this.#counts.put(TIER_QUEUED_ENTRIES, this.#entries);
    this.#counts.put(TIER_QUEUED_BYTES, this.#bytes);
  }
}

function costOf({ key, record }: Queued): number {
  return key.length * BYTES_PER_CHARACTER + record.length;
}

function isEngineError(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === 'ENGINE_ERROR';
}

function full(cause: Error): CacheError {
  const message = `What is to be written behind has no room, since the engine does not take what waits: ${cause.message}`;
  return new CacheError('ENGINE_ERROR', message, { cause });
}

function ignore(): void {}
