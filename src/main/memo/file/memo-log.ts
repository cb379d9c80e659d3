/**
 * A memo file as one of its many readers and writers has it open: appends, what others have appended, and where the file is when
 * another has taken its place.
 *
 *     append   one write - stat of the path: still this file, and longer by just this frame?  then it is done
 *              else read what is new: does the frame stand where it counts, in the file that the path means?  if not, again
 *
 * Nothing is locked. The order of the file is the order of what has happened, for everybody: a write with O_APPEND goes to the end as a
 * whole, however many do it. When a compaction freezes the file (rewriting.ts), what is written from then on does not count; its writers
 * wait for the new file, milliseconds, and write it there. Whoever freezes and then dies, or takes longer than its lease, is
 * overruled by a thaw.
 *
 * What it is bad at: file systems of a network, which append only for one machine at a time.
 */
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { engineError, storeError } from '../../../protocol/engines/faults.ts';
import { type Files, syncDirectory } from '../../../protocol/files.ts';
import { isAlive, nextNumber, OWN_MARK } from '../../../protocol/process-mark.ts';
import {
  type FileHead,
  FREEZE,
  type FrameView,
  fileHeadOf,
  frameOf,
  HEAD,
  headFrame,
  sealFrame,
  THAW,
} from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { openToAppend } from './open-to-append.ts';
import { SingleFrames } from './single-frames.ts';

/** How often a frame is written again because it was cut short, or the file has been replaced. */
const APPEND_TRIES_MAX = 100;
/** Between two looks at a file that is frozen, and for how long in all. Its lease ends before. */
const FROZEN_POLL_MS = 1;
const FROZEN_POLLS_MAX = 60_000;

export interface MemoLogOptions {
  readonly files: Files;
  readonly path: string;
  /** For a file that is not there yet. Its seed is drawn. */
  readonly head: Omit<FileHead, 'seed'>;
}

/** Who keeps what the frames say. */
export interface Ledger {
  /** The frames of another file follow, from its first. */
  reset(): void;
  /** `offset` is where it stands in the file. Good during the call. */
  visit(frame: FrameView, offset: number): void;
  /** Pieces of the file are no frames. */
  damaged(): void;
}

interface Freeze {
  readonly ticket: number;
  readonly mark: string;
  readonly expiresAtMs: number;
}

export class MemoLog {
  readonly path: string;
  readonly #files: Files;
  readonly #head: MemoLogOptions['head'];
  readonly #ledger: Ledger;
  readonly #frames: SingleFrames;
  readonly #wait = new Int32Array(new SharedArrayBuffer(4));
  #reader = new FrameReader();
  #fd = -1;
  #device = 0;
  #inode = 0;
  #freeze: Freeze | undefined;
  /** The frame that was just appended, and whether it was met. */
  #sought: Buffer | undefined;
  #isMet = false;
  /** Whether the name of the file survives the machine's end, too. */
  #isNameSynced = false;
  /** Of files that have been replaced. */
  #holesBefore = 0;

  /** Opens the file, makes it if there is none, and reads it. Throws ENGINE_ERROR or STORE_FOREIGN. */
  constructor({ files, path, head }: MemoLogOptions, ledger: Ledger) {
    this.#files = files;
    this.#frames = new SingleFrames(files);
    this.path = path;
    this.#head = head;
    this.#ledger = ledger;
    this.#during('open a memo file', () => this.#open());
  }

  /** What its head says. */
  get head(): FileHead {
    return this.#reader.head ?? { ...this.#head, seed: 0 };
  }

  get bytes(): number {
    return this.#reader.size;
  }

  /** How many pieces of the file were no frames. */
  get holes(): number {
    return this.#holesBefore + this.#reader.holes;
  }

  /** Reads what others have appended, or the file that has taken the place of this. */
  refresh(): void {
    this.#during('read a memo file', () => this.#refresh());
  }

  /** Returns when the frame stands where everybody reads it. Throws ENGINE_ERROR, and then it counts for nobody. */
  append(frame: Buffer): void {
    this.#during('append to a memo file', () => this.#append(frame));
  }

