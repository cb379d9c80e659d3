/**
 * How the engine 'file' changes the disk: an entry is written under another name, and then renamed into its place.
 *
 *     tmp/.OWNER.MARK-n.tmp   open, write, fsync?, close   -> rename -> entries/aa/bb/...   fsync of aa/bb?
 *
 * The second fsync, and both together, are for `sync: true`; otherwise `flush` makes up for them. A write that is `only` for one state
 * of the entry, as an update has seen it, leaves anything else alone and says so.
 */
import type { BigIntStats } from 'node:fs';
import { join } from 'node:path';
import { discard, type Files, isLeftover } from '../files.ts';
import { OWN_MARK } from '../process-mark.ts';
import type { Answer } from './engine.ts';
import { attempt, engineError } from './faults.ts';
import { writeEntry } from './file-entry.ts';
import type { FileHandles } from './file-handles.ts';
import { OWNER } from './file-locks.ts';
import { type FileTree, leafOf } from './file-tree.ts';

/** How often directories that somebody else removes are made again for one write. */
const MAKE_TRIES = 3;
/** What was being written when processes ended is removed at an opening, above this number at the next. */
const SWEEP_MAX = 10_000;
/** What file systems without hard links say. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'];

/** What must be in an entry's place: the file that was seen there, null for none; undefined for whatever there is. */
export type Only = BigIntStats | null | undefined;

let temporaries = 0;

export class FileWriter {
  readonly #files: Files;
  readonly #tree: FileTree;
  readonly #syncs: boolean;
  readonly #handles: FileHandles;
  /** Directories with entries that were written or removed since the last flush. */
  readonly #unflushed = new Set<number>();
  /** Directories of which it is known that they survive the machine's end themselves. */
  readonly #rooted = new Set<number>();

  constructor(files: Files, tree: FileTree, { syncs, handles }: { syncs: boolean; handles: FileHandles }) {
    this.#files = files;
    this.#tree = tree;
    this.#syncs = syncs;
    this.#handles = handles;
  }

