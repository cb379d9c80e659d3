/**
 * All entries in one JSON file, for small data that people read and edit. What it looks like is in file.ts.
 *
 *     set a, set b     one turn     rewrite of all   rename     a and b are acknowledged
 *     set c                          .............               goes into the next
 *
 * A write is acknowledged when a rewrite that has it is in its place; all that come while one is under way share the next. A write
 * alone so costs as much as the whole file. What a rewrite that fails was for is rejected and is no longer seen; what was called
 * after that is done over on what the file says, so that nothing is left of it.
 *
 * The engine has the directory for itself. A file that somebody else has changed since it was read is not written over: that write
 * and all later ones are refused until the store is opened again.
 */
import type { BigIntStats } from 'node:fs';
import { dirname, join } from 'node:path';
import { discard, type Files, isLeftover, syncDirectory, temporaryFor, writeWhole } from '../../files.ts';
import { type Engine, type EngineFacts, type EngineKind, KEYS_PER_PAGE, type Place } from '../engine.ts';
import { attempt, engineError, storeError } from '../faults.ts';
import { lockPlace } from '../lock.ts';
import { flagOption } from '../place-options.ts';
import { apply, type Entries, linesOf, Overlay } from './entries.ts';
import { readEntries, textOf } from './file.ts';
import { bytesOf, FILE, statOf, verifyJson } from './verify.ts';

/** From here on a rewrite takes tens of milliseconds, which the thread spends on nothing else. */
const LARGE_BYTES = 10 * 1024 * 1024;

/** A call that writes. It may run more than once, on other entries: what it answers last is told. */
interface Write {
  run(entries: Overlay): unknown;
  answer: unknown;
  settle(error?: unknown): void;
}

class JsonEngine implements Engine {
  readonly #files: Files;
  readonly #path: string;
  readonly #syncs: boolean;
  readonly #warn: (message: string) => void;
  readonly #unlock: () => void;
  /** What the file says, and what it will say when all writes are acknowledged. */
  readonly #stored: Entries;
  #seen: Overlay;
  /** As it was read or written last; undefined for none. */
  #file: BigIntStats | undefined;
  #bytes: number;
  #waiting: Write[] = [];
  #rewriting: Promise<void> | undefined;
  #isTold = false;