  /** The frame at an offset that `visit` was told; undefined where it no longer checks. Good until the next call. */
  frameAt(offset: number): FrameView | undefined {
    return this.#during('read a memo file', () =>
      this.#frames.read(this.#fd, offset, this.#reader.size, this.head.seed),
    );
  }

  /**
   * From now on nothing counts that anybody appends, until `thaw`, or until the lease is over; what stands before it has been
   * visited when this returns. Answers its ticket.
   */
  freeze(leaseMs: number): number {
    return this.#during('freeze a memo file', () => this.#freezeFor(leaseMs));
  }

  thaw(ticket: number): void {
    this.#during('thaw a memo file', () => this.#thaw(ticket));
  }

  /** Whether the path still means the file that was frozen, and nobody has overruled that. */
  isFrozen(ticket: number): boolean {
    return this.#during('look at a memo file', () => this.#refresh() && this.#freeze?.ticket === ticket);
  }

  /** Reads what others have appended to this very file, whatever the path means by now. */
  readOn(): void {
    this.#during('read a memo file', () => this.#read(this.#files.fstatSync(this.#fd).size));
  }

  /** Makes all that was appended survive the machine's end. */
  sync(): void {
    this.#during('sync a memo file', () => {
      this.#files.fsyncSync(this.#fd);
      if (!this.#isNameSynced) {
        syncDirectory(this.#files, dirname(this.path));
        this.#isNameSynced = true;
      }
    });
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) {
      this.#during('close a memo file', () => this.#files.closeSync(fd));
    }
  }

  #during<T>(doing: string, step: () => T): T {
    try {
      return step();
    } catch (cause) {
      throw engineError(doing, this.path, cause, 'filename');
    }
  }

  #open(): void {
    const { fd, stat } = openToAppend(this.#files, this.path);
    this.close();
    this.#fd = fd;
    this.#device = stat.dev;
    this.#inode = stat.ino;
    this.#isNameSynced = false;
    this.#readAnew(stat.size);
  }

  /** From its first byte. Where it is new, or cut off within its head, or that is damaged, nothing in it can be read: it gets a head. */
  #readAnew(size: number): void {
    this.#restart();
    this.#scan(size);
    for (let tries = 0; this.#reader.head === undefined; tries++) {
      if (tries === APPEND_TRIES_MAX) {
        throw this.#cutShort();
      }
      const head = { ...this.#head, seed: randomBytes(4).readUInt32LE() };
      this.#write(headFrame(head, Date.now()));
      this.#restart();
      this.#scan(this.#files.fstatSync(this.#fd).size);
    }
  }

  #restart(): void {
    this.#holesBefore += this.#reader.holes;
    this.#reader = new FrameReader();
    this.#freeze = undefined;
    this.#isMet = false;
    this.#ledger.reset();
  }

  /** Whether the path still meant this file. */
  #refresh(): boolean {
    const stat = this.#files.statSync(this.path, { throwIfNoEntry: false });
    if (stat === undefined || stat.ino !== this.#inode || stat.dev !== this.#device) {
      this.#open();
      return false;
    }
    this.#read(stat.size);
    return true;
  }

  /** What is new, or all of it where somebody has cut it off: then all places may be others, and what was written to them since as well. */
  #read(size: number): void {
    const reader = this.#reader;
    if (size === reader.size) {
      return;
    }
    const { holes } = reader;
    const isCutOff = size < reader.offset;
    if (!isCutOff) this.#scan(size);
    if (isCutOff || (reader.holes > holes && !this.#hasItsHead())) {
      this.#readAnew(size);
    }
  }

  #scan(size: number): void {
    const reader = this.#reader;
    const { holes } = reader;
    reader.read(this.#files, this.#fd, size, this.#visit);
    if (reader.holes > holes) {
      this.#ledger.damaged();
    }
  }

  #hasItsHead(): boolean {
    const { head, headAt, size } = this.#reader;
    const frame = this.#frames.read(this.#fd, headAt, size, 0);
    return frame?.kind === HEAD && fileHeadOf(frame).seed === head?.seed;
  }

  readonly #visit = (frame: FrameView, offset: number): void => {
    if (this.#freeze !== undefined) {
      if (frame.kind === THAW && frame.ticket === this.#freeze.ticket) {
        this.#freeze = undefined;
      }
      return;
    }
    if (frame.kind === FREEZE) {
      const { ticket, payload, expiresAtMs } = frame;
      this.#freeze = { ticket, mark: payload.toString('latin1'), expiresAtMs };
      return;
    }
    if (this.#sought?.length === frame.byteLength && frame.whole.equals(this.#sought)) {
      this.#isMet = true;
    }
    this.#ledger.visit(frame, offset);
  };

  #append(frame: Buffer): void {
    for (let tries = 0; tries < APPEND_TRIES_MAX; tries++) {
      this.#awaitThaw();
      sealFrame(frame, this.head.seed);
      if (!this.#write(frame)) {
        continue;
      }
      const stat = this.#files.statSync(this.path, { throwIfNoEntry: false });
      const isSame = stat !== undefined && stat.ino === this.#inode && stat.dev === this.#device;
      const { offset, size } = this.#reader;
      if (isSame && size === offset && stat.size === offset + frame.length) {
        this.#reader.appended(frame, this.#visit);
        return;
      }
      this.#sought = frame;
      this.#isMet = false;
      this.readOn();
      const counts = this.#isMet;
      this.#sought = undefined;
      // What stands before a freeze is in the file that has taken the place of this one, too.
      const isCarried = counts && this.#freeze !== undefined;
      if (!isSame) {
        this.#open();
      }
      if (isCarried || (counts && isSame)) {
        return;
      }
    }
    throw this.#cutShort();
  }

  /** Whether it was written to its end. A piece is garbage that readers pass over. */
  #write(frame: Buffer): boolean {
    return this.#files.writeSync(this.#fd, frame, 0, frame.length, null) === frame.length;
  }

  #awaitThaw(): void {
    for (let polls = 0; this.#freeze !== undefined; polls++) {
      if (!this.#refresh()) {
        continue;
      }
      const freeze = this.#freeze;
      if (freeze === undefined) {
        return;
      }
      if (Date.now() >= freeze.expiresAtMs || !isAlive(freeze.mark)) {
        this.#thaw(freeze.ticket);
      } else if (polls === FROZEN_POLLS_MAX) {
        throw storeError('LOCKED', this.path, `The memo file ${this.path} is being compacted: try again later`);
      } else {
        Atomics.wait(this.#wait, 0, 0, FROZEN_POLL_MS);
      }
    }
  }

  #freezeFor(leaseMs: number): number {
    const ticket = nextNumber();
    for (let tries = 0; tries < APPEND_TRIES_MAX; tries++) {
      this.#awaitThaw();
      const createdAtMs = Date.now();
      const payload = Buffer.from(OWN_MARK, 'latin1');
      const frame = frameOf({ kind: FREEZE, payload, ticket, createdAtMs, expiresAtMs: createdAtMs + leaseMs });
      sealFrame(frame, this.head.seed);
      this.#write(frame);
      this.readOn();
      if (this.#freeze?.ticket === ticket) {
        return ticket;
      }
    }
    throw this.#cutShort();
  }

  #thaw(ticket: number): void {
    const frame = frameOf({ kind: THAW, ticket, createdAtMs: Date.now() });
    sealFrame(frame, this.head.seed);
    for (let tries = 0; tries < APPEND_TRIES_MAX && !this.#write(frame); tries++) {
      // A piece of it is garbage like any other.
    }
    this.readOn();
  }

  #cutShort(): Error {
    const message = `Cannot append to the memo file ${this.path}: ${APPEND_TRIES_MAX} writes in a row were cut short, or the file was replaced after each. Next: make room on the disk, or see who replaces it`;
    return storeError('ENGINE_ERROR', this.path, message);
  }
}
