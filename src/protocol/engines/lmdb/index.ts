/**
 * LMDB, through the optional peer `lmdb`: one B+ tree in a memory-mapped file, data.mdb in the store's directory, which threads and
 * processes share. A get reads the mapping, and takes a microsecond.
 *
 * Whatever was in flight is committed together, in one transaction (commits.ts).
 *
 * The default syncs the pages of each commit and not the meta page that makes it valid (MDB_NOMETASYNC): a commit survives
 * the end of the process, and with the machine the last one may be lost, but the file is whole. `sync: true` syncs it, too. No
 * syncing at all (`noSync`) would be 25 times as fast for one write at a time, and could leave the file damaged. The price: a
 * commit holds up the event loop for as long as the disk takes.
 *
 * The file grows as it needs to: `mapSize` is the room in the address space that is set apart at once. It never shrinks; the
 * pages of removed entries are used again. Other processes' writes are seen from the next turn of the event loop on.
 *
 * Whoever opens the file sets the number of its last transaction, without the lock of those who write (lmdb 3.5.6): what another
 * process commits in that very moment may be undone by the next commit. Where processes share a store, open it in all of them before
 * any writes, or only in one.
 *
 * A process that is killed leaves the others free to write. A worker thread that is terminated from outside in the midst of a
 * commit does not (lmdb 3.5.6): it never ends, and whoever writes next waits for it for ever. Close the store there first.
 */
import { join } from 'node:path';
import { type Engine, type EngineFacts, type EngineKind, KEYS_PER_PAGE, type Place } from '../engine.ts';
import { storeError } from '../faults.ts';
import { loadPeer } from '../peer.ts';
import { amountOption, flagOption } from '../place-options.ts';
import { type Database, LmdbCommits, lmdbError } from './commits.ts';
import { checkLmdbFile, findLmdbDamage } from './file.ts';
import { isHashed, isHashOf, keyOfLmdb, LmdbKey, longKeyOf } from './key.ts';

const FILE = 'data.mdb';
const MAP_BYTES_MIN = 2 ** 20;
const MAP_BYTES_MAX = 2 ** 46;

/** As much of lmdb-js as is used. */
interface Lmdb {
  open(options: object): Database;
}

/** Those that this thread has open. */
const openFiles = new Map<string, LmdbCommits>();

class LmdbEngine implements Engine {
  readonly #file: LmdbCommits;
  readonly #place: Place;
  readonly #isSync: boolean;

  constructor(file: LmdbCommits, place: Place, isSync: boolean) {
    this.#file = file;
    this.#place = place;
    this.#isSync = isSync;
    file.users++;
  }

  get(key: string): Uint8Array | undefined {
    if (this.#file.isWaiting(key)) {
      this.#file.commit();
    }
    return this.#read(key);
  }

  set(key: string, record: Uint8Array): Promise<void> {
    const at = new LmdbKey(key);
    const value = at.wrap(record);
    return this.#file.write(this.#isSync, [key], value.length, () => void this.#file.database.put(at.bytes, value));
  }

  delete(key: string): Promise<boolean> {
    return this.#file.write(this.#isSync, [key], 0, () => this.#remove(key));
  }

