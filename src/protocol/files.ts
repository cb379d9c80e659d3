/**
 * The file system as engines use it: Node's own, passed in, so that a test can stand a disk between that is full, slow or
 * broken. Most calls are the synchronous ones: on a page cache an open, a read and a close take 20 us together, a hop to
 * the thread pool and back takes that for each of the three.
 *
 * And what is never written twice: a file that is replaced as a whole, or not at all.
 *
 *     dir/.name.MARK-n.tmp  --write--fsync?--close-->  rename to dir/name  --fsync dir?-->  done
 *
 * MARK tells which process it was, so that what a dead one left can be swept (process-mark.ts).
 */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isAlive, nextNumber, OWN_MARK } from './process-mark.ts';

const SYNC_CALLS = [
  'openSync',
  'closeSync',
  'readSync',
  'writeSync',
  'fsyncSync',
  'ftruncateSync',
  'fchmodSync',
  'fchownSync',
  'fstatSync',
  'lstatSync',
  'statSync',
  'realpathSync',
  'mkdirSync',
  'readdirSync',
  'renameSync',
  'linkSync',
  'copyFileSync',
  'unlinkSync',
  'rmdirSync',
  'rmSync',
] as const;

export type Files = Pick<typeof fs, (typeof SYNC_CALLS)[number]> & {
  /** Away from the thread, for what may take long. */
  fsync(fd: number): Promise<void>;
  fdatasync(fd: number): Promise<void>;
  /** How many bytes were read. */
  read(fd: number, into: Uint8Array, offset: number, length: number, position: number): Promise<number>;
};

/** Where a pipe lies in place of a file, this does not wait for somebody who writes to it. Windows has no such flag. */
export const READ_ONLY = fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0);

const readAsync = promisify(fs.read);

export const diskFiles: Files = {
  ...(Object.fromEntries(SYNC_CALLS.map((name) => [name, fs[name]])) as Pick<typeof fs, (typeof SYNC_CALLS)[number]>),
  fsync: promisify(fs.fsync),
  fdatasync: promisify(fs.fdatasync),
  read: async (fd, into, offset, length, position) => (await readAsync(fd, into, offset, length, position)).bytesRead,
};

/** One call of the system writes no more than 2 GiB. */
const CALL_BYTES_MAX = 2 ** 30;

const TEMPORARY = /^\..*\.([0-9a-f]{8}-\d+-\d+)-\d+\.tmp$/;

/** A name in the same directory that no other file, thread or process has. */
export function temporaryFor(path: string): string {
  return join(dirname(path), `.${basename(path)}.${OWN_MARK}-${nextNumber()}.tmp`);
}

/** Whether a file is what a process that has ended left unfinished. */
export function isLeftover(name: string): boolean {
  const mark = TEMPORARY.exec(name)?.[1];
  return mark !== undefined && !isAlive(mark);
}

/** Writes the whole of `bytes`, in as many calls as it takes. */
export function writeWhole(files: Files, fd: number, bytes: Uint8Array, position: number | null = null): void {
  let written = 0;
  while (written < bytes.length) {
    const at = position === null ? null : position + written;
    written += files.writeSync(fd, bytes, written, Math.min(CALL_BYTES_MAX, bytes.length - written), at);
  }
}

/** Reads up to `length` bytes from `position` on, in as many calls as it takes. How many there were: fewer where the file ends. */
export function readFully(files: Files, fd: number, into: Uint8Array, length: number, position: number): number {
  let read = 0;
  while (read < length) {
    const count = files.readSync(fd, into, read, Math.min(CALL_BYTES_MAX, length - read), position + read);
    if (count === 0) {
      break;
    }
    read += count;
  }
  return read;
}

/** The whole of a file; undefined where there is none. Throws what the file system throws. */
export function readWhole(files: Files, path: string): Buffer | undefined {
  let fd: number;
  try {
    fd = files.openSync(path, READ_ONLY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return undefined;
    }
    throw error;
  }
  try {
    const bytes = Buffer.allocUnsafe(files.fstatSync(fd).size);
    return bytes.subarray(0, readFully(files, fd, bytes, bytes.length, 0));
  } finally {
    files.closeSync(fd);
  }
}

/**
 * Replaces a file as a whole, by bytes or by what a function writes: whoever reads it, and whatever ends when, finds the old bytes or the new. With `sync` they
 * survive the machine's end before this returns. Throws what the file system throws; then the old file is as it was, and
 * nothing else is left.
 */
export function replaceFile(
  files: Files,
  path: string,
  content: Uint8Array | ((fd: number) => void),
  { sync = false } = {},
): void {
  const temporary = temporaryFor(path);
  const fd = files.openSync(temporary, 'wx+');
  try {
    try {
      if (typeof content === 'function') content(fd);
      else writeWhole(files, fd, content);
      if (sync) {
        files.fsyncSync(fd);
      }
    } finally {
      files.closeSync(fd);
    }
    files.renameSync(temporary, path);
  } catch (error) {
    discard(files, temporary);
    throw error;
  }
  if (sync) {
    syncDirectory(files, dirname(path));
  }
}

/** So that names that were made or removed in it survive the machine's end. Windows has no such call, and needs none. */
export function syncDirectory(files: Files, directory: string): void {
  if (process.platform === 'win32') {
    return;
  }
  const fd = files.openSync(directory, 'r');
  try {
    files.fsyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
}

/** Removes a file of ours on the way out of another error, which is the one to tell. */
export function discard(files: Files, path: string): void {
  try {
    files.unlinkSync(path);
  } catch {
    // It was never made, or the disk that failed before fails again: the next opening sweeps what is left.
  }
}
