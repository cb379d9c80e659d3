/** Opens a memo file so that every write goes to its end, and makes it, with the directories above it, where there is none. */
import fs, { type Stats } from 'node:fs';
import { dirname } from 'node:path';
import type { Files } from '../../../protocol/files.ts';
import { assertMemo } from './foreign.ts';

/** Where a pipe lies in place of a file, nobody is waited for. Windows has no such flag. */
const APPENDING = fs.constants.O_RDWR | fs.constants.O_APPEND | fs.constants.O_CREAT | (fs.constants.O_NONBLOCK ?? 0);

/** Throws what the file system throws, ENGINE_ERROR or STORE_FOREIGN. */
export function openToAppend(files: Files, path: string): { readonly fd: number; readonly stat: Stats } {
  const fd = openOrMake(files, path);
  try {
    const stat = files.fstatSync(fd);
    assertMemo(files, fd, stat, path);
    return { fd, stat };
  } catch (error) {
    files.closeSync(fd);
    throw error;
  }
}

function openOrMake(files: Files, path: string): number {
  try {
    return files.openSync(path, APPENDING);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw error;
    }
    files.mkdirSync(dirname(path), { recursive: true });
    return files.openSync(path, APPENDING);
  }
}