  async update(key: string, change: (record: Uint8Array | undefined) => Uint8Array | undefined): Promise<void> {
    const outcome = await this.#file.write(this.#isSync, [key], 0, () => {
      const before = this.#read(key);
      let after: Uint8Array | undefined;
      try {
        after = change(before);
      } catch (error) {
        // The caller's own: it is told, and what others wrote in the same transaction stays.
        return { error };
      }
      if (after === undefined) {
        this.#remove(key);
      } else if (after !== before) {
        const at = new LmdbKey(key);
        this.#file.database.put(at.bytes, at.wrap(after));
      }
      return undefined;
    });
    if (outcome !== undefined) {
      throw outcome.error;
    }
  }

  getMany(keys: readonly string[]): (Uint8Array | undefined)[] {
    return keys.map((key) => {
      const record = this.get(key);
      return record && Buffer.from(record);
    });
  }

  setMany(entries: readonly (readonly [string, Uint8Array])[]): Promise<void> {
    const writes = entries.map(([key, record]) => {
      const at = new LmdbKey(key);
      return { at, value: at.wrap(record) };
    });
    const bytes = writes.reduce((sum, { value }) => sum + value.length, 0);
    const keys = entries.map(([key]) => key);
    return this.#file.write(this.#isSync, keys, bytes, () => {
      for (const { at, value } of writes) this.#file.database.put(at.bytes, value);
    });
  }

  async clear(): Promise<number> {
    this.#file.commit();
    const removed = this.#file.write(this.#isSync, [], 0, () => {
      const { entryCount } = this.#file.database.getStats();
      this.#file.database.clearSync();
      return entryCount;
    });
    // At once: a get that comes next names a key that is not among those that wait.
    this.#file.commit();
    return removed;
  }

  size(): number {
    this.#file.commit();
    return this.#file.read('count', () => this.#file.database.getStats().entryCount);
  }

  /** Each page is a transaction of its own: one that is held open keeps every page that is freed meanwhile. */
  async *keys(): AsyncGenerator<readonly string[]> {
    let last: Buffer | undefined;
    for (;;) {
      this.#file.commit();
      const range = { limit: KEYS_PER_PAGE, ...(last !== undefined && { start: last, exclusiveStart: true }) };
      const page = this.#file.read('list', () =>
        Array.from(this.#file.database.getKeys(range), (bytes) => Buffer.from(bytes)),
      );
      if (page.length === 0) {
        return;
      }
      last = page.at(-1);
      yield this.#file.read('list', () => page.flatMap((bytes) => this.#keyAt(bytes) ?? []));
    }
  }

  flush(): Promise<void> {
    this.#file.commit();
    return this.#file.sync('flush');
  }

  async close(): Promise<void> {
    const file = this.#file;
    file.commit();
    file.users--;
    if (file.users === 0) {
      openFiles.delete(file.path);
      await file.close();
    }
  }

  facts(): EngineFacts {
    this.#file.commit();
    return this.#file.read('look', () => {
      const { pageSize, lastPageNumber, mapSize } = this.#file.database.getStats();
      const bytes = this.#place.files.statSync(this.#file.path).size;
      return { bytes, pages: lastPageNumber + 1, pageBytes: pageSize, mapBytes: mapSize };
    });
  }

  /** Reads every page and every entry: LMDB has no check of its own, and no checksum but the records'. */
  async *verify(): AsyncGenerator<string> {
    this.#file.commit();
    const damage = findLmdbDamage(this.#place.files, this.#file.path);
    if (damage !== undefined) {
      throw storeError('STORE_CORRUPT', this.#file.path, damage);
    }
    let last: Buffer | undefined;
    for (;;) {
      this.#file.commit();
      const range = { limit: KEYS_PER_PAGE, ...(last !== undefined && { start: last, exclusiveStart: true }) };
      let page: Buffer[];
      try {
        page = Array.from(this.#file.database.getKeys(range), (bytes) => Buffer.from(bytes));
        for (const bytes of page) {
          const value = this.#file.database.getBinary(bytes);
          if (value !== undefined && isHashed(bytes) && !isHashOf(bytes, value)) {
            yield `${this.#file.path}: an entry has another key than its hash says, ${bytes.toString('hex', 1)}`;
          }
        }
      } catch (cause) {
        yield this.#file.readError('read on', cause).message;
        return;
      }
      if (page.length === 0) {
        return;
      }
      last = page.at(-1);
    }
  }

  /** Good until the next call. */
  #read(key: string): Buffer | undefined {
    try {
      const at = new LmdbKey(key);
      const value = this.#file.database.getBinaryFast(at.bytes);
      // What lies behind it is the mapping, or memory that the next read uses: a copy in memory of its own would take as long as the read.
      return at.unwrap(value?.subarray(0, value.length));
    } catch (cause) {
      throw this.#file.readError('read', cause);
    }
  }

  /** Within a transaction. */
  #remove(key: string): boolean {
    const isThere = this.#read(key) !== undefined;
    if (isThere) {
      this.#file.database.remove(new LmdbKey(key).bytes);
    }
    return isThere;
  }

  #keyAt(bytes: Buffer): string | undefined {
    if (!isHashed(bytes)) {
      return keyOfLmdb(bytes);
    }
    const value = this.#file.database.getBinary(bytes);
    return value && longKeyOf(value)?.toString();
  }
}

async function openLmdb(place: Place): Promise<Engine> {
  const isSync = flagOption(place.options, 'sync');
  const mapSize = amountOption(place.options, 'mapSize', 'a number of bytes', {
    from: MAP_BYTES_MIN,
    to: MAP_BYTES_MAX,
    otherwise: undefined,
  });
  const { open } = (await loadPeer('The engine `lmdb`', 'lmdb', () => import('lmdb'))) as unknown as Lmdb;
  const path = join(place.directory, FILE);
  let file = openFiles.get(path);
  if (file === undefined) {
    checkLmdbFile(place.files, path);
    const modes = { encoding: 'binary', keyEncoding: 'binary', overlappingSync: false, noMetaSync: true };
    try {
      file = new LmdbCommits(path, open({ path, ...modes, ...(mapSize !== undefined && { mapSize }) }));
    } catch (cause) {
      throw lmdbError('open the database', path, cause);
    }
    openFiles.set(path, file);
  }
  return new LmdbEngine(file, place, isSync);
}

export const lmdbEngine: EngineKind = {
  keeps: 'directory',
  access: 'shared',
  options: ['sync', 'mapSize'],
  open: openLmdb,
};
