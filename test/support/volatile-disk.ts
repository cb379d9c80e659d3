/**
 * A disk in memory that forgets at a crash what nobody has synced: bytes until their file is, names until their directory is.
 *
 *     write ---- fsync(file) ----> bytes on the medium         rename ---- fsync(directory) ----> name on the medium
 *
 * What is not on the medium yet survives a crash by chance: of a file the writes up to some moment, or each for itself, as harshly
 * as POSIX allows; each name for itself, so that one may be there of a file that is empty. A rename within a directory happens as
 * a whole.
 */
import { constants } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Files } from '../../src/protocol/files.ts';
import { Crash } from './faulty-files.ts';
import type { Random } from './random.ts';

type Inode = FileNode | Folder;

class FileNode {
  bytes = Buffer.alloc(0);
  /** On the medium. */
  kept = Buffer.alloc(0);
  /** Since then, in order; null cuts off. */
  pending: { at: number; bytes: Buffer | null }[] = [];
  readonly number: number;

  constructor(number: number) {
    this.number = number;
  }

  apply(bytes: Buffer<ArrayBuffer>, { at, bytes: written }: { at: number; bytes: Buffer | null }): Buffer<ArrayBuffer> {
    const length = written === null ? at : Math.max(bytes.length, at + written.length);
    const after = Buffer.alloc(length);
    bytes.copy(after, 0, 0, Math.min(bytes.length, length));
    written?.copy(after, at);
    return after;
  }

  change(change: { at: number; bytes: Buffer | null }): void {
    this.bytes = this.apply(this.bytes, change);
    this.pending.push(change);
  }
}

type Names = Map<string, Inode>;

class Folder {
  names: Names = new Map();
  kept: Names = new Map();
  pending: (readonly [name: string, inode: Inode | undefined][])[] = [];
  readonly number: number;

  constructor(number: number) {
    this.number = number;
  }

  change(...changes: [name: string, inode: Inode | undefined][]): void {
    applyNames(this.names, changes);
    this.pending.push(changes);
  }
}

function applyNames(names: Names, changes: readonly [string, Inode | undefined][]): void {
  for (const [name, inode] of changes) {
    if (inode === undefined) names.delete(name);
    else names.set(name, inode);
  }
}

export class VolatileDisk {
  readonly files: Files;
  /** Calls until the machine ends. */
  callsLeft = Number.POSITIVE_INFINITY;
  calls = 0;
  /** Called at that moment, before anything else is. */
  onCrash: () => void = () => {};
  #root = new Folder(1);
  #numbers = 1;
  readonly #open = new Map<number, Inode>();
  #descriptors = 10;

