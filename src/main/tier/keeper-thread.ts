/**
 * The thread of a tier's keeper, from its birth to its death, as the thread that opened the cache sees it. It is told to
 * close and then ends by itself; it is terminated only when it has closed its engine, or has had its time for that, since some
 * engines do not survive the end of a thread in the middle of a write (protocol/tier.ts).
 */
import { type MessagePort, Worker } from 'node:worker_threads';
import { CacheError, type CacheErrorCode } from '../../protocol/errors.ts';
import type { FromKeeper, KeeperBirth, ToKeeper } from '../../protocol/tier.ts';
import { type Death, deathOf } from '../worker-death.ts';
import { asTierError } from './options.ts';

const WORKER = new URL('../../worker/keeper/index.js', import.meta.url);
/** What an engine may take to close beyond the time that the calls had: a queue that is full of what waits for a slow disk. */
const CLOSE_GRACE_MS = 10_000;

/** What a keeper says beside its answers. */
export interface KeeperEvents {
  warned(message: string): void;
  down(message: string): void;
  up(): void;
}

/** How it ended: entries that were acknowledged and could not be written, and why. */
export interface KeeperEnd {
  readonly lost: number;
  readonly cause: Error | undefined;
}

export class KeeperThread {
  /** Never rejects. */
  readonly death: Promise<Death>;
  /**
   * Whether the tier is empty. Rejects with what the keeper refuses, TIMEOUT when an engine of the user's takes longer than
   * `timeoutMs`, and ENGINE_ERROR when the thread ends before.
   */
  readonly ready: Promise<boolean>;
  readonly #worker: Worker;
  readonly #path: string;
  /** What it said last. */
  #end: KeeperEnd | undefined;
  #onEnd: () => void = () => {};

  constructor(birth: KeeperBirth, events: KeeperEvents, timeoutMs: number) {
    this.#path = pathOf(birth);
    // The application's own flags (loaders, inspectors, test runners) are none of the keeper's business.
    this.#worker = new Worker(WORKER, { workerData: birth, name: 'shardstash tier', execArgv: [] });
    this.death = deathOf(this.#worker);
    this.ready = this.#whenReady(events, 'module' in birth.engine ? timeoutMs : undefined);
    this.ready.catch(() => {});
  }

  /** The owner of a shard asks by the other end of this port. */
  connect(shard: number, port: MessagePort): void {
    this.#tell({ is: 'session', shard, port }, [port]);
  }

  /** From now on it does not keep the process alive. */
  unref(): void {
    this.#worker.unref();
  }

  /** Lets it finish what was begun, and ends it. Undefined when it has died over that, or taken longer than it may. */
  async close(timeoutMs: number): Promise<KeeperEnd | undefined> {
    // What was acknowledged is worth the life of the process.
    this.#worker.ref();
    const ended = new Promise<void>((resolve) => {
      this.#onEnd = resolve;
    });
    this.#tell({ is: 'close' });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, timeoutMs + CLOSE_GRACE_MS);
    });
    await Promise.race([ended, this.death, late]);
    clearTimeout(timer);
    await this.terminate();
    return this.#end;
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  async #whenReady(events: KeeperEvents, timeoutMs: number | undefined): Promise<boolean> {
    const ready = new Promise<boolean>((resolve, reject) => {
      this.#worker.on('message', (message: FromKeeper | undefined | null) => {
        // An engine's module has this port, too, and may post what it likes.
        switch (message?.is) {
          case 'ready':
            resolve(message.isEmpty);
            break;
          case 'refusal':
            reject(refusalOf(message.error));
            break;
          case 'warning':
            events.warned(message.message);
            break;
          case 'down':
            events.down(message.message);
            break;
          case 'up':
            events.up();
            break;
          case 'closed':
            this.#end = { lost: message.lost, cause: message.error && errorOf(message.error, this.#path) };
            this.#onEnd();
        }
      });
    });
    const stillborn = this.death.then(({ code, cause }) => {
      const message = `The thread of the tier ${this.#path} ended with code ${code} before its engine was open: see the cause`;
      throw new CacheError('ENGINE_ERROR', message, { path: this.#path, cause });
    });
    let deadline: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      if (timeoutMs !== undefined) deadline = setTimeout(() => reject(notOpened(this.#path, timeoutMs)), timeoutMs);
    });
    try {
      return await Promise.race([ready, stillborn, late]);
    } finally {
      clearTimeout(deadline);
    }
  }

  #tell(message: ToKeeper, transfer: MessagePort[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
}

/** For messages: its directory, or its name on a server. */
export function pathOf({ place }: Pick<KeeperBirth, 'place'>): string {
  return place.directory === '' ? place.name : place.directory;
}

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly option?: string;
  readonly path?: string;
}

/** The error as it was in the keeper's thread. */
export function refusalOf(error: Refusal): unknown {
  const { code, message, option, path } = error;
  if (option === undefined && code !== 'INVALID_CONFIG') {
    return errorOf(error, path);
  }
  return asTierError(Object.assign(new TypeError(message), { code, option }));
}

function errorOf({ code, message }: Refusal, path: string | undefined): CacheError {
  return new CacheError(code as CacheErrorCode, message, { path });
}

function notOpened(path: string, timeoutMs: number): CacheError {
  const message =
    `The engine of the tier ${path} was not open after ${timeoutMs} ms: its module waits for what does not come, or ` +
    'never ends. Give it a longer `timeout`, or less to do';
  return new CacheError('TIMEOUT', message, { path });
}
