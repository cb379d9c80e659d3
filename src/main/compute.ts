/**
 * CPU-bound computations on threads of their own (Piscina's), so that the thread that asks stays free. A task names a
 * function in a module; a pool's thread imports it, calls it, and encodes what it returns.
 *
 *     run -- waiting, in order, at most `queue` of them --> threads, at most `threads`, one task each --> bytes
 *
 * The line is kept here: Piscina 5.3.2 puts tasks that can be aborted into one that has no bound, and sends its head to the
 * end whenever no thread is free. A task whose signal aborts loses its thread, since nothing else ends a loop; the next
 * task gets a new one.
 */
import type { Piscina } from 'piscina';
import { describeThrown } from '../protocol/describe.ts';
import { CacheError, misuse } from '../protocol/errors.ts';
import { type StoredValue, storedValue } from '../protocol/operations.ts';
import type { Tag } from '../protocol/value-tags.ts';
import { optionError } from './option-errors.ts';
import type { ComputeConfig } from './options.ts';
import { type PluginModule, type ResolvedModule, resolveModule } from './plugin.ts';
import { isSerializerName } from './serializers/index.ts';
import { rebuild, type Thrown, thrownOf } from './thrown.ts';

/** A function in a module, which makes a value of its arguments. It may be async. */
export interface TaskModule extends PluginModule {
  /** Copied into the thread as `structuredClone` copies, when the computation begins. Default: none. */
  readonly args?: readonly unknown[] | undefined;
}

export interface ResolvedTask extends ResolvedModule {
  readonly args: readonly unknown[];
}

/** As a thread of the pool gets it. */
export interface ComputeTask extends ResolvedTask {
  /** The ids of the keys that wait for it. */
  readonly chain: readonly string[];
}

/** What comes back of it. */
export type ComputeOutcome =
  | { readonly tag: Tag; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly thrown: Thrown };

const TASK = new URL('./compute-task.js', import.meta.url);
const KNOWN = ['module', 'export', 'args'];
const NO_ARGS: readonly unknown[] = Object.freeze([]);

/** Throws INVALID_CONFIG. Whether there is such a module and such a function, the thread finds out. */
export function resolveTask(task: unknown): ResolvedTask {
  if (typeof task !== 'object' || task === null || !('module' in task)) {
    throw optionError('task', 'an object with `module`, and perhaps `export` and `args`', task);
  }
  const stranger = Object.keys(task).find((name) => !KNOWN.includes(name));
  if (stranger !== undefined) {
    throw optionError('task', 'an object of `module`, `export` and `args`, and nothing else', stranger);
  }
  const { args = NO_ARGS } = task as { args?: unknown };
  if (!Array.isArray(args)) {
    throw misuse('INVALID_CONFIG', '`task.args` to be an array of arguments', args, { option: 'task' });
  }
  return Object.freeze({ ...resolveModule('task', task), args });
}

export class ComputePool {
  readonly #config: ComputeConfig;
  readonly #serializer: string | ResolvedModule;
  readonly #onFault: (cause: unknown) => void;
  #pool: Promise<Piscina<ComputeTask, ComputeOutcome>> | undefined;
  #running = 0;
  /** In order: each lets a task begin, or rejects it. */
  readonly #waiting = new Set<{ begin(): void; reject(error: CacheError): void }>();
  #closing: Promise<void> | undefined;

  /**
   * Starts nothing before the first task. `serializer` is that of the cache's config. `onFault` hears of threads that
   * failed while they had nothing to do.
   */
  constructor(
    config: ComputeConfig,
    serializer: string | ResolvedModule,
    onFault: (cause: unknown) => void = () => {},
  ) {
    this.#config = config;
    this.#serializer = serializer;
    this.#onFault = onFault;
  }

