/**
 * One SQLite database in the store's directory, through the driver of driver.ts:
 *
 *     store.sqlite    application_id 0x53485354 ("SHST"), user_version 1
 *     entries         key BLOB PRIMARY KEY    the UTF-8 of the key; one byte 0xFF, which no UTF-8 has, for the empty one
 *                     record BLOB
 *
 * Keys are blobs since libsql cuts a text at its first U+0000. It is an ordinary table: WITHOUT ROWID keeps records in the tree
 * of the keys, which for records of 2 kB took twice the room, and a third of the writes a second (11,000 instead of 30,000).
 *
 * It writes ahead (WAL) with synchronous=NORMAL: a commit survives the end of the process, and the last ones may be lost with
 * the machine, which damages nothing; with `sync: true` (FULL) each commit is on the disk first. Processes may share it:
 * writers take turns, and who has waited BUSY_MS for its own gets BUSY. All of it happens on the calling thread: a slow disk, or
 * a long turn of somebody else, holds up the event loop as long.
 *
 * The files are left to SQLite: whoever closes a database's file by itself drops the locks of the whole process with it.
 */
import { join } from 'node:path';
import { CacheError } from '../../errors.ts';
import type { Files } from '../../files.ts';
import { type Engine, type EngineFacts, type EngineKind, KEYS_PER_PAGE, type Place } from '../engine.ts';
import { attempt, engineError, storeError } from '../faults.ts';
import { flagOption } from '../place-options.ts';
import { loadSqlite, type OpenSqlite, SQLITE, type SqliteDriver, SqliteFault } from './driver.ts';

const FILE = 'store.sqlite';
/** "SHST": how the file is known to be ours, by `file` and by us. */
const APPLICATION_ID = 0x53_48_53_54;
const FORMAT = 1;
/** How long a write waits for those of other processes. It blocks the thread, so it is not long. */
const BUSY_MS = 2_000;
const EMPTY_KEY = Buffer.from([0xff]);

const NEXT_STEPS: Readonly<Record<number, string>> = {
  [SQLITE.READONLY]: 'give this process the right to write there, or choose another `root`',
  [SQLITE.CANTOPEN]: 'see that its directory is there, and that this process may read and write there',
  [SQLITE.FULL]: 'the disk, or the size that the database may have, is full: make room, or remove entries and compact',
  [SQLITE.IOERR]: 'the disk fails, or is full: look at its health and its room, and try again',
};

class SqliteEngine implements Engine {
  readonly #driver: SqliteDriver;
  readonly #path: string;
  readonly #files: Files;
  readonly #get: (key: Uint8Array) => unknown;
  readonly #put: (key: Uint8Array, record: Uint8Array) => number;
  readonly #remove: (key: Uint8Array) => number;
  readonly #clear: () => number;
  readonly #count: () => unknown;
  readonly #firstKeys: (limit: number) => unknown;
  readonly #keysAfter: (key: Uint8Array, limit: number) => unknown;