  /** False where something else than `only` was in its place, and still is. */
  write(name: string, key: string, record: Uint8Array, only?: Only): Answer<boolean> {
    return this.#syncs
      ? this.#handles.during(() => this.#writeSynced(name, key, record, only))
      : attempt('write an entry', this.#tree.pathOf(name), () => this.#write(name, key, record, only));
  }

  /** Whether there was one. */
  remove(name: string): Answer<boolean> {
    const path = this.#tree.pathOf(name);
    const wasThere = attempt('remove an entry', path, () => this.#unlink(name, path));
    return wasThere && this.#syncs ? this.#handles.during(() => this.#syncLeaf(leafOf(name))).then(yes) : wasThere;
  }

  /** Removes an entry that is the one that was seen. False where it is another now, which stays. */
  removeSeen(name: string, seen: BigIntStats): Answer<boolean> {
    const path = this.#tree.pathOf(name);
    const removed = attempt('remove an entry', path, () => this.#removeSeen(path, seen));
    this.#unflushed.add(leafOf(name));
    return removed && this.#syncs ? this.#handles.during(() => this.#syncLeaf(leafOf(name))).then(yes) : removed;
  }

  /** Makes what was written since the last flush survive the machine's end. A disk has nothing to do for a file that has not changed. */
  async flush(): Promise<void> {
    for (const index of Array.from(this.#unflushed)) {
      // Before, since writes go on meanwhile.
      this.#unflushed.delete(index);
      try {
        for (const name of this.#tree.namesIn(index)) await this.#syncFile(this.#tree.pathOf(name));
        await this.#syncLeaf(index);
      } catch (error) {
        this.#unflushed.add(index);
        throw error;
      }
    }
  }

  /** Removes what processes were writing when they ended. */
  sweep(): void {
    const { temporary } = this.#tree;
    const names = attempt('look for what was left', temporary, () => this.#files.readdirSync(temporary)) as string[];
    for (const name of names.filter(isLeftover).slice(0, SWEEP_MAX)) discard(this.#files, join(temporary, name));
  }

  #write(name: string, key: string, record: Uint8Array, only: Only): boolean {
    const temporary = this.#name();
    const fd = this.#create(temporary);
    try {
      try {
        writeEntry(this.#files, fd, key, record);
      } finally {
        this.#files.closeSync(fd);
      }
      return this.#place(temporary, name, only);
    } catch (error) {
      discard(this.#files, temporary);
      throw error;
    }
  }

  async #writeSynced(name: string, key: string, record: Uint8Array, only: Only): Promise<boolean> {
    const path = this.#tree.pathOf(name);
    try {
      const temporary = this.#name();
      const fd = this.#create(temporary);
      let placed = false;
      try {
        try {
          writeEntry(this.#files, fd, key, record);
          await this.#files.fsync(fd);
        } finally {
          this.#files.closeSync(fd);
        }
        placed = this.#place(temporary, name, only);
      } catch (error) {
        discard(this.#files, temporary);
        throw error;
      }
      if (placed) await this.#syncLeaf(leafOf(name));
      return placed;
    } catch (cause) {
      throw engineError('write an entry', path, cause);
    }
  }

  /** Puts a whole entry into its place. */
  #place(temporary: string, name: string, only: Only): boolean {
    const path = this.#tree.pathOf(name);
    const index = leafOf(name);
    const placed = this.#inLeaf(index, () => {
      if (only === null) {
        return this.#link(temporary, path);
      }
      if (only !== undefined && !this.#isSame(path, only)) {
        discard(this.#files, temporary);
        return false;
      }
      this.#files.renameSync(temporary, path);
      return true;
    });
    this.#unflushed.add(index);
    return placed;
  }

  /** Where nothing is, nothing that somebody else puts there first is replaced. */
  #link(temporary: string, path: string): boolean {
    try {
      this.#files.linkSync(temporary, path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') {
        discard(this.#files, temporary);
        return false;
      }
      if (!NO_LINKS.includes(String(code))) {
        throw error;
      }
      if (this.#files.lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
        discard(this.#files, temporary);
        return false;
      }
      this.#files.renameSync(temporary, path);
      return true;
    }
    discard(this.#files, temporary);
    return true;
  }

  #removeSeen(path: string, seen: BigIntStats): boolean {
    const aside = this.#name();
    try {
      this.#files.renameSync(path, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        return true;
      }
      throw error;
    }
    const isSeen = this.#isSame(aside, seen);
    if (!isSeen) {
      // Not ours to remove: back it goes, unless something newer is there already.
      this.#link(aside, path);
    } else {
      discard(this.#files, aside);
    }
    return isSeen;
  }

  #isSame(path: string, seen: BigIntStats): boolean {
    const now = this.#files.lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return now !== undefined && now.ino === seen.ino && now.dev === seen.dev;
  }

  #unlink(name: string, path: string): boolean {
    if (!this.#tree.isLeafThere(leafOf(name))) {
      return false;
    }
    try {
      this.#files.unlinkSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        return false;
      }
      throw error;
    }
    this.#unflushed.add(leafOf(name));
    return true;
  }

  /** Runs a step that needs the directory of an entry, and makes that again where others remove it meanwhile. */
  #inLeaf<T>(index: number, step: () => T): T {
    for (let tries = 1; ; tries++) {
      this.#tree.makeLeaf(index);
      try {
        return step();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === MAKE_TRIES) {
          throw error;
        }
        this.#tree.forget(index);
        this.#rooted.delete(index);
      }
    }
  }

  /** A file of a name that no other thread or process has. */
  #create(temporary: string): number {
    try {
      return this.#files.openSync(temporary, 'wx');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw error;
      }
      // Somebody has tidied up: the directory is made again.
      this.#tree.prepare();
      return this.#files.openSync(temporary, 'wx');
    }
  }

  #name(): string {
    return `${this.#tree.temporary}/.${OWNER}.${OWN_MARK}-${temporaries++}.tmp`;
  }

  /** The names in a directory of entries, and once its own in those above. Windows has no such call, and needs none. */
  async #syncLeaf(index: number): Promise<void> {
    if (process.platform === 'win32') {
      return;
    }
    await this.#syncFile(this.#tree.leafPath(index));
    if (!this.#rooted.has(index)) {
      for (const path of this.#tree.above(index)) await this.#syncFile(path);
      this.#rooted.add(index);
    }
  }

  /** Nothing for one that is gone. */
  async #syncFile(path: string): Promise<void> {
    let fd: number | undefined;
    try {
      fd = this.#files.openSync(path, 'r');
      await this.#files.fsync(fd);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw engineError('sync an entry', path, cause);
      }
    } finally {
      if (fd !== undefined) this.#files.closeSync(fd);
    }
  }
}

function yes(): boolean {
  return true;
}
