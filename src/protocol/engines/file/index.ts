/**
 * One file for every entry, for people who look with `find` and `cp`, and for processes that share a store without a server. Where
 * they lie is in tree.ts, what they look like in entry.ts, how they get there in writer.ts.
 *
 *     set      open .x.tmp, write, close, rename    four calls: whoever reads finds the old or the new
 *     get      open, read, close                    small ones at once (files.ts says why)
 *     update   lock, get, change, set or delete, unlock
 *
 * Processes share it: nobody reads half an entry, and of two who set a key the later rename wins. Between what an `update` reads and
 * what it writes comes no other write of this process, and no update of any. A plain set or delete of another process takes
 * no lock: the update looks for one again right before its rename, and then begins anew; one that comes in the microseconds after
 * that look is replaced, as if it had come before. What an update makes where nothing was replaces nothing, and what it
 * removes is put aside first and put back if it is not what it has read, so that it never removes what was just set.
 *
 * Bad at: counting (every directory is listed), and many small entries (4 KiB each on most disks, and each directory, too).
 */
import type { BigIntStats } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CacheError } from '../../errors.ts';
import type { Files } from '../../files.ts';
import { type Answer, type Engine, type EngineFacts, type EngineKind, KEYS_PER_PAGE, type Place } from '../engine.ts';
import { attempt, engineError } from '../faults.ts';
import { allOf, KeyTurns } from '../key-turns.ts';
import { flagOption } from '../place-options.ts';
import { assertKey, readHead, readLarge, readSmall } from './entry.ts';
import { FileHandles } from './handles.ts';
import { FileLocks } from './locks.ts';
import { assertName, FileTree, leafOf, nameOf, notAFile, OPEN_ENTRY } from './tree.ts';
import { verifyFiles } from './verify.ts';
import { FileWriter } from './writer.ts';

/** Entries that are read or removed in one turn of the event loop: 2 to 5 ms. */
const SLICE = 256;
/** How often an update begins anew because another process has written meanwhile. */
const UPDATE_TRIES = 100;
type Change = (record: Uint8Array | undefined) => Uint8Array | undefined;

/** An entry that an update has read. As long as its file is open, no other file gets its number. */
interface Seen {
  readonly record: Uint8Array;
  readonly fd: number;
  readonly stat: BigIntStats;
}

class FileEngine implements Engine {
  readonly #files: Files;
  readonly #directory: string;
  readonly #tree: FileTree;
  readonly #writer: FileWriter;
  readonly #locks: FileLocks;
  readonly #turns = new KeyTurns();
  readonly #handles = new FileHandles();
  readonly #updates = new FileHandles();
  readonly #syncs: boolean;
  readonly #warn: (message: string) => void;

  constructor({ files, directory, warn }: Place, syncs: boolean) {
    this.#files = files;
    this.#directory = directory;
    this.#syncs = syncs;
    this.#warn = warn;
    this.#tree = new FileTree(files, directory);
    this.#tree.prepare();
    this.#writer = new FileWriter(files, this.#tree, { syncs, handles: this.#handles });
    this.#locks = new FileLocks(files, this.#tree.locks);
    this.#locks.sweep();
    this.#writer.begin();
  }

  /** Removes what processes left that were killed. */
  async sweep(): Promise<void> {
    try {
      await this.#writer.sweep();
    } catch (error) {
      this.#writer.end();
      throw error;
    }
  }

