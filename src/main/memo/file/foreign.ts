/** Whether what lies at a path may be a memo file of this version: by what it is, and by how it begins. */
import type { Stats } from 'node:fs';
import { storeError } from '../../../protocol/engines/faults.ts';
import { type Files, readFully } from '../../../protocol/files.ts';
import { MAGIC, OPENING, VERSION, VERSION_AT } from './frame.ts';

/** Throws ENGINE_ERROR for what is no file, STORE_FOREIGN for one that is not ours or of another version. What is cut off within its begin may be ours. */
export function assertMemo(files: Files, fd: number, stat: Stats, path: string): void {
  if (!stat.isFile()) {
    const what = stat.isDirectory() ? 'a directory' : stat.isFIFO() ? 'a pipe' : 'no regular file';
    throw storeError(
      'ENGINE_ERROR',
      path,
      `Expected a memo file at ${path}, got ${what}. Next: choose another \`filename\``,
    );
  }
  const bytes = Buffer.alloc(OPENING.length);
  const count = readFully(files, fd, bytes, Math.min(bytes.length, stat.size), 0);
  const begin = Math.min(count, MAGIC.length);
  if (!bytes.subarray(0, begin).equals(MAGIC.subarray(0, begin))) {
    const message = `${path} is no memo file: it begins with ${bytes.subarray(0, count).toString('hex')}, expected ${OPENING.toString('hex')}. Next: choose another \`filename\`, or move it away`;
    throw storeError('STORE_FOREIGN', path, message);
  }
  if (count > VERSION_AT && bytes[VERSION_AT] !== VERSION) {
    const message = `The memo file ${path} is of format ${bytes[VERSION_AT]}; this version knows ${VERSION}. Next: use the version that wrote it, or choose another \`filename\``;
    throw storeError('STORE_FOREIGN', path, message);
  }
}