  constructor(driver: SqliteDriver, path: string, files: Files) {
    this.#driver = driver;
    this.#path = path;
    this.#files = files;
    this.#get = driver.single('SELECT record FROM entries WHERE key = ?');
    this.#put = driver.command(
      'INSERT INTO entries VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET record = excluded.record',
    );
    this.#remove = driver.command('DELETE FROM entries WHERE key = ?');
    this.#clear = driver.command('DELETE FROM entries');
    this.#count = driver.single('SELECT count(*) FROM entries');
    this.#firstKeys = driver.single(pageOf('SELECT key FROM entries ORDER BY key LIMIT ?'));
    this.#keysAfter = driver.single(pageOf('SELECT key FROM entries WHERE key > ? ORDER BY key LIMIT ?'));
  }

  get(key: string): Uint8Array | undefined {
    return this.#attempt('read', () => this.#get(blobOf(key)) as Uint8Array | undefined);
  }

  set(key: string, record: Uint8Array): void {
    this.#attempt('write', () => this.#put(blobOf(key), record));
  }

  delete(key: string): boolean {
    return this.#attempt('delete', () => this.#remove(blobOf(key)) > 0);
  }

  update(key: string, change: (record: Uint8Array | undefined) => Uint8Array | undefined): void {
    const blob = blobOf(key);
    this.#transaction('update', () => {
      const before = this.#attempt('read', () => this.#get(blob) as Uint8Array | undefined);
      const after = change(before);
      if (after !== undefined && after !== before) {
        this.#attempt('write', () => this.#put(blob, after));
      } else if (after === undefined && before !== undefined) {
        this.#attempt('delete', () => this.#remove(blob));
      }
    });
  }

  getMany(keys: readonly string[]): (Uint8Array | undefined)[] {
    return keys.map((key) => this.get(key));
  }

  setMany(entries: readonly (readonly [string, Uint8Array])[]): void {
    this.#transaction('write', () => {
      for (const [key, record] of entries) this.set(key, record);
    });
  }

  clear(): number {
    return this.#attempt('clear', this.#clear);
  }

  size(): number {
    return this.#attempt('count', () => Number(this.#count()));
  }

  async *keys(): AsyncGenerator<readonly string[]> {
    let page = this.#attempt('list', () => this.#firstKeys(KEYS_PER_PAGE));
    while (typeof page === 'string') {
      const [last, ...keys] = page.split(',') as [string, ...string[]];
      yield keys.map(keyOf);
      page = this.#attempt('list', () => this.#keysAfter(Buffer.from(last, 'hex'), KEYS_PER_PAGE));
    }
  }

  /** What a commit wrote is in the log of writes: that this is on the disk is enough. */
  async flush(): Promise<void> {
    const path = `${this.#path}-wal`;
    let fd: number;
    try {
      fd = this.#files.openSync(path, 'r+');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
        // All of it is in the main file, which was synced when the log was emptied.
        return;
      }
      throw engineError('flush', path, cause);
    }
    try {
      await this.#files.fsync(fd);
    } catch (cause) {
      throw engineError('flush', path, cause);
    } finally {
      this.#files.closeSync(fd);
    }
  }

  close(): void {
    this.#attempt('close', () => {
      try {
        // Whoever is writing has the log of writes, and will empty it.
        this.#driver.exec('PRAGMA busy_timeout = 0');
        this.#checkpoint();
      } catch (cause) {
        if (!(cause instanceof SqliteFault && isBusy(cause))) throw cause;
      } finally {
        this.#driver.close();
      }
    });
  }

  facts(): EngineFacts {
    const size = (path: string) => this.#files.statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    return attempt('look', this.#path, () => {
      const logBytes = size(`${this.#path}-wal`);
      return { bytes: size(this.#path) + logBytes, logBytes };
    });
  }

  async *verify(): AsyncGenerator<string> {
    let findings: unknown[];
    try {
      findings = this.#driver.query('PRAGMA quick_check')();
    } catch (cause) {
      // Where it is damaged badly, the check itself stumbles.
      findings = [(cause as Error).message];
    }
    for (const finding of findings.flatMap((lines) => String(lines).split('\n'))) {
      if (finding !== 'ok' && !finding.startsWith('***')) {
        yield `${this.#path}: ${finding}`;
      }
    }
  }

  compact(): void {
    this.#attempt('compact', () => {
      this.#driver.exec('VACUUM');
      this.#checkpoint();
    });
  }

  /** Whoever else reads or writes may keep it from being done to its end: then the next one does it. */
  #checkpoint(): void {
    this.#driver.query('PRAGMA wal_checkpoint(TRUNCATE)')();
  }

  /** Immediate: what `body` reads is what it replaces. What `body` throws is thrown, and nothing of it stays. */
  #transaction(doing: string, body: () => void): void {
    this.#attempt(doing, () => this.#driver.exec('BEGIN IMMEDIATE'));
    try {
      body();
      this.#attempt(doing, () => this.#driver.exec('COMMIT'));
    } catch (error) {
      rollBack(this.#driver);
      this.#makeRoom(error);
      throw error;
    }
  }

  /**
   * Where the disk is full, it may be the log of writes that could not grow, and then not even a delete succeeds: emptied into the
   * main file, it leaves room for the next call.
   */
  #makeRoom(error: unknown): void {
    const fault = error instanceof CacheError ? error.cause : error;
    if (fault instanceof SqliteFault && (fault.resultCode === SQLITE.FULL || fault.resultCode === SQLITE.IOERR)) {
      try {
        this.#checkpoint();
      } catch {
        // There is no room for that either. The first error is the one to tell.
      }
    }
  }

  #attempt<T>(doing: string, step: () => T): T {
    try {
      return step();
    } catch (cause) {
      // Within a transaction it does nothing.
      this.#makeRoom(cause);
      throw sqliteError(doing, this.#path, cause);
    }
  }
}

