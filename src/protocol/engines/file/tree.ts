/**
 * Where the entries of the engine 'file' lie: SHA-256 of the key's UTF-8 in hex, two letters of it for one of 256 directories. A
 * second level would have 65,536 of them: to make and to list those takes longer than what a directory of 4,000 entries,
 * as a store of a million has, takes more to search.
 *
 *     DIRECTORY/entries/aa/the other 62 letters     the entries (entry.ts)
 *     DIRECTORY/entries/aa/.OWNER.MARK-n.tmp        what is being written, renamed into its place when it is whole
 *     DIRECTORY/openers/                            who has it open, and may so leave something behind (writer.ts)
 *     DIRECTORY/locks/                              updates under way (locks.ts)
 *
 * No symbolic link is followed: a directory is looked at once, before the first entry in it is, and remembered as one of ours.
 */
import { hash } from 'node:crypto';
import { constants } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CacheError } from '../../errors.ts';
import { type Files, isLeftover, READ_ONLY } from '../../files.ts';
import { attempt, storeError } from '../faults.ts';
import { misplaced } from './entry.ts';

const LEAF = /^[0-9a-f]{2}$/;
const LEAF_LETTERS = 2;
const ENTRY = /^[0-9a-f]{62}$/;
/** As writer.ts names them. */
const UNFINISHED = /^\.[0-9a-f]{12}\..*\.tmp$/;
const LEAVES = 256;

/** A link in place of an entry is an error. Windows has no such flag. */
export const OPEN_ENTRY = READ_ONLY | (constants.O_NOFOLLOW ?? 0);

/** One of the directories that hold entries. */
export interface Leaf {
  /** Its letters as a number. */
  readonly index: number;
  /** The whole names of the entries in it. */
  readonly names: readonly string[];
  /** Of files that a process did not write to their end, since that was its own. */
  readonly leftovers: readonly string[];
}

/** Something in the tree that the engine did not put there, as a sentence. */
export type Stranger = (sentence: string) => void;

export class FileTree {
  readonly openers: string;
  readonly locks: string;
  readonly #files: Files;
  readonly #entries: string;
  /** Directories that are known to be there. */
  readonly #leaves = new Uint8Array(LEAVES);

  constructor(files: Files, directory: string) {
    this.#files = files;
    this.#entries = join(directory, 'entries');
    this.openers = join(directory, 'openers');
    this.locks = join(directory, 'locks');
  }

