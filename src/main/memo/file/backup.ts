/**
 * The old file under another name while a new one takes its place: a second link to it, which costs nothing, however long it is;
 * a copy on file systems that have no links.
 * What lies at that name already is moved on: PATH.bak to PATH.bak.bak, and so on.
 */
import { constants } from 'node:fs';
import type { Files } from '../../../protocol/files.ts';

/** What file systems say that have no links, or not one more. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];
const EXTENSION = '.bak';
/** The last one is overwritten. */
const BACKUPS_MAX = 8;

/** Answers its path. Throws what the file system throws. */
export function backupOf(files: Files, path: string): string {
  const backup = `${path}${EXTENSION}`;
  moveOn(files, backup, BACKUPS_MAX - 1);
  try {
    files.linkSync(path, backup);
  } catch (error) {
    if (!NO_LINKS.includes(String((error as { code?: unknown }).code))) {
      throw error;
    }
    files.copyFileSync(path, backup, constants.COPYFILE_EXCL);
  }
  return backup;
}

function moveOn(files: Files, path: string, left: number): void {
  if (files.lstatSync(path, { throwIfNoEntry: false }) === undefined) {
    return;
  }
  if (left > 1) {
    moveOn(files, `${path}${EXTENSION}`, left - 1);
  }
  files.renameSync(path, `${path}${EXTENSION}`);
}
