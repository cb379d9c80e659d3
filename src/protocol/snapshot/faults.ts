/** The errors of snapshots: which file, what is wrong with it or with the disk, and what to do next. */
import { describeThrown } from '../describe.ts';
import { CacheError } from '../errors.ts';

/** What helps, by the code of the system. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  ENOENT: 'look whether the path is the right one: there is no such file',
  EACCES: 'give this process the right to read and write there, or choose another path',
  EPERM: 'give this process the right to read and write there, or choose another path',
  EROFS: 'the file system is read-only: choose another path',
  ENOSPC: 'the disk is full: make room, or choose another path',
  EDQUOT: 'the quota is used up: make room, or choose another path',
  EFBIG: 'the file may not grow any further: raise the limit of this process, or choose another path',
  EMFILE: 'this process has too many open files: close some, or raise its limit (`ulimit -n`)',
  ENFILE: 'the machine has too many open files: close some, or raise its limit',
  EISDIR: 'a directory is where a file should be: move it away, or choose another path',
  EEXIST: 'a file is where a directory should be: move it away, or choose another path',
  ENOTDIR: 'a file is where a directory should be: move it away, or choose another path',
  ELOOP: 'symbolic links go in a circle: choose another path',
  ENAMETOOLONG: 'choose a shorter path',
  EIO: 'the disk fails: look at its health, and try again',
};
const ANYTHING_ELSE = 'see the cause, and try again when it is mended';
const ANOTHER = 'load an older snapshot, or begin without one';

/** The file system refused. A CacheError passes through as it is, so that nothing is wrapped twice. */
export function diskError(
  code: 'CACHE_SAVE_ERROR' | 'CACHE_LOAD_ERROR' | 'CACHE_METRICS_SAVE_ERROR',
  doing: string,
  path: string,
  cause: unknown,
): CacheError {
  if (cause instanceof CacheError) {
    return cause;
  }
  const system = String((cause as { code?: unknown } | null)?.code ?? '');
  const next = NEXT_STEPS[system] ?? ANYTHING_ELSE;
  return new CacheError(code, `Cannot ${doing} at ${path}: ${describeThrown(cause)}. Next: ${next}`, { path, cause });
}

/** A file that cannot be loaded: `what` goes on after its path. */
export function loadError(path: string, what: string, next: string): CacheError {
  return new CacheError('CACHE_LOAD_ERROR', `The file ${path} ${what}. Next: ${next}`, { path });
}

/** Bytes are not what was written. */
export function damaged(path: string, what: string): CacheError {
  return loadError(path, `is a damaged snapshot: ${what}`, ANOTHER);
}

export function truncated(path: string): CacheError {
  return loadError(path, 'is a snapshot without its end: it was cut off, or never finished', ANOTHER);
}
