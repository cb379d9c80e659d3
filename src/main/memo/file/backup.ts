/**
 * The old file under another name while a new one takes its place: a second link to it, which costs nothing, however long it is.
 * What lies at that name already is moved on: PATH.bak to PATH.bak.bak, and so on.
 */
import type { Files } from '../../../protocol/files.ts';

const EXTENSION = '.bak';
/** The last one is overwritten. */
const BACKUPS_MAX = 8;

/** Answers its path. Throws what the file system throws. */
export function backupOf(files: Files, path: string): string {
  const backup = `${path}${EXTENSION}`;
  moveOn(files, backup, BACKUPS_MAX - 1);
  files.linkSync(path, backup);
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
