/**
 * Saves and loads of a client in another thread: they are asked of the thread that opened the cache, over the port of the client's
 * handle. While one is under way the port holds this thread, which would end before it hears what came of it.
 */
import type { MessagePort } from 'node:worker_threads';
import { CacheError } from '../../protocol/errors.ts';
import type { ToOpener } from '../handle.ts';
import { rebuild } from '../thrown.ts';
import type { LoadedSnapshot, SavedSnapshot, SnapshotCall, SnapshotCaller, SnapshotOutcome } from './requests.ts';

type Done = SavedSnapshot | LoadedSnapshot;

interface Waiting {
  resolve(done: Done): void;
  reject(error: unknown): void;
}

export class RemoteSnapshots implements SnapshotCaller {
  readonly #port: MessagePort;
  readonly #numberNext: () => number;
  readonly #tell: (message: ToOpener) => void;
  readonly #waiting = new Map<number, Waiting>();
  #wake: (() => void)[] = [];

  /** Numbers are those of the client's other tasks, too, since one message aborts any of them. */
  constructor(port: MessagePort, numberNext: () => number, tell: (message: ToOpener) => void) {
    this.#port = port;
    this.#numberNext = numberNext;
    this.#tell = tell;
  }

  async call(call: SnapshotCall, { signal }: AbortController): Promise<Done> {
    signal.throwIfAborted();
    const task = this.#numberNext();
    const outcome = new Promise<Done>((resolve, reject) => this.#waiting.set(task, { resolve, reject }));
    const abort = () => {
      this.#tell({ is: 'abort', task });
      this.#take(task)?.reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#port.ref();
    this.#tell({ is: 'snapshot', task, call });
    try {
      return await outcome;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async drained(): Promise<void> {
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  /** What the opener says of it. */
  settle(task: number, outcome: SnapshotOutcome): void {
    const waiting = this.#take(task);
    if ('done' in outcome) waiting?.resolve(outcome.done);
    else waiting?.reject(rebuild(outcome.thrown));
  }

  /** There will be no answers any more. */
  fail(how: string): void {
    for (const task of [...this.#waiting.keys()]) {
      this.#take(task)?.reject(
        new CacheError('CACHE_CLOSED', `${how}: whether it was saved or loaded is not known`, { outcome: 'unknown' }),
      );
    }
  }

  #take(task: number): Waiting | undefined {
    const waiting = this.#waiting.get(task);
    this.#waiting.delete(task);
    if (this.#waiting.size === 0) {
      this.#port.unref();
      for (const resolve of this.#wake.splice(0)) resolve();
    }
    return waiting;
  }
}
