/** Files of memos as people look at them: nothing is changed, and they may be in use. */
import { isAbsolute } from 'node:path';
import { diskFiles, READ_ONLY, readFully } from '../../protocol/files.ts';
import { assertOptions } from '../codec/known-options.ts';
import { MAGIC } from './file/frame.ts';
import { type InspectedResult, inspectMemoFile, type MemoInspection } from './file/inspect.ts';
import { verifyMemoFile } from './file/verify.ts';
import { memoPathOf } from './memo-place.ts';

export type { InspectedResult, MemoInspection };

export interface MemoInspectOptions {
  /** How many results are shown: the latest. Default 0. */
  readonly entries?: number | undefined;
}

/**
 * What is in the file of a memo. All of it is read at once. Rejects with ENGINE_ERROR (its cause has ENOENT where there is no such file)
 * or STORE_FOREIGN.
 *
 * @example
 * const { name, entries, bytes } = await inspectMemo('./results.log');
 */
export async function inspectMemo(filename: string, options: MemoInspectOptions = {}): Promise<MemoInspection> {
  assertOptions(options, ['entries']);
  return inspectMemoFile(memoFileAt(filename), options);
}

/** A sentence for each thing that is wrong; none for a file that is whole. Rejects as `inspectMemo` does. */
export async function verifyMemo(filename: string): Promise<readonly string[]> {
  return verifyMemoFile(memoFileAt(filename));
}

/** Whether a file begins as that of a memo does. Nothing else is looked at, and there may be no file at all. */
export function isMemoFile(path: string): boolean {
  let fd: number;
  try {
    fd = diskFiles.openSync(path, READ_ONLY);
  } catch {
    // What cannot be read says why when it is.
    return false;
  }
  try {
    const begin = Buffer.alloc(MAGIC.length);
    const isFile = diskFiles.fstatSync(fd).isFile();
    return isFile && readFully(diskFiles, fd, begin, begin.length, 0) === begin.length && begin.equals(MAGIC);
  } finally {
    diskFiles.closeSync(fd);
  }
}

/** Where a memo of that `filename` has its file; or the very file of that path, which somebody may have given another name. */
export function memoFileAt(filename: string): string {
  return typeof filename === 'string' && isAbsolute(filename) && isMemoFile(filename) ? filename : memoPathOf(filename);
}
