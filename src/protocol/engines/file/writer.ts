/**
 * How the engine 'file' changes the disk: an entry is written beside its place, and then renamed into it.
 *
 *     entries/aa/.OWNER.MARK-n.tmp   open, write, fsync?, close   -> rename -> entries/aa/...   fsync of aa?
 *
 * In one folder for all, what is written would be easier to find again after a crash; but there ext4 took 47 us to make a file and
 * to rename it, against 14 us here. So each opener has a file in openers/ until it is closed, and one whose process has ended
 * without that is the sign to look everywhere for what it left.
 *
 * The second fsync, and both together, are for `sync: true`; otherwise `flush` makes up for them. A write that is `only` for one state
 * of the entry, as an update has seen it, leaves anything else alone and says so.
 */
import type { BigIntStats } from 'node:fs';
import { join } from 'node:path';
import { discard, type Files } from '../../files.ts';
import { isAlive, OWN_MARK } from '../../process-mark.ts';
import type { Answer } from '../engine.ts';
import { attempt, engineError } from '../faults.ts';
import { writeEntry } from './entry.ts';
import type { FileHandles } from './handles.ts';
import { OWNER } from './locks.ts';
import { type FileTree, leafOf } from './tree.ts';

/** Of a file in openers/, with the mark. */
const OPENER = /^[0-9a-f]{12}-\d+\.([0-9a-f]{8}-\d+-\d+)$/;
/** How often directories that somebody else removes are made again for one write. */
const MAKE_TRIES = 10;
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
  /** As long as it is there, something may be left beside the entries. */
  readonly #opener: string;
  /** Directories with entries that were written or removed since the last flush. */
  readonly #unflushed = new Set<number>();
  /** Directories of which it is known that they survive the machine's end themselves. */
  readonly #rooted = new Set<number>();

  constructor(files: Files, tree: FileTree, { syncs, handles }: { syncs: boolean; handles: FileHandles }) {
    this.#files = files;
    this.#tree = tree;
    this.#syncs = syncs;
    this.#handles = handles;
    this.#opener = join(tree.openers, `${OWNER}-${temporaries++}.${OWN_MARK}`);
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
    const removed = attempt('remove an entry', path, () => this.#removeSeen(path, this.#beside(name), seen));
    this.#unflushed.add(leafOf(name));
    return removed && this.#syncs ? this.#handles.during(() => this.#syncLeaf(leafOf(name))).then(yes) : removed;
  }

  /** Makes what was written since the last flush survive the machine's end. A disk has nothing to do for a file that has not changed. */
  async flush(): Promise<void> {
    for (const index of Array.from(this.#unflushed)) {
      // Before, since writes go on meanwhile.
      this.#unflushed.delete(index);
      try {
        for (const name of this.#tree.leaf(index).names) await this.#syncFile(this.#tree.pathOf(name));
        await this.#syncLeaf(index);
      } catch (error) {
        this.#unflushed.add(index);
        throw error;
      }
    }
  }

  /** Tells others that this writer may leave something. */
  begin(): void {
    attempt('say who has a store open', this.#opener, () =>
      this.#files.closeSync(this.#files.openSync(this.#opener, 'wx')),
    );
  }

  end(): void {
    // Where it stays, the next opening looks for leftovers and finds none.
    discard(this.#files, this.#opener);
  }

  /** Removes what processes were writing when they ended, if any has ended without a word. */
  async sweep(): Promise<void> {
    const { openers } = this.#tree;
    const names = attempt('look who had a store open', openers, () => this.#files.readdirSync(openers)) as string[];
    const dead = names.filter((name) => !isAlive(OPENER.exec(name)?.[1] ?? OWN_MARK));
    if (dead.length === 0) {
      return;
    }
    for await (const { index, leftovers } of this.#tree.leaves()) {
      for (const name of leftovers) discard(this.#files, join(this.#tree.leafPath(index), name));
    }
    // Last: whoever is killed before has not swept everything.
    for (const name of dead) discard(this.#files, join(openers, name));
  }

  #write(name: string, key: string, record: Uint8Array, only: Only): boolean {
    return this.#inLeaf(leafOf(name), () => {
      const temporary = this.#beside(name);
      const fd = this.#files.openSync(temporary, 'wx');
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
    });
  }

  async #writeSynced(name: string, key: string, record: Uint8Array, only: Only): Promise<boolean> {
    const path = this.#tree.pathOf(name);
    try {
      const temporary = this.#beside(name);
      const fd = this.#inLeaf(leafOf(name), () => this.#files.openSync(temporary, 'wx'));
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
    this.#unflushed.add(leafOf(name));
    if (only === null) {
      return this.#link(temporary, path);
    }
    if (only !== undefined && !this.#isSame(path, only)) {
      discard(this.#files, temporary);
      return false;
    }
    this.#files.renameSync(temporary, path);
    return true;
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

  #removeSeen(path: string, aside: string, seen: BigIntStats): boolean {
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
      try {
        if (this.#tree.makeLeaf(index)) this.#rooted.delete(index);
        return step();
      } catch (error) {
        if (!isMissing(error) || tries === MAKE_TRIES) {
          throw error;
        }
        this.#tree.prepare();
        this.#tree.forget(index);
        this.#rooted.delete(index);
      }
    }
  }

  /** In the same directory, a name that no other thread or process has. */
  #beside(name: string): string {
    return `${this.#tree.leafPath(leafOf(name))}/.${OWNER}.${OWN_MARK}-${temporaries++}.tmp`;
  }

  /** The names in a directory of entries, and once its own in those above. Windows has no such call, and needs none. */
  async #syncLeaf(index: number): Promise<void> {
    if (process.platform === 'win32') {
      return;
    }
    await this.#syncFile(this.#tree.leafPath(index));
    if (!this.#rooted.has(index)) {
      for (const path of this.#tree.above()) await this.#syncFile(path);
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

/** Whether a directory on the way is gone, also as the tree says it. */
function isMissing(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

function yes(): boolean {
  return true;
}
