/**
 * A directory that snapshots are saved in: one process at a time, and swept of what processes that have ended left unfinished.
 *
 * Savers of one thread share one lock: each writes under a name of its own, so they need not wait for each other. What another
 * thread or process holds is LOCKED.
 */
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { holderOf, isDeadLock, isOwnLock, lockDirectory } from '../../protocol/engines/lock.ts';
import { CacheError } from '../../protocol/errors.ts';
import { type Files, isLeftover } from '../../protocol/files.ts';

interface Lock {
  users: number;
  /** The last of them to come has found it there, or taken it. */
  taken: Promise<void>;
  /** Gives it back. */
  release: (() => void) | undefined;
}

/** Those that this thread holds, by directory, whatever links lead to it. */
const held = new Map<string, Lock>();

/** Makes the directory if need be and takes its lock, or a part in it; what is returned gives that back. */
export async function useDirectory(files: Files, place: string): Promise<() => void> {
  files.mkdirSync(place, { recursive: true });
  const directory = realpathSync(place);
  const lock: Lock = held.get(directory) ?? { users: 0, taken: Promise.resolve(), release: undefined };
  held.set(directory, lock);
  lock.users++;
  const look = () => take(files, directory, lock);
  lock.taken = lock.taken.then(look, look);
  try {
    await lock.taken;
    return () => leave(directory, lock);
  } catch (error) {
    leave(directory, lock);
    throw asLocked(files, place, error);
  }
}

/** Somebody may have removed the directory, and the lock with it. */
async function take(files: Files, directory: string, lock: Lock): Promise<void> {
  if (lock.release === undefined || !(files.readdirSync(directory) as string[]).some(isOwnLock)) {
    lock.release = undefined;
    lock.release = await lockDirectory(files, directory);
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

function leave(directory: string, lock: Lock): void {
  lock.users--;
  if (lock.users === 0) {
    held.delete(directory);
    lock.release?.();
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
