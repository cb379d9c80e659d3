/** Tasks that run on a cache's pool for `cache.run`, whose values nobody stores: until each of them settles, or has to. */
import { setMaxListeners } from 'node:events';
import { CacheError } from '../protocol/errors.ts';
import type { StoredValue } from '../protocol/operations.ts';
import type { CallLimits } from './call.ts';
import type { ResolvedTask } from './compute.ts';
import { computing } from './computing.ts';
import type { CacheHome } from './shards.ts';

export class Runs {
  readonly #home: CacheHome;
  readonly #running = new Map<AbortController, Promise<StoredValue>>();

  constructor(home: CacheHome) {
    this.#home = home;
  }

  /** Rejects as `ComputePool.run` does, with the limits' `signal.reason`, and with TIMEOUT. */
  async run(task: ResolvedTask, { signal, timeoutMs }: CallLimits): Promise<StoredValue> {
    const controller = new AbortController();
    const late = setTimeout(() => controller.abort(tooLong(task, timeoutMs)), timeoutMs);
    const abort = () => controller.abort(signal?.reason);
    if (signal !== undefined) {
      // One signal may well guard a thousand tasks: that is no leak.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', abort, { once: true });
    }
    const running = this.#home.compute(task, computing.chain(), controller.signal);
    this.#running.set(controller, running);
    try {
      return await running;
    } finally {
      clearTimeout(late);
      signal?.removeEventListener('abort', abort);
      this.#running.delete(controller);
    }
  }

  /** Resolves when none is left. */
  async drained(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }

  fail(error: CacheError): void {
    for (const controller of this.#running.keys()) {
      controller.abort(error);
    }
  }
}

function tooLong({ module, export: name }: ResolvedTask, timeoutMs: number): CacheError {
  const message = `The export \`${name}\` of ${module} ran for more than ${timeoutMs} ms, and was ended. \`timeout\` says how long it may`;
  return new CacheError('TIMEOUT', message);
}