  get(key: string): Answer<Uint8Array | undefined> {
    if (this.#turns.isFree(key)) {
      return this.#turns.run(key, () => this.#get(key));
    }
    // What a promise answers is the caller's own.
    return this.#turns.run(key, async () => {
      const answer = this.#get(key);
      return answer instanceof Promise ? answer : answer && Buffer.from(answer);
    });
  }

  set(key: string, record: Uint8Array): Answer<void> {
    // What is not written before this returns must be a copy.
    const own = this.#syncs || !this.#turns.isFree(key) ? Buffer.from(record) : record;
    return this.#turns.run(key, () => {
      const written = this.#writer.write(nameOf(key), key, own);
      return written instanceof Promise ? written.then(ignore) : undefined;
    });
  }

  delete(key: string): Answer<boolean> {
    return this.#turns.run(key, () => this.#writer.remove(nameOf(key)));
  }

  update(key: string, change: Change): Answer<void> {
    const name = nameOf(key);
    const step = () => this.#updates.during(() => this.#update(key, name, change));
    return this.#turns.run(key, () => this.#locks.during(name, step));
  }

  async getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const records: (Uint8Array | undefined)[] = [];
    for (const key of keys) {
      const answer = this.get(key);
      // What comes at once is good until the next call only.
      records.push(answer instanceof Promise ? await answer : answer && Buffer.from(answer));
      if (records.length % SLICE === 0) await nextTurn();
    }
    return records;
  }

  /** One after the other: files have no commit of many. */
  setMany(entries: readonly (readonly [string, Uint8Array])[]): Answer<void> {
    const waiting: Promise<void>[] = [];
    for (const [key, record] of entries) {
      const answer = this.set(key, record);
      if (answer instanceof Promise) waiting.push(answer);
    }
    return waiting.length === 0 ? undefined : allOf(waiting);
  }

  /** Files that are no entries stay, and directories, too: compact removes those that are empty. */
  clear(): Promise<number> {
    return this.#turns.runAlone(async () => {
      let count = 0;
      let looked = 0;
      for await (const { names } of this.#tree.leaves()) {
        for (const name of names) {
          if (await this.#writer.remove(name)) count++;
          if (++looked % SLICE === 0) await nextTurn();
        }
      }
      return count;
    });
  }

  /** Lists every directory: nobody can keep a count that other processes do not spoil. */
  async size(): Promise<number> {
    await this.#turns.idle();
    let count = 0;
    for await (const { names } of this.#tree.leaves()) count += names.length;
    return count;
  }

  /** An entry whose key cannot be read is left out, and told by a warning. */
  async *keys(): AsyncGenerator<readonly string[]> {
    await this.#turns.idle();
    let page: string[] = [];
    let looked = 0;
    for await (const { names } of this.#tree.leaves()) {
      for (const name of names) {
        const key = this.#keyOf(name);
        if (key !== undefined) page.push(key);
        if (page.length === KEYS_PER_PAGE) {
          yield page;
          page = [];
        }
        if (++looked % SLICE === 0) await nextTurn();
      }
    }
    if (page.length > 0) yield page;
  }

  async flush(): Promise<void> {
    await this.#turns.idle();
    await this.#writer.flush();
  }

  async close(): Promise<void> {
    await this.#turns.idle();
    this.#writer.end();
  }

  /** Looks at every entry. `bytes` are those of the files, without what the disk adds to each. */
  async facts(): Promise<EngineFacts> {
    await this.#turns.idle();
    let bytes = 0;
    let looked = 0;
    for await (const { names } of this.#tree.leaves()) {
      for (const name of names) {
        bytes += this.#statOf(this.#tree.pathOf(name))?.size ?? 0;
        if (++looked % SLICE === 0) await nextTurn();
      }
    }
    return { bytes, sync: this.#syncs };
  }

  verify(): AsyncIterable<string> {
    return verifyFiles(this.#files, this.#directory);
  }

  /** Removes the directories in which nothing is. */
  compact(): Promise<void> {
    return this.#turns.runAlone(() => this.#tree.prune());
  }

  #get(key: string): Answer<Uint8Array | undefined> {
    const name = nameOf(key);
    const path = this.#tree.pathOf(name);
    const fd = this.#open(name, path);
    if (fd === undefined) {
      return undefined;
    }
    try {
      const { head, record } = readSmall(this.#files, fd, path);
      assertKey(path, head, key);
      if (record !== undefined) {
        return record;
      }
    } catch (cause) {
      throw engineError('read an entry', path, cause);
    } finally {
      this.#files.closeSync(fd);
    }
    return this.#handles.during(async () => {
      const seen = await this.#see(key, name);
      if (seen !== undefined) this.#files.closeSync(seen.fd);
      return seen?.record;
    });
  }

  async #update(key: string, name: string, change: Change): Promise<void> {
    for (let tries = 0; tries < UPDATE_TRIES; tries++) {
      const seen = await this.#see(key, name);
      try {
        const after = change(seen?.record);
        if (after === seen?.record) {
          return;
        }
        const stands =
          after !== undefined
            ? this.#writer.write(name, key, after, seen?.stat ?? null)
            : this.#writer.removeSeen(name, (seen as Seen).stat);
        if (await stands) {
          return;
        }
      } finally {
        if (seen !== undefined) this.#files.closeSync(seen.fd);
      }
      await nextTurn();
    }
    const path = this.#tree.pathOf(name);
    throw new CacheError('BUSY', `Others set the entry at ${path} again and again: try again`, { path });
  }

  /** An entry with its file still open, and its record in memory of its own. */
  async #see(key: string, name: string): Promise<Seen | undefined> {
    const path = this.#tree.pathOf(name);
    const fd = this.#open(name, path);
    if (fd === undefined) {
      return undefined;
    }
    try {
      const { head, record } = readSmall(this.#files, fd, path);
      assertKey(path, head, key);
      const stat = this.#files.fstatSync(fd, { bigint: true });
      const own = record === undefined ? await readLarge(this.#files, fd, path, head) : Buffer.from(record);
      return { record: own, fd, stat };
    } catch (cause) {
      this.#files.closeSync(fd);
      throw engineError('read an entry', path, cause);
    }
  }

  /** Undefined for an entry that is gone, or damaged. */
  #keyOf(name: string): string | undefined {
    const path = this.#tree.pathOf(name);
    try {
      const fd = this.#open(name, path);
      if (fd === undefined) {
        return undefined;
      }
      try {
        const head = readHead(this.#files, fd, path);
        assertName(path, head.key, name);
        return head.key;
      } finally {
        this.#files.closeSync(fd);
      }
    } catch (cause) {
      const error = engineError('read the key of an entry', path, cause);
      if (!(error instanceof CacheError) || error.code === 'ENGINE_ERROR') {
        throw error;
      }
      this.#warn(`An entry is left out of the keys. ${error.message}`);
      return undefined;
    }
  }

  /** Undefined where there is no entry. */
  #open(name: string, path: string): number | undefined {
    if (!this.#tree.isLeafThere(leafOf(name))) {
      return undefined;
    }
    try {
      return this.#files.openSync(path, OPEN_ENTRY);
    } catch (error) {
      switch ((error as NodeJS.ErrnoException).code) {
        case 'ENOENT':
          return undefined;
        case 'ELOOP':
          throw notAFile(path);
        default:
          throw engineError('open an entry', path, error);
      }
    }
  }

  #statOf(path: string) {
    return attempt('look at an entry', path, () => this.#files.lstatSync(path, { throwIfNoEntry: false }));
  }
}

function ignore(): void {}

export const fileEngine: EngineKind = {
  keeps: 'directory',
  access: 'shared',
  options: ['sync'],
  open: async (place: Place) => {
    const engine = new FileEngine(place, flagOption(place.options, 'sync'));
    await engine.sweep();
    return engine;
  },
};
