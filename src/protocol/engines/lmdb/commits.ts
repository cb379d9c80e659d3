/**
 * One LMDB file as a thread has it open, shared by its stores of that path, and the writes that wait for the next commit. They are
 * gathered until the event loop has gone through what it had (setImmediate), and committed together in one synchronous
 * transaction. What reads a key that is waiting commits first, so that nobody ever sees what is not stored.
 *
 *     set, set, update, delete ...   -> one transaction:  each in its order -> pages synced -> meta -> all acknowledged
 *
 * The file is always opened without the syncing of its meta page: a process has an LMDB file open once, for all its threads, in the way
 * in which it was opened first. Writes of a store that has `sync` are acknowledged after a sync of their own.
 *
 * lmdb-js has a queue and a writing thread of its own, faster for many writes in flight; but when a commit fails there (a full
 * disk), it prints, leaves promises rejected that nobody can handle, which ends the process, and never closes again (3.5.6).
 */
import { getSystemErrorName } from 'node:util';
import { CacheError } from '../../errors.ts';
import { engineError } from '../faults.ts';

/** What waits for a commit: more than that commits at once. */
const BATCH_BYTES_MAX = 8 * 2 ** 20;
const BATCH_WRITES_MAX = 10_000;

/** As much room as there is for numbers of the system's errors. */
const SYSTEM_ERRORS_END = 256;
const MDB_MAP_FULL = -30_792;
/** MDB_PAGE_NOTFOUND, MDB_CORRUPTED, MDB_PANIC, MDB_INVALID. */
const DAMAGE = [-30_797, -30_796, -30_795, -30_793];

/** As much of a database of lmdb-js as is used. */
export interface Database {
  getBinary(key: Buffer): Buffer | undefined;
  /** Whose `length` is that of the value, and whose memory is longer. */
  getBinaryFast(key: Buffer): Buffer | undefined;
  put(key: Buffer, value: Buffer): unknown;
  remove(key: Buffer): unknown;
  clearSync(): void;
  getKeys(range: { start?: Buffer; exclusiveStart?: boolean; limit: number }): Iterable<Buffer>;
  getStats(): { entryCount: number; pageSize: number; lastPageNumber: number; mapSize: number };
  transactionSync(body: () => void): void;
  resetReadTxn(): void;
  sync(callback: (error?: unknown) => void): void;
  close(): Promise<void>;
}

interface Write {
  /** Whether it is acknowledged only when the machine's end cannot undo it either. */
  readonly isSynced: boolean;
  /** Runs in the transaction. What it throws undoes all of it. */
  run(): void;
  /** After the commit. */
  done(): void;
  failed(error: Error): void;
}

export class LmdbCommits {
  readonly path: string;
  readonly database: Database;
  users = 0;
  #waiting: Write[] = [];
  #waitingBytes = 0;
  readonly #waitingKeys = new Set<string>();
  #soon: NodeJS.Immediate | undefined;
  #isCommitting = false;
  readonly #syncs = new Set<Promise<void>>();

  constructor(path: string, database: Database) {
    this.path = path;
    this.database = database;
  }

  isWaiting(key: string): boolean {
    return this.#waitingKeys.size > 0 && this.#waitingKeys.has(key);
  }

  /** Settles with what `run` answers, when it is committed, and synced where that `isSynced`. */
  write<T>(isSynced: boolean, keys: readonly string[], bytes: number, run: () => T): Promise<T> {
    return new Promise((resolve, failed) => {
      let answer: T;
      const write: Write = {
        isSynced,
        run: () => {
          answer = run();
        },
        done: () => resolve(answer),
        failed,
      };
      this.#waiting.push(write);
      this.#waitingBytes += bytes;
      for (const key of keys) this.#waitingKeys.add(key);
      const isFull = this.#waitingBytes > BATCH_BYTES_MAX || this.#waiting.length >= BATCH_WRITES_MAX;
      if (isFull && !this.#isCommitting) {
        this.commit();
      } else {
        this.#soon ??= setImmediate(() => this.commit());
      }
    });
  }

  /** Whatever waits is committed, or has failed, when this returns. */
  commit(): void {
    // The change of an update runs in the transaction: what it calls waits for the next one.
    if (this.#isCommitting) {
      return;
    }
    clearImmediate(this.#soon);
    this.#soon = undefined;
    const writes = this.#waiting;
    if (writes.length === 0) {
      return;
    }
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#waitingKeys.clear();
    this.#isCommitting = true;
    try {
      this.database.transactionSync(() => {
        for (const write of writes) write.run();
      });
    } catch (cause) {
      const error = lmdbError('write', this.path, cause);
      for (const write of writes) write.failed(error);
      return;
    } finally {
      this.#isCommitting = false;
    }
    for (const write of writes) if (!write.isSynced) write.done();
    const synced = writes.filter(({ isSynced }) => isSynced);
    if (synced.length > 0) {
      this.sync('write').then(
        () => synced.map((write) => write.done()),
        (error: Error) => synced.map((write) => write.failed(error)),
      );
    }
  }

  /** Settles when all that is committed is on the disk, the meta page with it. */
  sync(doing: string): Promise<void> {
    const sync = new Promise<void>((resolve, reject) => {
      this.database.sync((cause) => (cause ? reject(lmdbError(doing, this.path, cause)) : resolve()));
    });
    this.#syncs.add(sync);
    const settled = () => void this.#syncs.delete(sync);
    sync.then(settled, settled);
    return sync;
  }

  async close(): Promise<void> {
    // Who waits for one of them has been told.
    await Promise.allSettled(this.#syncs);
    try {
      await this.database.close();
    } catch (cause) {
      throw lmdbError('close', this.path, cause);
    }
  }

  read<T>(doing: string, step: () => T): T {
    try {
      return step();
    } catch (cause) {
      throw this.readError(doing, cause);
    }
  }

  /** A transaction that has met damage refuses every read that comes after: the next one has another. */
  readError(doing: string, cause: unknown): Error {
    this.database.resetReadTxn();
    return lmdbError(doing, this.path, cause);
  }
}

/** LMDB numbers the system's errors as the system does, and its own below zero. */
export function lmdbError(doing: string, path: string, cause: unknown): Error {
  const { code } = (cause ?? {}) as { code?: unknown };
  if (!(cause instanceof Error) || typeof code !== 'number') {
    return engineError(doing, path, cause);
  }
  if (code > 0 && code < SYSTEM_ERRORS_END) {
    const named = Object.assign(new Error(cause.message, { cause }), { code: getSystemErrorName(-code) });
    return engineError(doing, path, named);
  }
  const what = `Cannot ${doing} at ${path}: ${cause.message}. Next:`;
  if (DAMAGE.includes(code)) {
    return new CacheError('STORE_CORRUPT', `${what} move the file away, or put a copy of it back`, { path, cause });
  }
  if (code === MDB_MAP_FULL) {
    return new CacheError('ENGINE_ERROR', `${what} raise \`mapSize\`, or remove entries`, { path, cause });
  }
  return engineError(doing, path, cause);
}