  constructor({ files, directory, warn }: Place, syncs: boolean, unlock: () => void) {
    this.#files = files;
    this.#path = join(directory, FILE);
    this.#syncs = syncs;
    this.#warn = warn;
    this.#unlock = unlock;
    sweep(files, directory);
    this.#file = statOf(files, this.#path);
    const bytes = bytesOf(files, this.#path);
    this.#bytes = bytes?.length ?? 0;
    this.#stored = bytes === undefined ? new Map() : entriesOf(bytes, this.#path);
    this.#seen = new Overlay(new Map(this.#stored));
    this.#tellSize();
  }

  get(key: string): Uint8Array | undefined {
    return this.#seen.entries.get(key)?.record;
  }

  set(key: string, record: Uint8Array): Promise<void> {
    const own = Buffer.from(record);
    return this.#write((entries) => entries.set(key, own));
  }

  delete(key: string): Promise<boolean> {
    return this.#write((entries) => entries.delete(key));
  }

  async update(key: string, change: (record: Uint8Array | undefined) => Uint8Array | undefined): Promise<void> {
    await this.#write((entries) => {
      const before = entries.entries.get(key)?.record;
      const after = change(before);
      if (after === undefined) {
        entries.delete(key);
      } else if (after !== before) {
        entries.set(key, after);
      }
    });
  }

  getMany(keys: readonly string[]): (Uint8Array | undefined)[] {
    return keys.map((key) => this.get(key));
  }

  setMany(entries: readonly (readonly [string, Uint8Array])[]): Promise<void> {
    const own = entries.map(([key, record]) => [key, Buffer.from(record)] as const);
    return this.#write((all) => {
      for (const [key, record] of own) all.set(key, record);
    });
  }

  clear(): Promise<number> {
    return this.#write((entries) => {
      const keys = Array.from(entries.entries.keys());
      for (const key of keys) entries.delete(key);
      return keys.length;
    });
  }

  size(): number {
    return this.#seen.entries.size;
  }

  /** A snapshot: a key that is removed and set again meanwhile would come twice from the Map. */
  async *keys(): AsyncGenerator<readonly string[]> {
    const all = Array.from(this.#seen.entries.keys());
    for (let at = 0; at < all.length; at += KEYS_PER_PAGE) yield all.slice(at, at + KEYS_PER_PAGE);
  }

  async flush(): Promise<void> {
    await this.#idle();
    if (this.#file === undefined) {
      return;
    }
    const fd = attempt('sync a store', this.#path, () => this.#files.openSync(this.#path, 'r+'));
    try {
      await this.#files.fsync(fd);
      syncDirectory(this.#files, dirname(this.#path));
    } catch (cause) {
      throw engineError('sync a store', this.#path, cause);
    } finally {
      this.#files.closeSync(fd);
    }
  }

  async close(): Promise<void> {
    await this.#idle();
    this.#unlock();
  }

  facts(): EngineFacts {
    return { bytes: this.#bytes, file: this.#path, sync: this.#syncs };
  }

  verify(): AsyncIterable<string> {
    return verifyJson(this.#files, dirname(this.#path));
  }

  /** Runs a write on what is seen, and settles when it is in the file. What it throws at once changes nothing. */
  #write<T>(run: (entries: Overlay) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const write: Write = {
        run,
        answer: run(this.#seen),
        settle: (error) => (error === undefined ? resolve(write.answer as T) : reject(error)),
      };
      this.#waiting.push(write);
      this.#rewriting ??= this.#rewriteAll();
    });
  }

  /** Until nothing waits; each round takes what has come until it begins. */
  async #rewriteAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      // What is called in the same turn shares a rewrite.
      await new Promise(setImmediate);
      const writes = this.#waiting;
      const { changes, entries } = this.#seen;
      this.#waiting = [];
      this.#seen = new Overlay(entries);
      let failure: unknown;
      try {
        if (changes.size > 0) await this.#rewrite(textOf(linesOf(entries)));
        apply(changes, this.#stored);
      } catch (error) {
        // What is not the disk's is text that is longer than JavaScript has any, which is half a gigabyte.
        failure = engineError('write all of a store (one this large takes another engine)', this.#path, error);
        this.#undo();
      }
      if (failure === undefined && changes.size > 0 && this.#syncs) failure = this.#syncFailure();
      for (const write of writes) write.settle(failure);
    }
    this.#rewriting = undefined;
  }

  /** The file has been replaced: what fails now was written, and may still not survive the machine's end. */
  #syncFailure(): unknown {
    try {
      syncDirectory(this.#files, dirname(this.#path));
      return undefined;
    } catch (cause) {
      return engineError('sync a store', this.#path, cause);
    }
  }

  /** Back to what the file says, and from there again whatever was called since. */
  #undo(): void {
    this.#seen = new Overlay(new Map(this.#stored));
    this.#waiting = this.#waiting.filter((write) => {
      try {
        write.answer = write.run(this.#seen);
        return true;
      } catch (error) {
        write.settle(error);
        return false;
      }
    });
  }

  /** The text is made before anything waits. */
  async #rewrite(text: string): Promise<void> {
    const files = this.#files;
    const path = this.#path;
    const temporary = temporaryFor(path);
    const bytes = Buffer.from(text);
    try {
      this.#assertUntouched();
      const fd = files.openSync(temporary, 'wx');
      let stat: BigIntStats;
      try {
        try {
          writeWhole(files, fd, bytes);
          if (this.#syncs) await files.fsync(fd);
          stat = files.fstatSync(fd, { bigint: true });
        } finally {
          files.closeSync(fd);
        }
        this.#assertUntouched();
        files.renameSync(temporary, path);
      } catch (error) {
        discard(files, temporary);
        throw error;
      }
      this.#file = stat;
      this.#bytes = bytes.length;
    } catch (cause) {
      throw engineError('write a store', path, cause);
    }
    this.#tellSize();
  }

  #assertUntouched(): void {
    const now = statOf(this.#files, this.#path);
    const was = this.#file;
    const isSame =
      now === undefined || was === undefined
        ? now === was
        : now.ino === was.ino && now.mtimeNs === was.mtimeNs && now.size === was.size;
    if (!isSame) {
      const what = now === undefined ? 'removed' : was === undefined ? 'made' : 'changed';
      const message = `${this.#path} was ${what} by somebody else since it was read: nothing is written over it. Close this store and open it again, to go on with what the file says now`;
      throw storeError('STORE_FOREIGN', this.#path, message);
    }
  }

  #tellSize(): void {
    if (this.#bytes > LARGE_BYTES && !this.#isTold) {
      this.#isTold = true;
      const size = (this.#bytes / 1024 / 1024).toFixed(0);
      const next = '`shardstash convert` makes a store of another engine of it, such as log';
      this.#warn(`${this.#path} has ${size} MiB, and every write writes all of it again: ${next}`);
    }
  }

  async #idle(): Promise<void> {
    await this.#rewriting;
  }
}

/** Throws the first error there is. */
function entriesOf(bytes: Buffer, path: string): Entries {
  const entries: Entries = new Map();
  for (const entry of readEntries(bytes, path)) {
    if (entry instanceof Error) throw entry;
    entries.set(entry[0], { record: entry[1], line: undefined });
  }
  return entries;
}

/** What processes were writing when they ended. */
function sweep(files: Files, directory: string): void {
  const names = attempt('look for what was left', directory, () => files.readdirSync(directory)) as string[];
  for (const name of names) {
    if (name.startsWith(`.${FILE}.`) && isLeftover(name)) discard(files, join(directory, name));
  }
}

export const jsonEngine: EngineKind = {
  keeps: 'directory',
  access: 'exclusive',
  options: ['sync'],
  text: true,
  open: async (place: Place) => {
    const syncs = flagOption(place.options, 'sync');
    const unlock = await lockPlace(place);
    try {
      return new JsonEngine(place, syncs, unlock);
    } catch (error) {
      unlock();
      throw error;
    }
  },
};
