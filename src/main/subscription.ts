/**
 * One listener of one event of a cache. It is handed one batch at a time: where it returns a promise the next one waits until
 * that settles, so a listener that cannot keep up says so by being slow. What waits is bounded; beyond that batches are
 * dropped, and how many events were in them goes with the next batch of the same shard, which comes even if nothing more
 * happens there.
 *
 * A listener that throws or rejects is an uncaught exception, as it is for an EventTarget, and hears of the next batch.
 */
import type { EventBatch } from './event-batch.ts';

/** Batches that wait for a busy listener: 64 Ki events, and 4 MiB of keys at most. */
export const WAITING_MAX = 64;

interface Place {
  readonly batch: EventBatch;
  /** Events that were dropped here before it. */
  readonly missed: number;
}

export class Subscription {
  readonly #listener: (events: object) => unknown;
  readonly #hollow: (shard: number, missed: number) => object | undefined;
  readonly #waiting: Place[] = [];
  /** By shard: events that were dropped since a batch of it was taken in. */
  readonly #dropped = new Map<number, number>();
  #isBusy = false;
  #hasEnded = false;

  /** `hollow` makes what is handed over in place of so many events that were dropped of a shard, if anything is. */
  constructor(listener: (events: object) => unknown, hollow: (shard: number, missed: number) => object | undefined) {
    this.#listener = listener;
    this.#hollow = hollow;
  }

  /** Hands a batch over, or lets it wait. False when it had to be dropped. */
  tell(batch: EventBatch): boolean {
    if (this.#hasEnded) {
      return true;
    }
    const missed = this.#dropped.get(batch.shard) ?? 0;
    if (this.#waiting.length >= WAITING_MAX) {
      this.#dropped.set(batch.shard, missed + batch.dropped + batch.count);
      return false;
    }
    this.#dropped.delete(batch.shard);
    this.#waiting.push({ batch, missed });
    this.#handOver();
    return true;
  }

  /** Hands nothing over any more. */
  end(): void {
    this.#hasEnded = true;
    this.#waiting.length = 0;
    this.#dropped.clear();
  }

  #handOver(): void {
    while (!this.#isBusy && (this.#waiting.length > 0 || this.#dropped.size > 0)) {
      const events = this.#next();
      if (events !== undefined) {
        this.#call(events);
      }
    }
  }

  /** What is to be handed over next; when nothing waits any more, what was dropped. */
  #next(): object | undefined {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      return next.batch.open(next.missed);
    }
    for (const [shard, missed] of this.#dropped) {
      this.#dropped.delete(shard);
      return this.#hollow(shard, missed);
    }
    return undefined;
  }

  #call(events: object): void {
    // Also while it runs: what it does may bring the next batch.
    this.#isBusy = true;
    try {
      const returned = this.#listener(events);
      if (typeof returned === 'object' && returned !== null && 'then' in returned) {
        Promise.resolve(returned).then(this.#goOn, this.#fail);
        return;
      }
    } catch (error) {
      throwLater(error);
    }
    this.#isBusy = false;
  }

  readonly #fail = (error: unknown): void => {
    throwLater(error);
    this.#goOn();
  };

  readonly #goOn = (): void => {
    this.#isBusy = false;
    this.#handOver();
  };
}

function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
