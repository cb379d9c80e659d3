/**
 * Locks of single keys between the processes and threads that share a store of the engine 'file', for as long as an update takes.
 * They work as the lock of a directory does (lock.ts), in one directory for all keys, which so has as many files as updates are
 * under way:
 *
 *     locks/NAME.OWNER-n.MARK      NAME: of the entry; OWNER: of this module's instance, since threads have the same MARK
 *
 *     1. make a file of a name that nobody else ever makes
 *     2. list the directory; remove those for the same entry whose process has ended
 *     3. no other left: it is ours.  Another left: remove our own, wait, try again
 *
 * Between two who want it chance decides, so it is not fair: with many who update one key all the time, one of them may be BUSY.
 */
import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CacheError } from '../../errors.ts';
import { discard, type Files } from '../../files.ts';
import { isAlive, OWN_MARK, partsOfMark } from '../../process-mark.ts';
import { attempt } from '../faults.ts';

/** Of this module in this thread: also what is being written has it in its name. */
export const OWNER = randomBytes(6).toString('hex');
/** About 5 s in all, of pauses around 1 ms at first and 20 ms later. */
const TRIES_MAX = 260;
const PAUSE_MS = 1;
const PAUSE_MS_MAX = 20;
/** What earlier processes may have left is removed at an opening, and at the next what is left then. */
const SWEEP_MAX = 10_000;
const PATTERN = /^([0-9a-f]{64})\.([0-9a-f]{12})-\d+\.([0-9a-f]{8}-\d+-\d+)$/;

/** The locks that this thread holds, or is trying to get. */
const held = new Set<string>();
let locks = 0;

export class FileLocks {
  readonly #files: Files;
  readonly #directory: string;

  constructor(files: Files, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  /** Runs a step under the lock of an entry. Rejects with BUSY where others do not let go of it. */
  async during<T>(name: string, step: () => T | Promise<T>): Promise<T> {
    const release = await this.#take(name);
    try {
      return await step();
    } finally {
      release();
    }
  }

  /** Removes the locks of those who have ended. */
  sweep(): void {
    for (const lock of this.#list().slice(0, SWEEP_MAX)) {
      const mark = PATTERN.exec(lock)?.[3];
      if (mark !== undefined && !isAlive(mark)) discard(this.#files, join(this.#directory, lock));
    }
  }

  async #take(name: string): Promise<() => void> {
    for (let tries = 1; ; tries++) {
      const own = `${name}.${OWNER}-${locks++}.${OWN_MARK}`;
      const path = join(this.#directory, own);
      const release = () => {
        held.delete(own);
        // Where it stays it is known not to be held: whoever in this thread sees it next removes it.
        discard(this.#files, path);
      };
      held.add(own);
      let other: string | undefined;
      try {
        attempt('lock an entry', path, () => this.#files.closeSync(this.#files.openSync(path, 'wx')));
        other = this.#livingLock(name, own);
      } catch (error) {
        release();
        throw error;
      }
      if (other === undefined) {
        return release;
      }
      release();
      if (tries === TRIES_MAX) {
        throw busy(join(this.#directory, other));
      }
      // Not the same time for all who step back.
      await pause(Math.min(PAUSE_MS_MAX, PAUSE_MS * tries) * (0.5 + Math.random()));
    }
  }

  #livingLock(name: string, own: string): string | undefined {
    return this.#list().find((lock) => {
      if (lock === own || !lock.startsWith(name)) {
        return false;
      }
      const [, , owner, mark] = PATTERN.exec(lock) ?? [];
      if (mark === undefined) {
        return false;
      }
      if (owner === OWNER ? held.has(lock) : isAlive(mark)) {
        return true;
      }
      attempt('remove the lock of a process that has ended', join(this.#directory, lock), () =>
        this.#files.rmSync(join(this.#directory, lock), { force: true }),
      );
      return false;
    });
  }

  #list(): string[] {
    return attempt('look for locks', this.#directory, () => this.#files.readdirSync(this.#directory)) as string[];
  }
}

function busy(path: string): CacheError {
  const { isHere, pid } = partsOfMark(PATTERN.exec(basename(path))?.[3] ?? '') ?? {};
  const holder = isHere ? `process ${pid} goes on updating it` : `process ${pid} of another machine has it`;
  const next = isHere ? 'try again' : `try again, or, if that machine is gone, remove ${path}`;
  return new CacheError('BUSY', `An entry cannot be updated, since ${holder}: ${next}`, { path });
}
