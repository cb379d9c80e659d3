/**
 * Makes writes survive the end of the machine, many at a time: one fdatasync serves all that was written before it began,
 * and whoever writes while it runs waits for the next.
 *
 *     write 1, 2, 3    4, 5, 6, 7
 *     |---- sync ---->|---- sync ---->
 *                     1, 2, 3 are      4 to 7 are
 *
 * A sync that fails is never tried again: the kernel may have dropped the pages it could not write, and answer that all is
 * well the next time. Everyone who waits is rejected, and nothing is written any more until the log is opened again, which
 * reads what is really there.
 */
import { type Files, syncDirectory } from '../../files.ts';
import { attempt, engineError } from '../faults.ts';
import type { Segment, SegmentFiles } from './segment.ts';

export class LogCommits {
  readonly #files: Files;
  readonly #directory: string;
  readonly #open: SegmentFiles;
  readonly #dirty = new Set<Segment>();
  #isDirectoryDirty = false;
  /** No longer dirty, and not on the medium yet. */
  #syncing: Segment | undefined;
  /** The sync that runs, or the last that did. It never rejects. */
  #running: Promise<unknown> = Promise.resolve();
  /** The one after it, where somebody waits for it. */
  #next: Promise<void> | undefined;
  #fault: Error | undefined;

  constructor(files: Files, directory: string, open: SegmentFiles) {
    this.#files = files;
    this.#directory = directory;
    this.#open = open;
  }

  /** Throws what a sync has failed with. */
  check(): void {
    if (this.#fault !== undefined) {
      throw this.#fault;
    }
  }

  written(segment: Segment): void {
    if (segment.isSynced) {
      segment.isSynced = false;
      this.#dirty.add(segment);
    }
  }

  /** Names in the directory have changed. */
  named(): void {
    this.#isDirectoryDirty = true;
  }

  forget(segment: Segment): void {
    this.#dirty.delete(segment);
  }

  /** Resolves when all that is written by now survives the machine's end. */
  commit(): Promise<void> {
    this.#next ??= this.#afterThat();
    return this.#next;
  }

  /** The same at once, for those who cannot wait. */
  commitNow(): void {
    this.check();
    for (const segment of new Set([...this.#dirty, ...(this.#syncing === undefined ? [] : [this.#syncing])])) {
      const fd = this.#open.of(segment);
      try {
        this.#files.fsyncSync(fd);
      } catch (cause) {
        throw this.#fail(segment.path, cause);
      }
      this.#dirty.delete(segment);
      segment.isSynced = true;
    }
    try {
      syncDirectory(this.#files, this.#directory);
      this.#isDirectoryDirty = false;
    } catch (cause) {
      throw this.#fail(this.#directory, cause);
    }
  }

  async #afterThat(): Promise<void> {
    await this.#running;
    // It begins: whoever writes from here on waits for another.
    this.#next = undefined;
    const run = this.#run();
    this.#running = run.catch(() => 'those who wait for it are told');
    await run;
  }

  async #run(): Promise<void> {
    this.check();
    for (const segment of Array.from(this.#dirty)) {
      if (segment.isRetired) {
        // Removed while another one was synced.
        continue;
      }
      // First, since it may fail (too many open files) without harm: the segment is still dirty then.
      const fd = this.#open.of(segment);
      this.#dirty.delete(segment);
      segment.isSynced = true;
      segment.pins++;
      this.#syncing = segment;
      try {
        await this.#files.fdatasync(fd);
      } catch (cause) {
        throw this.#fail(segment.path, cause);
      } finally {
        this.#syncing = undefined;
        this.#open.unpin(segment);
      }
    }
    await this.#syncNames();
  }

  /** Away from the thread: after 64 MiB were written, the sync of a directory has taken 200 ms. */
  async #syncNames(): Promise<void> {
    // Windows has no such call, and needs none.
    if (!this.#isDirectoryDirty || process.platform === 'win32') {
      return;
    }
    const fd = attempt('open the directory', this.#directory, () => this.#files.openSync(this.#directory, 'r'));
    this.#isDirectoryDirty = false;
    try {
      await this.#files.fsync(fd);
    } catch (cause) {
      throw this.#fail(this.#directory, cause);
    } finally {
      this.#files.closeSync(fd);
    }
  }

  #fail(path: string, cause: unknown): Error {
    const doing = 'make the log survive the end of the machine (nothing is written until it is opened again)';
    this.#fault = engineError(doing, path, cause);
    return this.#fault;
  }
}