  /**
   * What the task makes, encoded. `chain` names the keys that wait for it, and is `computing.chain()` there. Rejects with
   * what the task throws; SERIALIZATION_ERROR for a value that cannot be stored; UNKNOWN_PLUGIN where there is no such
   * module or function; INVALID_CONFIG for args that cannot be copied; the signal's reason, and its thread is ended;
   * OVERLOADED, CACHE_CLOSED, or COMPUTE_ERROR when the thread ends.
   */
  async run(task: ResolvedTask, chain: readonly string[], signal: AbortSignal): Promise<StoredValue> {
    return valueOfOutcome(await this.#compute(task, chain, signal));
  }

  /** The same as data that crosses to another thread. Never rejects. */
  async outcomeOf(task: ResolvedTask, chain: readonly string[], signal: AbortSignal): Promise<ComputeOutcome> {
    try {
      return await this.#compute(task, chain, signal);
    } catch (error) {
      return { thrown: thrownOf(error) };
    }
  }

  /** Rejects what runs and what waits with CACHE_CLOSED, and ends the threads. */
  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #compute(task: ResolvedTask, chain: readonly string[], signal: AbortSignal): Promise<ComputeOutcome> {
    this.#assertOpen();
    signal.throwIfAborted();
    if (typeof this.#serializer === 'string' && !isSerializerName(this.#serializer)) {
      throw inlineSerializer(this.#serializer);
    }
    const args = copyOf(task.args);
    await this.#turn(signal);
    try {
      this.#pool ??= this.#start();
      const pool = await this.#pool;
      this.#assertOpen();
      return await pool.run({ ...task, args, chain }, { signal });
    } catch (cause) {
      throw this.#reasonOf(cause, task, signal);
    } finally {
      this.#next();
    }
  }

  async #shutDown(): Promise<void> {
    for (const { reject } of this.#waiting) {
      reject(closed());
    }
    this.#waiting.clear();
    await (await this.#pool)?.destroy();
  }

  /** Imported with the first task: most caches have none, and Piscina takes 25 ms. */
  async #start(): Promise<Piscina<ComputeTask, ComputeOutcome>> {
    const { Piscina } = await import('piscina');
    const { threads, idleTimeout } = this.#config;
    const pool = new Piscina<ComputeTask, ComputeOutcome>({
      filename: TASK.href,
      minThreads: 0,
      maxThreads: threads,
      idleTimeout,
      // A thread that blocks between two tasks would be deaf to whatever port the user's module holds.
      atomics: 'disabled',
      recordTiming: false,
      workerData: this.#serializer,
      // As for the shards: the application's own flags are none of its business.
      execArgv: [],
    });
    pool.on('error', this.#onFault);
    return pool;
  }

  /** Resolves when a thread is free. Rejects with OVERLOADED, CACHE_CLOSED or the signal's reason. */
  async #turn(signal: AbortSignal): Promise<void> {
    const { threads, queue } = this.#config;
    if (this.#running < threads) {
      this.#running++;
      return;
    }
    if (this.#waiting.size >= queue) {
      const message = `${threads} tasks run and ${queue} wait, as many as may. Slow down, or raise \`compute.queue\``;
      throw new CacheError('OVERLOADED', message, { outcome: 'not-sent' });
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(turn);
        reject(signal.reason);
      };
      const turn = {
        begin: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
        reject: (error: CacheError) => {
          signal.removeEventListener('abort', leave);
          reject(error);
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.add(turn);
    });
  }

  /** Hands the free thread to who has waited longest. */
  #next(): void {
    const [turn] = this.#waiting;
    if (turn === undefined) {
      this.#running--;
      return;
    }
    this.#waiting.delete(turn);
    turn.begin();
  }

  /** Why Piscina has no outcome. */
  #reasonOf(cause: unknown, { module, export: name }: ResolvedTask, signal: AbortSignal): unknown {
    if (this.#closing !== undefined) {
      return closed();
    }
    if (signal.aborted) {
      return signal.reason;
    }
    const message =
      `The thread that ran the export \`${name}\` of ${module} ended: ${describeThrown(cause)}. See the cause; a task ` +
      'must not end its thread, nor outgrow its heap';
    return new CacheError('COMPUTE_ERROR', message, { cause });
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) {
      throw closed();
    }
  }
}

/** What came of a task. Throws what it threw. */
export function valueOfOutcome(outcome: ComputeOutcome): StoredValue {
  if ('thrown' in outcome) {
    throw rebuild(outcome.thrown);
  }
  return storedValue(outcome);
}

function closed(): CacheError {
  return new CacheError('CACHE_CLOSED', 'The cache was closed before the value was computed');
}

/** Taken at once, so that nobody changes them while they wait. */
export function copyOf(args: readonly unknown[]): readonly unknown[] {
  try {
    return structuredClone(args);
  } catch (cause) {
    const error = optionError('args', `what can be sent to another thread: ${describeThrown(cause)}`, args);
    throw Object.assign(error, { cause });
  }
}

function inlineSerializer(name: string): TypeError {
  const message =
    `A task needs a \`serializer\` that its thread can load, and '${name}' is an object of functions, which cannot be ` +
    'sent there. Give `openCache` the name of a serializer, or a module that exports yours';
  return Object.assign(new TypeError(message), { code: 'INVALID_CONFIG', option: 'task' });
}
