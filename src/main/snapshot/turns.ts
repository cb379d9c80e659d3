/** Saves and loads of one cache, one at a time, in the order in which they were asked for. */
import { CacheError } from '../../protocol/errors.ts';

/** Calls that may wait for their turn. */
const WAITING_MAX = 64;

export class Turns {
  #last: Promise<void> = Promise.resolve();
  #pending = 0;

  /** Whether something runs, or waits. */
  get isBusy(): boolean {
    return this.#pending > 0;
  }

  /** Runs `step` when all before it have ended. Rejects with OVERLOADED, and with the signal's reason while it waits. */
  async take<T>(signal: AbortSignal, step: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#pending > WAITING_MAX) {
      const message = `${WAITING_MAX} saves and loads of this cache wait already: await earlier ones first`;
      throw new CacheError('OVERLOADED', message, { outcome: 'not-sent' });
    }
    this.#pending++;
    const before = this.#last;
    let end: (ended?: Promise<void>) => void = () => {};
    this.#last = new Promise((resolve) => {
      end = resolve as typeof end;
    });
    try {
      await orAborted(before, signal);
    } catch (reason) {
      this.#pending--;
      end(before);
      throw reason;
    }
    try {
      return await step();
    } finally {
      this.#pending--;
      end();
    }
  }

  /** Resolves when nothing runs or waits. */
  async drained(): Promise<void> {
    while (this.isBusy) {
      await this.#last;
    }
  }
}

/** What `work` comes to, or the signal's reason if that comes first: then `work` goes on, and nobody hears of it. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    work.catch(() => {});
  }
}
