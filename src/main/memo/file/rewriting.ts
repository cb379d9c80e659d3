/**
 * A memo file is written anew, while any number of processes go on reading it and appending to it:
 *
 *     1. lock                 one rewriting at a time: PATH.lock/ (lock.ts)
 *     2. copy                 what lives, to a temporary file in the same directory, in slices
 *     3. follow               what was appended meanwhile, until that is little
 *     4. freeze               from here on what others append does not count: they see that, and wait
 *     5. last frames, sync, rename
 *     6. the others find another file at the path, and append to that
 *
 * Between freeze and rename this thread does nothing else: a few milliseconds. Whoever fails there thaws the file again; whoever
 * dies there, or takes longer than the lease, is overruled by those who wait, and the old file goes on. Should a renaming come after
 * that, from a process that was stopped or a disk that hangs, what the others have appended by then is appended to the new file, too. So
 * there is one order of all that has happened, and nothing that was acknowledged is ever missing, whoever ends when.
 */
import { basename, dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { engineError, storeError } from '../../../protocol/engines/faults.ts';
import { discard, type Files, isLeftover, syncDirectory, temporaryFor, writeWhole } from '../../../protocol/files.ts';
import { backupOf } from './backup.ts';
import { ClaimTable } from './claim-table.ts';
import { CLEAR, DELETE, type FileHead, FrameView, headFrame, RESULT } from './frame.ts';
import { type Ledger, MemoLog } from './memo-log.ts';
import { replay } from './replay.ts';
import { MemoResults } from './results.ts';
import { lockRewriting } from './rewriting-lock.ts';

/** Who has not renamed by then may be overruled. */
const FREEZE_LEASE_MS = 10_000;
/** Who has not by then gives up, so that nobody overrules one who goes on. */
const FREEZE_MS_MAX = FREEZE_LEASE_MS / 2;
/** Bytes that are written at a time, and between two turns of the thread. */
const CHUNK_BYTES = 256 * 1024;
/** How often what is new is followed before the file is frozen whatever is left, and what is little. */
const FOLLOWS_MAX = 16;
const LITTLE_BYTES = 64 * 1024;
const LEFTOVERS_MAX = 1_000;

/** Of a file that is empty, or damaged at its begin. */
const NO_HEAD = { name: '', serializer: 'msgpack' };

/** What becomes of frames. */
export interface Rewriter {
  /** The whole of a frame of the new file, undefined for none. */
  rewrite(frame: FrameView, head: FileHead): Buffer | undefined;
}

export interface Rewritten {
  /** Results that are in the file now. */
  readonly entries: number;
  /** Results that were replaced, deleted, expired or damaged, or that the rewriter has left out. */
  readonly dropped: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface RewriteOptions {
  readonly files: Files;
  readonly path: string;
  /** Whether the old file is kept as PATH.bak until all is done. */
  readonly backup: boolean;
  /** Whether it is removed as well where it is not done. */
  readonly removeBackupOnFailure: boolean;
  readonly rewriterOf: (head: FileHead) => Rewriter;
}

/** Rejects with ENGINE_ERROR, STORE_FOREIGN, LOCKED, or what the rewriter throws: then the file is as it was. */
export async function rewriteMemoFile(options: RewriteOptions): Promise<Rewritten> {
  const { files } = options;
  // Where the path is a symbolic link the file that it means is replaced, and not the link.
  const path = attempt(options.path, () => files.realpathSync(options.path));
  const unlock = await lockRewriting(files, path);
  try {
    sweep(files, path);
    const rewriting = new Rewriting({ ...options, path });
    let backup: string | undefined;
    let isDone = false;
    try {
      const rewritten = await rewriting.run(() => {
        if (options.backup) backup = backupOf(files, path);
      });
      isDone = true;
      return rewritten;
    } finally {
      if (backup !== undefined && (isDone || options.removeBackupOnFailure)) {
        discard(files, backup);
      }
    }
  } finally {
    unlock();
  }
}

class Rewriting implements Ledger {
  readonly #files: Files;
  readonly #path: string;
  readonly #log: MemoLog;
  readonly #rewriter: Rewriter;
  readonly #temporary: string;
  readonly #fd: number;
  readonly #results = new MemoResults();
  readonly #claims = new ClaimTable();
  /** Of the new file: those it has so far. */
  readonly #written = new MemoResults();
  readonly #view = new FrameView();
  #chunk: Buffer[] = [];
  #chunkBytes = 0;
  #bytesAfter = 0;
  #resultFrames = 0;
  #isFollowing = false;

  constructor({ files, path, rewriterOf }: RewriteOptions) {
    this.#files = files;
    this.#path = path;
    this.#log = new MemoLog({ files, path, head: NO_HEAD }, this);
    this.#temporary = temporaryFor(path);
    try {
      this.#rewriter = rewriterOf(this.#log.head);
      // Readable by nobody else until it has the rights of the old file.
      this.#fd = attempt(path, () => files.openSync(this.#temporary, 'wx', 0o600));
    } catch (error) {
      this.#log.close();
      throw error;
    }
  }

  /** `prepare` is called first: the file is known to be a memo's. */
  async run(prepare: () => void): Promise<Rewritten> {
    let isOpen = true;
    const closeTemporary = () => {
      if (isOpen) {
        isOpen = false;
        this.#files.closeSync(this.#fd);
      }
    };
    try {
      prepare();
      this.#keepRights();
      await this.#copy();
      await this.#follow();
      const bytesBefore = this.#replace(closeTemporary);
      const entries = this.#written.size;
      const dropped = this.#resultFrames + this.#log.holes - entries;
      return { entries, dropped, bytesBefore, bytesAfter: this.#bytesAfter };
    } catch (error) {
      discard(this.#files, this.#temporary);
      throw engineError('rewrite a memo file', this.#path, error, 'filename');
    } finally {
      closeTemporary();
      this.#log.close();
    }
  }

  reset(): void {
    if (this.#isFollowing) {
      throw storeError(
        'ENGINE_ERROR',
        this.#path,
        `${this.#path} was replaced or cut off while it was rewritten: see by whom, and try again`,
      );
    }
    this.#results.clear();
    this.#claims.clear();
    this.#resultFrames = 0;
  }

  visit(frame: FrameView, offset: number): void {
    if (frame.kind === RESULT) {
      this.#resultFrames++;
    }
    if (this.#isFollowing) {
      this.#put(frame);
      return;
    }
    replay(frame, offset, this.#results, this.#claims);
  }

  damaged(): void {}

  /** Who may read and write the old file may read and write the new one. */
  #keepRights(): void {
    const { mode, uid, gid } = this.#files.statSync(this.#path);
    const own = this.#files.fstatSync(this.#fd);
    try {
      if (own.uid !== uid || own.gid !== gid) this.#files.fchownSync(this.#fd, uid, gid);
      if (own.mode !== mode) this.#files.fchmodSync(this.#fd, mode & 0o777);
    } catch (error) {
      // Only the superuser gives files away.
      throw storeError(
        'ENGINE_ERROR',
        this.#path,
        `${this.#path} belongs to user ${uid} and group ${gid}, whom the new file cannot be given to: ${(error as Error).message}. Next: compact it as that user`,
      );
    }
  }

  /** What lives, in the order of the file: results before claims, which none of them may end. */
  async #copy(): Promise<void> {
    this.#write(headFrame(this.#log.head, Date.now()));
    const nowMs = Date.now();
    const places = [...this.#results.places.sort(inOrder), ...this.#claims.placesOfLiving(nowMs).sort(inOrder)];
    this.#isFollowing = true;
    for (const place of places) {
      const frame = this.#log.frameAt(place);
      if (frame !== undefined) {
        this.#put(frame);
      }
      if (this.#chunkBytes >= CHUNK_BYTES) {
        this.#flush();
        await turn();
      }
    }
  }

  async #follow(): Promise<void> {
    for (let follows = 0; follows < FOLLOWS_MAX; follows++) {
      const before = this.#log.bytes;
      this.#log.refresh();
      this.#flush();
      if (this.#log.bytes - before <= LITTLE_BYTES) {
        break;
      }
      await turn();
    }
    await this.#files.fsync(this.#fd);
  }

  /** Answers how long the old file was. Nothing else is done meanwhile by this thread. */
  #replace(closeTemporary: () => void): number {
    const bytesBefore = this.#log.bytes;
    const ticket = this.#log.freeze(FREEZE_LEASE_MS);
    const end = Date.now() + FREEZE_MS_MAX;
    try {
      this.#flush();
      this.#files.fsyncSync(this.#fd);
      // Windows renames nothing that is open.
      closeTemporary();
      if (Date.now() > end || !this.#log.isFrozen(ticket)) {
        throw storeError(
          'ENGINE_ERROR',
          this.#path,
          `The disk took more than ${FREEZE_MS_MAX} ms for the end of a memo file: others wait for it. Next: try again`,
        );
      }
      this.#files.renameSync(this.#temporary, this.#path);
    } catch (error) {
      this.#log.thaw(ticket);
      throw error;
    }
    this.#carryOn();
    syncDirectory(this.#files, dirname(this.#path));
    return bytesBefore;
  }

  /** Where the renaming has outlasted the lease others have gone on in the old file: what they have stored there belongs to the new one. */
  #carryOn(): void {
    this.#log.readOn();
    if (this.#chunk.length === 0) {
      return;
    }
    const ledger = { reset() {}, visit() {}, damaged() {} };
    const log = new MemoLog({ files: this.#files, path: this.#path, head: this.#log.head }, ledger);
    for (const frame of this.#chunk) log.append(frame);
    log.close();
  }

  #put(frame: FrameView): void {
    const bytes = this.#rewriter.rewrite(frame, this.#log.head);
    if (bytes === undefined) {
      return;
    }
    const view = this.#view;
    view.take(bytes, 0);
    switch (view.kind) {
      case RESULT:
        this.#written.add(view.key, view, 0);
        break;
      case DELETE:
        this.#written.remove(view.key);
        break;
      case CLEAR:
        this.#written.clear();
        break;
    }
    this.#write(bytes);
  }

  #write(bytes: Buffer): void {
    this.#chunk.push(Buffer.from(bytes));
    this.#chunkBytes += bytes.length;
    this.#bytesAfter += bytes.length;
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#chunk, this.#chunkBytes);
    this.#chunk = [];
    this.#chunkBytes = 0;
    writeWhole(this.#files, this.#fd, bytes);
  }
}

const inOrder = (one: number, other: number) => one - other;

/** What rewritings that have ended have left. */
function sweep(files: Files, path: string): void {
  const directory = dirname(path);
  const names = attempt(path, () => files.readdirSync(directory)) as string[];
  const begin = `.${basename(path)}.`;
  for (const name of names.filter((one) => one.startsWith(begin) && isLeftover(one)).slice(0, LEFTOVERS_MAX)) {
    discard(files, join(directory, name));
  }
}

function attempt<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw engineError('rewrite a memo file', path, cause, 'filename');
  }
}
