/**
 * One opener at a time for a directory, without a call that Node has not got (flock). Whoever wants it puts a file there
 * whose name says who it is, and then looks who else has one:
 *
 *     1. make .lock.MARK-n, a name that no other process, thread or call ever makes
 *     2. list the directory; remove the locks of processes that have ended
 *     3. no other left: it is ours.  Another left: remove our own and try again a little later, LOCK_TRIES times
 *
 * Of two that come at once at least one sees the other, since each looks after it has written: both may step back, but never do
 * both go on. Removing a dead one's lock is safe at any time, since its name is never used again. A lock from another machine
 * counts as alive: there is no way to know (see process-mark.ts).
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Files } from '../files.ts';
import { isAlive, type MarkParts, nextNumber, OWN_MARK, partsOfMark } from '../process-mark.ts';
import type { Place } from './engine.ts';
import { attempt, storeError } from './faults.ts';

const LOCK_TRIES = 8;
const PAUSE_MS = 12;
const PATTERN = /^\.lock\.([0-9a-f]{8}-\d+-\d+)-\d+$/;
/** Given back, but not removed from the disk, which has failed: whoever in this thread sees them next removes them. */
const given = new Set<string>();

/** Whether a file of that name is a lock, which no engine counts among its own. */
export function isLockName(name: string): boolean {
  return PATTERN.test(name);
}

/** Whether it is the lock of this process, in whichever of its threads. */
export function isOwnLock(name: string): boolean {
  return PATTERN.exec(name)?.[1] === OWN_MARK;
}

/** Whether it is the lock of a process that has ended: whoever sees it may remove it. */
export function isDeadLock(name: string): boolean {
  const mark = PATTERN.exec(name)?.[1];
  return mark !== undefined && !isAlive(mark);
}

/** The lock of an engine's directory, unless the caller has taken it: then there is nothing to give back. */
export async function lockPlace({ files, directory, isLocked }: Place): Promise<() => void> {
  return isLocked === true ? () => {} : lockDirectory(files, directory);
}

/** Takes the lock of a directory; what is returned gives it back. Rejects with LOCKED, or ENGINE_ERROR. */
export async function lockDirectory(files: Files, directory: string): Promise<() => void> {
  for (let tries = LOCK_TRIES; ; tries--) {
    const own = `.lock.${OWN_MARK}-${nextNumber()}`;
    const release = () => {
      given.add(own);
      attempt('remove a lock', join(directory, own), () => remove(files, join(directory, own)));
      given.delete(own);
    };
    attempt('make a lock', join(directory, own), () => files.closeSync(files.openSync(join(directory, own), 'wx')));
    let other: string | undefined;
    try {
      other = livingLock(files, directory, own);
    } catch (error) {
      release();
      throw error;
    }
    if (other === undefined) {
      return release;
    }
    release();
    if (tries === 1) {
      throw locked(directory, other);
    }
    // Not the same time for all who step back.
    await pause(PAUSE_MS * (0.5 + Math.random()));
  }
}

/** What somebody has removed already, with the whole directory perhaps, is given back. */
function remove(files: Files, path: string): void {
  try {
    files.unlinkSync(path);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
  }
}

/** The lock of somebody else that lives. Those of the dead are removed. */
function livingLock(files: Files, directory: string, own: string): string | undefined {
  const names = attempt('look for locks', directory, () => files.readdirSync(directory)) as string[];
  return names.find((name) => {
    const mark = PATTERN.exec(name)?.[1];
    if (mark === undefined || name === own) {
      return false;
    }
    if (isAlive(mark) && !given.has(name)) {
      return true;
    }
    attempt('remove the lock of a process that has ended', join(directory, name), () =>
      files.rmSync(join(directory, name), { force: true }),
    );
    given.delete(name);
    return false;
  });
}

/** Who has a directory open, without a change of anything: undefined for nobody that lives. */
export function holderOf(files: Files, directory: string): MarkParts | undefined {
  const names = attempt('look for locks', directory, () => files.readdirSync(directory)) as string[];
  const marks = names.map((name) => PATTERN.exec(name)?.[1]).filter((mark) => mark !== undefined);
  return marks.filter(isAlive).map(partsOfMark)[0];
}

function locked(directory: string, name: string) {
  const { isHere, pid } = partsOfMark(PATTERN.exec(name)?.[1] as string) ?? { isHere: false, pid: 0 };
  const holder = isHere
    ? pid === process.pid
      ? 'this process has it open already: use that store, or close it first (a thread that was ended with it open holds it as long as the process)'
      : `process ${pid} has it open: close it there, or choose an engine that processes may share (file, lmdb, sqlite, redis)`
    : `process ${pid} of another machine has it open: close it there, or, if that machine is gone, remove ${join(directory, name)}`;
  return storeError('LOCKED', directory, `The store at ${directory} is in use: ${holder}`);
}