  /** Makes what is not there. Throws STORE_FOREIGN and ENGINE_ERROR. */
  prepare(): void {
    for (const path of [this.#entries, this.openers, this.locks]) {
      if (!isDirectory(this.#files, path)) make(this.#files, path);
    }
  }

  pathOf(name: string): string {
    return `${this.#entries}/${name.slice(0, LEAF_LETTERS)}/${name.slice(LEAF_LETTERS)}`;
  }

  /** Of the directory that an entry lies in, or would. */
  leafPath(index: number): string {
    return join(this.#entries, lettersOf(index));
  }

  /** The directories above a leaf, the nearest first: what must be synced where a leaf was made. */
  above(): string[] {
    return [this.#entries, join(this.#entries, '..')];
  }

  /** Whether the directory of an entry is there. Throws STORE_FOREIGN for anything else in its place. */
  isLeafThere(index: number): boolean {
    if (this.#leaves[index] === 0 && isDirectory(this.#files, this.leafPath(index))) {
      this.#leaves[index] = 1;
    }
    return this.#leaves[index] === 1;
  }

  /** Whether anything had to be made. */
  makeLeaf(index: number): boolean {
    if (this.isLeafThere(index)) {
      return false;
    }
    make(this.#files, this.leafPath(index));
    this.#leaves[index] = 1;
    return true;
  }

  /** Somebody has removed directories: look again. */
  forget(index: number): void {
    this.#leaves[index] = 0;
  }

  /** Every directory with entries, in order, one in a turn. Each is listed when its turn comes. */
  async *leaves(stranger: Stranger = ignore): AsyncGenerator<Leaf> {
    for (const letters of this.#directories(stranger)) {
      yield this.leaf(Number.parseInt(letters, 16), stranger);
      await nextTurn();
    }
  }

  /** Removes directories in which nothing is. Whoever is about to write there makes them again. */
  async prune(): Promise<void> {
    for await (const { index, names } of this.leaves()) {
      if (names.length === 0) this.#removeEmpty(this.leafPath(index));
    }
    this.#leaves.fill(0);
  }

  #removeEmpty(path: string): void {
    attempt('remove an empty directory', path, () => {
      try {
        this.#files.rmdirSync(path);
      } catch (error) {
        // Somebody has removed it, or has put something there.
        if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(String((error as NodeJS.ErrnoException).code))) {
          throw error;
        }
      }
    });
  }

  #directories(stranger: Stranger): string[] {
    return this.#list(this.#entries)
      .filter((entry) => {
        const isOurs = entry.isDirectory() && LEAF.test(entry.name);
        if (!isOurs) stranger(notOurs(join(this.#entries, entry.name), entry.isSymbolicLink()));
        return isOurs;
      })
      .map(({ name }) => name)
      .sort();
  }

  leaf(index: number, stranger: Stranger = ignore): Leaf {
    const path = this.leafPath(index);
    const letters = lettersOf(index);
    const names: string[] = [];
    const leftovers: string[] = [];
    for (const entry of this.#list(path)) {
      if (entry.isFile() && ENTRY.test(entry.name)) {
        names.push(letters + entry.name);
      } else if (!entry.isFile() || !UNFINISHED.test(entry.name)) {
        stranger(notOurs(join(path, entry.name), entry.isSymbolicLink()));
      } else if (isLeftover(entry.name)) {
        leftovers.push(entry.name);
      }
    }
    return { index, names, leftovers };
  }

  /** Nothing for a directory that is gone. */
  #list(path: string) {
    return attempt('list a directory', path, () => {
      try {
        return this.#files.readdirSync(path, { withFileTypes: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
          return [];
        }
        throw error;
      }
    });
  }
}

export function nameOf(key: string): string {
  return hash('sha256', key, 'hex');
}

/** Throws STORE_CORRUPT for an entry that lies under another name than its key's. */
export function assertName(path: string, key: string, name: string): void {
  if (nameOf(key) !== name) {
    throw misplaced(path, key);
  }
}

export function leafOf(name: string): number {
  return Number.parseInt(name.slice(0, LEAF_LETTERS), 16);
}

/** False where nothing is. Throws STORE_FOREIGN for what is no directory. */
function isDirectory(files: Files, path: string): boolean {
  const stat = attempt('look at a directory', path, () => files.lstatSync(path, { throwIfNoEntry: false }));
  if (stat !== undefined && !stat.isDirectory()) {
    throw notADirectory(path, stat.isSymbolicLink());
  }
  return stat !== undefined;
}

/** Another process may have made it first. */
function make(files: Files, path: string): void {
  attempt('make a directory', path, () => {
    try {
      files.mkdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw error;
      }
      if (!isDirectory(files, path)) {
        throw error;
      }
    }
  });
}

function notADirectory(path: string, isLink: boolean): CacheError {
  const what = isLink ? 'a symbolic link, which is not followed' : 'no directory';
  return storeError('STORE_FOREIGN', path, `${path} is ${what}: move it away, and a directory takes its place`);
}

export function notAFile(path: string): CacheError {
  const message = `${path} is where an entry should be, and no file: move it away`;
  return storeError('STORE_FOREIGN', path, message);
}

function notOurs(path: string, isLink: boolean): string {
  const what = isLink ? 'a symbolic link, which is not followed' : 'no entry of this store';
  return `${path} is ${what}: it is left alone, and can be moved away`;
}

function lettersOf(index: number): string {
  return index.toString(16).padStart(LEAF_LETTERS, '0');
}

function ignore(): void {}
