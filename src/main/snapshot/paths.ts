/**
 * Which file a caller means.
 *
 *     save()                       DIR/FILENAME.EXT          storage.dir and storage.filename
 *     save('nightly')              DIR/nightly.EXT           a bare name is in storage.dir
 *     save('backups/')             backups/FILENAME.EXT      so is what is a directory already
 *     save('backups/nightly')      backups/nightly.EXT       as given, relative to the working directory
 *     save('nightly.bin')          DIR/nightly.bin           an extension stays as it is
 *     ... with timestamps          ..._20261231_235959.EXT   and, within the same second, ..._20261231_235959_2.EXT
 *
 * Timestamps are in local time, in which an hour may come twice a year: names then do not tell which of two snapshots of that
 * hour is the newer.
 */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { misuse } from '../../protocol/errors.ts';
import type { StorageConfig } from './storage-options.ts';

const STAMP = /^_(\d{8}_\d{6})(?:_(\d+))?$/;
/** Names that are tried for one second, each with a number of its own. */
const STAMPS_MAX = 1_000;

/** What the world is asked. */
export interface PathWorld {
  isDirectory(path: string): boolean;
  exists(path: string): boolean;
}

export const diskWorld: PathWorld = {
  exists: existsSync,
  isDirectory: (path) => {
    try {
      return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    } catch {
      // Who may not look there will be told so when he reads or writes there.
      return false;
    }
  },
};

/** The absolute path that a caller means, without a timestamp; `extension` is without its dot. Throws INVALID_CONFIG. */
export function pathOf(
  given: unknown,
  { dir, filename }: Pick<StorageConfig, 'dir' | 'filename'>,
  extension: string,
  world: Pick<PathWorld, 'isDirectory'>,
): string {
  if (given === undefined) {
    return resolve(dir, withExtension(filename, extension));
  }
  if (typeof given !== 'string' || given === '' || given.includes('\0')) {
    throw misuse('INVALID_CONFIG', '`path` to be the path of a file or of a directory', given, { option: 'path' });
  }
  if (/[/\\]$/.test(given) || world.isDirectory(given)) {
    return resolve(given, withExtension(filename, extension));
  }
  const named = withExtension(given, extension);
  return given.includes('/') || given.includes('\\') ? resolve(named) : resolve(dir, named);
}

/** The path with the time in its name: one that is free. Throws where none of a thousand is. */
export function stampedPath(path: string, now: Date, { exists }: Pick<PathWorld, 'exists'>): string {
  const extension = extname(path);
  const stem = `${path.slice(0, path.length - extension.length)}_${stampOf(now)}`;
  for (let number = 1; number <= STAMPS_MAX; number++) {
    const candidate = `${stem}${number === 1 ? '' : `_${number}`}${extension}`;
    if (!exists(candidate)) {
      return candidate;
    }
  }
  throw new Error(`${STAMPS_MAX} files of this second are there already: wait for the next`);
}

/** The path of the newest of the stamped files of `path` among the names in its directory; undefined where there is none. */
export function newestOf(path: string, names: readonly string[]): string | undefined {
  const extension = extname(path);
  const stem = basename(path, extension);
  let newest: { readonly name: string; readonly stamp: string; readonly number: number } | undefined;
  for (const name of names) {
    if (!name.startsWith(stem) || !name.endsWith(extension)) {
      continue;
    }
    const [, stamp, number = '1'] = STAMP.exec(name.slice(stem.length, name.length - extension.length)) ?? [];
    if (stamp === undefined) {
      continue;
    }
    const found = { name, stamp, number: Number(number) };
    if (newest === undefined || stamp > newest.stamp || (stamp === newest.stamp && found.number > newest.number)) {
      newest = found;
    }
  }
  return newest && join(dirname(path), newest.name);
}

/** YYYYMMDD_HHMMSS, local time. */
function stampOf(date: Date): string {
  const two = (number: number) => String(number).padStart(2, '0');
  const day = `${String(date.getFullYear()).padStart(4, '0')}${two(date.getMonth() + 1)}${two(date.getDate())}`;
  return `${day}_${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`;
}

function withExtension(path: string, extension: string): string {
  return extname(path) === '' ? `${path}.${extension}` : path;
}
