/** The errors of engines: what was being done, to which path, what the medium said, and what to do next. */
import { describeThrown } from '../describe.ts';
import { CacheError, type StoreErrorCode } from '../errors.ts';

/** What helps, by the code of the system. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  EACCES: 'give this process the right to read and write there, or choose another `root`',
  EPERM: 'give this process the right to read and write there, or choose another `root`',
  EROFS: 'the file system is read-only: choose another `root`',
  ENOSPC: 'the disk is full: make room, or choose another `root`',
  EDQUOT: 'the quota is used up: make room, or choose another `root`',
  EFBIG: 'the file may not grow any further: compact the store, or raise the limit of this process',
  EMFILE: 'this process has too many open files: close some, or raise its limit (`ulimit -n`)',
  ENFILE: 'the machine has too many open files: close some, or raise its limit',
  EISDIR: 'a directory is where a file should be: move it away',
  ENOTDIR: 'a file is where a directory should be: move it away',
  ELOOP: 'symbolic links go in a circle: choose another `root`',
  ENAMETOOLONG: 'choose a shorter `root` or `name`',
  ENOENT: 'see whether the path is right, and who has removed what was there',
  EEXIST: 'something else is there already: move it away',
  EIO: 'the disk fails: look at its health, and open the store again',
};
const ANYTHING_ELSE = 'see the cause, and open the store again when it is mended';

/**
 * What stopped an engine, as users meet it: ENGINE_ERROR with the medium's own error as its cause. A CacheError or a misuse
 * passes through as it is, so that nothing is wrapped twice. `option` is the one that says where it is.
 */
export function engineError(doing: string, path: string, cause: unknown, option = 'root'): Error {
  if (isTyped(cause)) {
    return cause;
  }
  const code = String((cause as { code?: unknown } | null)?.code ?? '');
  const next = (NEXT_STEPS[code] ?? ANYTHING_ELSE).replaceAll('`root`', `\`${option}\``);
  const message = `Cannot ${doing} at ${path}: ${describeThrown(cause)}. Next: ${next}`;
  return new CacheError('ENGINE_ERROR', message, { path, cause });
}

/** Whether an error has a code of ours: a CacheError, or a misuse of an option. What Node throws has codes, too. */
export function isTyped(error: unknown): error is Error & { readonly code: string } {
  return error instanceof CacheError || (error instanceof TypeError && 'code' in error && 'option' in error);
}

/** Runs one step of an engine; what it throws becomes an ENGINE_ERROR. */
export function attempt<T>(doing: string, path: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw engineError(doing, path, cause);
  }
}

/** An error that an engine finds by itself, without a cause. `message` ends with the next step. */
export function storeError(code: StoreErrorCode, path: string, message: string): CacheError {
  return new CacheError(code, message, { path });
}
