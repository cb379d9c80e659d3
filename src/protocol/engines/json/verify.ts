/**
 * Looks at the file of the engine 'json': whether it is one, what it says, and every single thing that is wrong with it. Nothing is
 * changed, and no store need be open.
 */
import type { BigIntStats } from 'node:fs';
import { join } from 'node:path';
import { type Files, readWhole } from '../../files.ts';
import { attempt, engineError, storeError } from '../faults.ts';
import type { LookAtEntry } from '../file/verify.ts';
import { readEntries } from './file.ts';

export const FILE = 'store.json';

/** A sentence for each finding. It needs no opened store, and changes nothing. */
export async function* verifyJson(
  files: Files,
  directory: string,
  look: LookAtEntry = () => undefined,
): AsyncGenerator<string> {
  const path = join(directory, FILE);
  try {
    statOf(files, path);
    const bytes = bytesOf(files, path);
    for (const entry of bytes === undefined ? [] : readEntries(bytes, path)) {
      const finding = entry instanceof Error ? entry.message : await look(...entry);
      if (finding !== undefined) yield finding;
    }
  } catch (error) {
    yield engineError('read a store', path, error).message;
  }
}

export function bytesOf(files: Files, path: string): Buffer | undefined {
  return attempt('read a store', path, () => readWhole(files, path));
}

/** Undefined where there is none. Throws STORE_FOREIGN for what is no file: a rename would put one in place of a link. */
export function statOf(files: Files, path: string): BigIntStats | undefined {
  const stat = attempt('look at a store', path, () => files.lstatSync(path, { bigint: true, throwIfNoEntry: false }));
  if (stat !== undefined && !stat.isFile()) {
    throw storeError('STORE_FOREIGN', path, `${path} is no file, but a link or a directory: move it away`);
  }
  return stat;
}
