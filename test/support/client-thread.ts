/** Clients in threads of their own, for tests: each runs what a test tells it with a cache that it has attached to. */
import { Worker } from 'node:worker_threads';
import type { Cache, CacheHandle } from 'shardstash';
import { afterEach } from 'vitest';

const FILE = new URL('./client-thread.mjs', import.meta.url);

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: object;
}

export class ClientThread {
  readonly worker = new Worker(FILE, { execArgv: [] });
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #id = 0;

  constructor() {
    this.worker.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** A thread that has attached. */
  static async of(cache: Cache): Promise<ClientThread> {
    const thread = new ClientThread();
    await thread.attach(cache.handle());
    return thread;
  }

  async attach(handle: CacheHandle): Promise<void> {
    await this.#ask({ handle }, handle.transfer);
  }

  /**
   * Runs a function there, from its text: it knows its arguments and what the language has, and nothing else. Rejects with
   * an Error that has the name, message, code, key and outcome of what it throws.
   */
  run<T, A extends unknown[]>(body: (cache: Cache, ...args: A) => T | Promise<T>, ...args: A): Promise<T> {
    return this.#ask({ body: body.toString(), args }) as Promise<T>;
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }

  #ask(message: object, transfer: CacheHandle['transfer'] = []): Promise<unknown> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ value, error }) => {
        if (error === undefined) {
          resolve(value);
        } else {
          reject(Object.assign(new Error(), error));
        }
      });
      this.worker.postMessage({ id, ...message }, transfer);
    });
  }
}

/** Starts threads for one test, each attached to the cache it is given, and ends them after it. */
export function clientThreadsOfOneTest(): (cache: Cache) => Promise<ClientThread> {
  const started: ClientThread[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((thread) => thread.end()));
  });
  return async (cache) => {
    const thread = await ClientThread.of(cache);
    started.push(thread);
    return thread;
  };
}
