/**
 * A directory that snapshots are saved in: one process at a time, and swept of what processes that have ended left unfinished.
 *
 * Savers of one thread share one lock: each writes under a name of its own, so they need not wait for each other. What another
 * thread or process holds is LOCKED.
 */
import { join } from 'node:path';
import { holderOf, isDeadLock, lockDirectory } from '../../protocol/engines/lock.ts';
import { CacheError } from '../../protocol/errors.ts';
import { type Files, isLeftover } from '../../protocol/files.ts';

interface Lock {
  users: number;
  /** Gives it back. */
  readonly release: Promise<() => void>;
}

/** Those that this thread holds, by directory. */
const held = new Map<string, Lock>();

/** Makes the directory if need be and takes its lock, or a part in it; what is returned gives that back. */
export async function useDirectory(files: Files, directory: string): Promise<() => void> {
  files.mkdirSync(directory, { recursive: true });
  const lock = held.get(directory) ?? { users: 0, release: lockDirectory(files, directory) };
  held.set(directory, lock);
  lock.users++;
  try {
    const release = await lock.release;
    return () => leave(directory, lock, release);
  } catch (error) {
    leave(directory, lock, () => {});
    throw asLocked(files, directory, error);
  }
}

/** Removes what nobody will finish. */
export function sweepDirectory(files: Files, directory: string): void {
  let names: string[];
  try {
    names = files.readdirSync(directory) as string[];
  } catch {
    // A file may be read where nobody may look what else there is; where there is no directory, whoever wants the file is told.
    return;
  }
  for (const name of names) {
    if (isLeftover(name) || isDeadLock(name)) {
      try {
        files.unlinkSync(join(directory, name));
      } catch {
        // Somebody else has removed it, or nobody may: it is in nobody's way, and the next sweep tries again.
      }
    }
  }
}

function leave(directory: string, lock: Lock, release: () => void): void {
  lock.users--;
  if (lock.users === 0) {
    if (held.get(directory) === lock) held.delete(directory);
    release();
  }
}

/** LOCKED in the words of a snapshot: who holds the directory, and what to do. */
function asLocked(files: Files, directory: string, error: unknown): unknown {
  if (!(error instanceof CacheError && error.code === 'LOCKED')) {
    return error instanceof CacheError && error.code === 'ENGINE_ERROR' ? (error.cause ?? error) : error;
  }
  const holder = holderOf(files, directory);
  const who =
    holder === undefined || !holder.isHere
      ? 'another process'
      : holder.pid === process.pid
        ? 'another thread of this process'
        : `process ${holder.pid}`;
  const message =
    `The directory ${directory} is in use: ${who} saves there, now or, with \`autosave\`, as long as its cache is open. ` +
    'Next: give this cache a `storage.dir` of its own, or close the other one';
  return new CacheError('LOCKED', message, { path: directory, cause: error });
}
