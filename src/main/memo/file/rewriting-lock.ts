/** One rewriting of a memo file at a time, in whatever process: the lock of a directory beside it, PATH.lock, that is there for that alone. */
import { engineError } from '../../../protocol/engines/faults.ts';
import { lockDirectory } from '../../../protocol/engines/lock.ts';
import { CacheError } from '../../../protocol/errors.ts';
import type { Files } from '../../../protocol/files.ts';

/** How often the directory may be removed by who has just finished, before the lock is in it. */
const TRIES_MAX = 8;

/** Resolves to what gives it back. Rejects with LOCKED or ENGINE_ERROR. */
export async function lockRewriting(files: Files, path: string): Promise<() => void> {
  const directory = `${path}.lock`;
  for (let tries = 1; ; tries++) {
    try {
      files.mkdirSync(directory, { recursive: true });
      const unlock = await lockDirectory(files, directory);
      return () => {
        unlock();
        removeEmpty(files, directory);
      };
    } catch (error) {
      if (error instanceof CacheError && error.code === 'LOCKED') {
        const message = `The memo file ${path} is being rewritten already: try again later`;
        throw new CacheError('LOCKED', message, { path, cause: error });
      }
      if (tries === TRIES_MAX || codeOf(error) !== 'ENOENT') {
        throw engineError('lock a memo file', directory, error, 'filename');
      }
    }
  }
}

function removeEmpty(files: Files, directory: string): void {
  try {
    files.rmdirSync(directory);
  } catch {
    // Another has it by now, or it is removed with the next rewriting.
  }
}

/** Of the system, in whatever error it came. */
function codeOf(error: unknown): unknown {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return cause?.code ?? code;
}