/** After a failure, whose error is the one to tell. */
function rollBack(driver: SqliteDriver): void {
  try {
    driver.exec('ROLLBACK');
  } catch {
    // A disk that is full, or fails, rolls back by itself, and then there is no transaction to end.
  }
}

function blobOf(key: string): Buffer {
  return key === '' ? EMPTY_KEY : Buffer.from(key);
}

function keyOf(hex: string): string {
  const blob = Buffer.from(hex, 'hex');
  return blob[0] === EMPTY_KEY[0] ? '' : blob.toString();
}

/**
 * The keys of a query as one text, in hexadecimal, and the last of them before all: both drivers take a microsecond or two for
 * each row that they answer, and this takes a fifth of that.
 */
function pageOf(keys: string): string {
  return `SELECT hex(max(key)) || ',' || group_concat(hex(key)) FROM (${keys})`;
}

/** LOCKED is what libsql says in place of BUSY after a statement that met BUSY. */
function isBusy({ resultCode }: SqliteFault): boolean {
  return resultCode === SQLITE.BUSY || resultCode === SQLITE.LOCKED;
}

function sqliteError(doing: string, path: string, cause: unknown): Error {
  if (!(cause instanceof SqliteFault)) {
    return engineError(doing, path, cause);
  }
  const what = `Cannot ${doing} at ${path}: ${cause.message}. Next:`;
  switch (cause.resultCode) {
    case SQLITE.BUSY:
    case SQLITE.LOCKED:
      return new CacheError('BUSY', `${what} others have written for ${BUSY_MS} ms: try again`, { path, cause });
    case SQLITE.CORRUPT:
    case SQLITE.NOTADB:
      return new CacheError('STORE_CORRUPT', `${what} move the file away, or put a copy of it back`, { path, cause });
    default: {
      const next = NEXT_STEPS[cause.resultCode] ?? 'see the cause, and open the store again when it is mended';
      return new CacheError('ENGINE_ERROR', `${what} ${next}`, { path, cause });
    }
  }
}

/** Nothing is written before it is known to be ours, or empty. */
function prepareDatabase(driver: SqliteDriver, path: string, isSync: boolean): void {
  driver.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
  let isNew = false;
  // In one transaction, so that of two who make the same store none sees half of it.
  driver.exec('BEGIN');
  try {
    const id = Number(driver.single('PRAGMA application_id')());
    isNew = id === 0 && Number(driver.single('SELECT count(*) FROM sqlite_schema')()) === 0;
    const format = Number(driver.single('PRAGMA user_version')());
    if (!isNew && id !== APPLICATION_ID) {
      const next = 'choose another `root`, or move that database away';
      throw storeError(
        'STORE_FOREIGN',
        path,
        `Expected a store at ${path}, found another SQLite database. Next: ${next}`,
      );
    }
    if (!isNew && format !== FORMAT) {
      const known = `this version knows ${FORMAT}. Next: update shardstash`;
      throw storeError('STORE_FOREIGN', path, `The store at ${path} is of format ${format}; ${known}`);
    }
  } finally {
    rollBack(driver);
  }
  driver.query('PRAGMA journal_mode = WAL')();
  driver.exec(`PRAGMA synchronous = ${isSync ? 'FULL' : 'NORMAL'}`);
  // What is there is not written to: others may be writing for longer than BUSY_MS.
  if (!isNew) {
    return;
  }
  driver.exec(`BEGIN IMMEDIATE;
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = ${FORMAT};
    CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY NOT NULL, record BLOB NOT NULL);
    COMMIT`);
}

/** With another way to SQLite, for tests. */
export async function openSqliteEngine(place: Place, load: () => Promise<OpenSqlite>): Promise<Engine> {
  const isSync = flagOption(place.options, 'sync');
  const open = await load();
  const path = join(place.directory, FILE);
  let driver: SqliteDriver | undefined;
  try {
    driver = open(path);
    prepareDatabase(driver, path, isSync);
    return new SqliteEngine(driver, path, place.files);
  } catch (cause) {
    driver?.close();
    throw sqliteError('open the database', path, cause);
  }
}

export const sqliteEngine: EngineKind = {
  keeps: 'directory',
  access: 'shared',
  options: ['sync'],
  open: (place) => openSqliteEngine(place, loadSqlite),
};
