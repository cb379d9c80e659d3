/**
 * The directory of one store:
 *
 *     ROOT/NAME/manifest.json     what the store is (manifest.ts), made first
 *     ROOT/NAME/...               what its engine keeps
 *     ROOT/NAME/sub/OTHER/        a store within the store, opened as NAME/OTHER
 *
 * Only a directory that is empty or has a manifest is ever written to. From the root on no symbolic link is followed: a name of
 * a store never leads out of its root.
 */
import { dirname, join } from 'node:path';
import { discard, type Files, isLeftover, readWhole, syncDirectory, temporaryFor, writeWhole } from '../files.ts';
import { attempt, storeError } from './faults.ts';
import { isLockName } from './lock.ts';
import { type Manifest, manifestText, readManifest } from './manifest.ts';

const MANIFEST = 'manifest.json';
const SUB = 'sub';
/** Left by a process that was killed while it made a manifest, or is being made right now. */
const UNFINISHED = /^\.manifest\.json\..*\.tmp$/;

/** Where a store of that name is kept; `name` has its parts between slashes. */
export function directoryOf(root: string, name: string): string {
  return join(root, name.split('/').join(`/${SUB}/`));
}

/** The manifest of a store's directory; undefined where there is none. Changes nothing. */
export function manifestOf(files: Files, directory: string): Manifest | undefined {
  const path = join(directory, MANIFEST);
  const bytes = attempt('read the manifest of a store', path, () => readWhole(files, path));
  return bytes === undefined ? undefined : readManifest(bytes.toString('utf8'), path);
}

export interface Prepared {
  /** The one that is in force. */
  readonly manifest: Manifest;
  readonly isNew: boolean;
}

/**
 * Makes the directory of a store, or finds it; the manifest that is in force there is `wanted` only for a new one. Throws
 * STORE_FOREIGN for a directory with anything else in it.
 */
export function prepareDirectory(files: Files, root: string, name: string, wanted: Manifest): Prepared {
  const above = makeDirectories(files, root, name);
  const directory = directoryOf(root, name);
  const found = manifestOf(files, directory);
  if (found !== undefined) {
    return { manifest: found, isNew: false };
  }
  const strangers = entriesOf(files, directory).filter((entry) => !isOurs(entry));
  if (strangers.length > 0) {
    // Looked for last: what another process makes between the two looks begins with it.
    const made = manifestOf(files, directory);
    if (made !== undefined) {
      return { manifest: made, isNew: false };
    }
    const some = strangers.slice(0, 3).join(', ');
    const message = `${directory} has no ${MANIFEST}, but it is not empty (${some}${strangers.length > 3 ? ', ...' : ''}): choose another \`root\` or \`name\``;
    throw storeError('STORE_FOREIGN', directory, message);
  }
  // Before there is a manifest, so that whoever finds one knows that the names above it survive the machine's end.
  for (const path of above) attempt('sync a directory', path, () => syncDirectory(files, path));
  const isNew = makeManifest(files, directory, wanted);
  // Another process may have made one first.
  return { manifest: manifestOf(files, directory) ?? wanted, isNew };
}

/** Takes back a directory that was just made, for a store that cannot be: so that the next attempt may be another. */
export function withdrawDirectory(files: Files, directory: string): void {
  try {
    if (files.readdirSync(directory).every((entry) => entry === MANIFEST)) {
      files.unlinkSync(join(directory, MANIFEST));
      files.rmdirSync(directory);
    }
  } catch {
    // The error that brought this about is the one to tell. What stays is a store without entries.
  }
}

function isOurs(entry: string): boolean {
  return entry === SUB || isLockName(entry) || UNFINISHED.test(entry);
}

/** Whole or not at all, and never over one that is there: false where there was one. */
function makeManifest(files: Files, directory: string, manifest: Manifest): boolean {
  for (const entry of entriesOf(files, directory)) {
    if (UNFINISHED.test(entry) && isLeftover(entry)) discard(files, join(directory, entry));
  }
  const path = join(directory, MANIFEST);
  const temporary = temporaryFor(path);
  return attempt('make the manifest of a store', path, () => {
    const fd = files.openSync(temporary, 'wx');
    let isNew: boolean;
    try {
      try {
        writeWhole(files, fd, Buffer.from(manifestText(manifest)));
        files.fsyncSync(fd);
      } finally {
        files.closeSync(fd);
      }
      isNew = linkUnlessThere(files, temporary, path);
    } finally {
      discard(files, temporary);
    }
    syncDirectory(files, directory);
    return isNew;
  });
}

function linkUnlessThere(files: Files, from: string, to: string): boolean {
  try {
    files.linkSync(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      return false;
    }
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') {
      throw error;
    }
    // A file system without hard links: two makers at once write the same place, each a whole manifest.
    files.renameSync(from, to);
  }
  return true;
}

/**
 * The root is the user's, links and all; what is below it is ours. Answers the directories in which names may be new, those above
 * the root only where that was made.
 */
function makeDirectories(files: Files, root: string, name: string): string[] {
  const above: string[] = [];
  const first = attempt('make a directory', root, () => files.mkdirSync(root, { recursive: true }));
  for (let path = root; first !== undefined && path.length >= first.length; path = dirname(path)) {
    above.push(dirname(path));
  }
  let path = root;
  for (const part of name.split('/').join(`/${SUB}/`).split('/')) {
    above.push(path);
    path = join(path, part);
    makeOne(files, path);
  }
  return above;
}

function makeOne(files: Files, path: string): void {
  const made = attempt('make a directory', path, () => {
    try {
      files.mkdirSync(path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
        return false;
      }
      throw error;
    }
  });
  if (made) {
    return;
  }
  const stat = attempt('look at a directory', path, () => files.lstatSync(path));
  if (stat.isSymbolicLink()) {
    const message = `${path} is a symbolic link, which is not followed: choose another \`name\`, or make the link the \`root\``;
    throw storeError('STORE_FOREIGN', path, message);
  }
  if (!stat.isDirectory()) {
    throw storeError('STORE_FOREIGN', path, `${path} is not a directory: move it away, or choose another \`name\``);
  }
}

function entriesOf(files: Files, directory: string): string[] {
  return attempt('list a directory', directory, () => files.readdirSync(directory)) as string[];
}
