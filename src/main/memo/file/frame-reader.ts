/**
 * Reads what is new in a memo file, frame by frame, in windows. Where a frame does not check, the next one that does is looked
 * for: a frame begins with its magic, and head and body have checksums, so that what lies between was damaged, or was never
 * written to its end.
 *
 *     | frame | frame | torn fra| frame | frame | fra
 *                                               ^ offset: from here on it is read again when the file has grown
 *
 * A frame that runs past the end of the file is on its way, or it never comes and others write on behind it. So nobody waits
 * for it: what is whole behind its head counts at once, and then it was torn.
 */
import { type Files, readFully } from '../../../protocol/files.ts';
import { type FileHead, FRAME_HEAD_BYTES, FrameView, fileHeadOf, HEAD, OPENING } from './frame.ts';

const WINDOW_BYTES = 2 ** 20;
/** As much of an opening as may stand at the end of a window without being seen. */
const OPENING_REST = OPENING.length - 1;

/** A frame that checks, and where in the file it begins. It is good during the call. */
export type VisitFrame = (frame: FrameView, offset: number) => void;

export class FrameReader {
  /** Behind the last frame that was understood. */
  offset = 0;
  /** Undefined until one was met: without its seed nothing else is a frame. */
  head: FileHead | undefined;
  headAt = 0;
  /** How many pieces between frames were none, and what they take. */
  holes = 0;
  holeBytes = 0;
  /** The size of the file when it was last read. */
  size = 0;
  readonly #frame = new FrameView();
  #window = Buffer.alloc(0);

  /** Reads an open file up to its size, or to where it ends by now. */
  read(files: Files, fd: number, size: number, visit: VisitFrame): void {
    let from = this.offset;
    let needs = 0;
    while (from < size) {
      const wanted = Math.min(size - from, Math.max(WINDOW_BYTES, needs));
      if (this.#window.length < wanted) {
        this.#window = Buffer.allocUnsafe(wanted);
      }
      const count = readFully(files, fd, this.#window, wanted, from);
      const end = count < wanted ? from + count : size;
      const { next, missing } = this.#scan(this.#window.subarray(0, count), from, end, visit);
      needs = missing;
      if (from + count >= end && needs === 0) {
        break;
      }
      from += next;
    }
    // Not before: what a disk has failed to read is read again.
    this.size = size;
    if (this.#window.length > WINDOW_BYTES) {
      this.#window = Buffer.alloc(0);
    }
  }

  /** A frame that stands at the end of what was read. */
  appended(bytes: Buffer, visit: VisitFrame): void {
    const start = this.offset;
    this.#frame.take(bytes, 0);
    this.offset += bytes.length;
    this.size = this.offset;
    visit(this.#frame, start);
  }

  /**
   * Visits the frames in `bytes`, which begin at `from` of a file that ends at `end`. Answers where in the bytes to go on, and how many are
   * needed from there where that is more than a window.
   */
  #scan(bytes: Buffer, from: number, end: number, visit: VisitFrame): { next: number; missing: number } {
    const frame = this.#frame;
    let at = 0;
    for (;;) {
      at = bytes[at] === OPENING[0] ? at : bytes.indexOf(OPENING, at);
      if (at < 0) {
        return { next: Math.max(1, bytes.length - OPENING_REST), missing: 0 };
      }
      const offset = from + at;
      if (bytes.length - at < FRAME_HEAD_BYTES) {
        return { next: at, missing: end - offset < FRAME_HEAD_BYTES ? 0 : FRAME_HEAD_BYTES };
      }
      // Without a seed only a head is a frame, whose own checksum has none.
      if (!frame.readHead(bytes, at, this.head?.seed ?? 0) || (this.head === undefined && frame.kind !== HEAD)) {
        at++;
        continue;
      }
      const length = frame.byteLength;
      if (bytes.length - at < length && offset + length <= end) {
        return { next: at, missing: length };
      }
      if (bytes.length - at < length || !frame.bodyChecks()) {
        at++;
        continue;
      }
      this.#understood(offset, length);
      if (frame.kind === HEAD && this.head === undefined) {
        // Of two who begin a file at the same time the first is right.
        this.head = fileHeadOf(frame);
        this.headAt = offset;
      }
      visit(frame, offset);
      at += length;
    }
  }

  #understood(offset: number, length: number): void {
    if (offset > this.offset) {
      this.holes++;
      this.holeBytes += offset - this.offset;
    }
    this.offset = offset + length;
  }
}