  constructor() {
    const later = (fd: number) => this.#syncLater(fd);
    const calls: Record<string, (...args: never[]) => unknown> = {
      openSync: (path: string, flags: string | number) => this.#openSync(path, flags),
      closeSync: (fd: number) => void this.#open.delete(fd),
      readSync: (fd: number, into: Uint8Array, offset: number, length: number, at: number | null) =>
        this.#read(fd, into, offset, length, at ?? 0),
      writeSync: (fd: number, bytes: Uint8Array, offset: number, length: number, at: number | null) => {
        const file = this.#file(fd);
        file.change({ at: at ?? file.bytes.length, bytes: Buffer.from(bytes.subarray(offset, offset + length)) });
        return length;
      },
      fsyncSync: (fd: number) => this.#sync(this.#inode(fd), Number.POSITIVE_INFINITY),
      ftruncateSync: (fd: number, length: number) => this.#file(fd).change({ at: length, bytes: null }),
      fstatSync: (fd: number) => statOf(this.#inode(fd)),
      lstatSync: (path: string, options?: { throwIfNoEntry?: boolean }) => this.#stat(path, options),
      statSync: (path: string) => this.#stat(path),
      mkdirSync: (path: string, options?: { recursive?: boolean }) => this.#mkdir(path, options?.recursive ?? false),
      readdirSync: (path: string, options?: { withFileTypes?: boolean }) => this.#list(path, options?.withFileTypes),
      renameSync: (from: string, to: string) => this.#rename(from, to),
      linkSync: (from: string, to: string) => {
        if (this.#find(to) !== undefined) throw failure('EEXIST', to);
        this.#parent(to).change([basename(to), this.#need(from)]);
      },
      unlinkSync: (path: string) => {
        this.#need(path);
        this.#parent(path).change([basename(path), undefined]);
      },
      rmSync: (path: string) => {
        if (this.#find(path) !== undefined) this.#parent(path).change([basename(path), undefined]);
      },
      rmdirSync: (path: string) => {
        if (this.#folder(path).names.size > 0) throw failure('ENOTEMPTY', path);
        this.#parent(path).change([basename(path), undefined]);
      },
      fsync: later,
      fdatasync: later,
      read: async (fd: number, into: Uint8Array, offset: number, length: number, at: number) => {
        const inode = this.#inode(fd);
        await new Promise(setImmediate);
        return copy(inode as FileNode, into, offset, length, at);
      },
    };
    const counted = Object.entries(calls).map(([name, call]) => [name, this.#counted(name, call)]);
    this.files = Object.fromEntries(counted) as Files;
  }

  /** The disk as the machine finds it when it begins again. */
  afterCrash(random: Random, { isHarsh }: { isHarsh: boolean }): VolatileDisk {
    const disk = new VolatileDisk();
    const made = new Map<Inode, Inode>();
    const chance = () => random.oneIn(2);
    const again = (inode: Inode): Inode => {
      const known = made.get(inode);
      if (known !== undefined) return known;
      if (inode instanceof FileNode) {
        const file = new FileNode(++disk.#numbers);
        made.set(inode, file);
        const { pending } = inode;
        const survive = isHarsh ? pending.filter(chance) : pending.slice(0, random.below(pending.length + 1));
        file.bytes = survive.reduce((bytes, change) => inode.apply(bytes, change), inode.kept);
        file.kept = file.bytes;
        return file;
      }
      const folder = new Folder(++disk.#numbers);
      made.set(inode, folder);
      const names = new Map(inode.kept);
      for (const changes of inode.pending.filter(chance)) applyNames(names, changes);
      for (const [name, child] of names) {
        if (!name.startsWith('.lock.')) folder.names.set(name, again(child));
      }
      folder.kept = new Map(folder.names);
      return folder;
    };
    disk.#root = again(this.#root) as Folder;
    return disk;
  }

  #counted(name: string, call: (...args: never[]) => unknown): (...args: never[]) => unknown {
    return (...args) => {
      this.calls++;
      if (this.callsLeft-- === 0) this.onCrash();
      if (this.callsLeft < 0) throw new Crash(`The machine has ended before ${name}`);
      return call(...args);
    };
  }

  #openSync(path: string, flags: string | number): number {
    let inode = this.#find(path);
    const makes = typeof flags === 'string' && flags.startsWith('w');
    if (inode === undefined && !makes) throw failure('ENOENT', path);
    if (inode !== undefined && flags === 'wx') throw failure('EEXIST', path);
    if (typeof flags === 'number' && (flags & constants.O_CREAT) !== 0) throw failure('EINVAL', path);
    if (inode === undefined) {
      inode = new FileNode(++this.#numbers);
      this.#parent(path).change([basename(path), inode]);
    } else if (makes) {
      (inode as FileNode).change({ at: 0, bytes: null });
    }
    const fd = this.#descriptors++;
    this.#open.set(fd, inode);
    return fd;
  }

  #read(fd: number, into: Uint8Array, offset: number, length: number, at: number): number {
    return copy(this.#file(fd), into, offset, length, at);
  }

  async #syncLater(fd: number): Promise<void> {
    const inode = this.#inode(fd);
    const { length } = inode.pending;
    await new Promise(setImmediate);
    if (this.callsLeft < 0) throw new Crash('The machine has ended within a sync');
    this.#sync(inode, length);
  }

  #sync(inode: Inode, count: number): void {
    if (inode instanceof FileNode) {
      inode.kept = inode.pending.splice(0, count).reduce((bytes, change) => inode.apply(bytes, change), inode.kept);
    } else {
      for (const changes of inode.pending.splice(0, count)) applyNames(inode.kept, changes);
    }
  }

  #stat(path: string, { throwIfNoEntry = true }: { throwIfNoEntry?: boolean } = {}) {
    const inode = this.#find(path);
    if (inode === undefined && throwIfNoEntry) throw failure('ENOENT', path);
    return inode === undefined ? undefined : statOf(inode);
  }

  #mkdir(path: string, isRecursive: boolean): string | undefined {
    if (this.#find(path) !== undefined) {
      if (isRecursive) return undefined;
      throw failure('EEXIST', path);
    }
    const above = isRecursive && path !== '/' ? this.#mkdir(dirname(path), true) : undefined;
    this.#parent(path).change([basename(path), new Folder(++this.#numbers)]);
    return above ?? path;
  }

  #list(path: string, withTypes = false): unknown[] {
    const { names } = this.#folder(path);
    return Array.from(names, ([name, inode]) => (withTypes ? { name, parentPath: path, ...kindOf(inode) } : name));
  }

  #rename(from: string, to: string): void {
    const inode = this.#need(from);
    if (dirname(from) !== dirname(to)) throw failure('EXDEV', to);
    this.#parent(to).change([basename(to), inode], [basename(from), undefined]);
  }

  #find(path: string): Inode | undefined {
    let inode: Inode | undefined = this.#root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      inode = inode instanceof Folder ? inode.names.get(name) : undefined;
    }
    return inode;
  }

  #need(path: string): Inode {
    const inode = this.#find(path);
    if (inode === undefined) throw failure('ENOENT', path);
    return inode;
  }

  #folder(path: string): Folder {
    const inode = this.#need(path);
    if (!(inode instanceof Folder)) throw failure('ENOTDIR', path);
    return inode;
  }

  #parent(path: string): Folder {
    return this.#folder(dirname(path));
  }

  #inode(fd: number): Inode {
    const inode = this.#open.get(fd);
    if (inode === undefined) throw failure('EBADF', String(fd));
    return inode;
  }

  #file(fd: number): FileNode {
    return this.#inode(fd) as FileNode;
  }
}

function copy(file: FileNode, into: Uint8Array, offset: number, length: number, at: number): number {
  const bytes = file.bytes.subarray(at, at + length);
  into.set(bytes, offset);
  return bytes.length;
}

function kindOf(inode: Inode) {
  const isFolder = inode instanceof Folder;
  return { isFile: () => !isFolder, isDirectory: () => isFolder, isSymbolicLink: () => false };
}

function statOf(inode: Inode) {
  const size = inode instanceof FileNode ? inode.bytes.length : 0;
  return { ...kindOf(inode), size, ino: BigInt(inode.number), dev: 1n, mtimeNs: 1n };
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
