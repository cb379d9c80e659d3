/** Reads single frames of a memo file, by where they stand: in one call, unless they are longer than a page. */
import { type Files, readFully } from '../../../protocol/files.ts';
import { FRAME_HEAD_BYTES, FrameView } from './frame.ts';

/** What is read at first: as much as costs no more than the call. */
const FRAME_READ_BYTES = 4_096;

export class SingleFrames {
  readonly #files: Files;
  readonly #frame = new FrameView();
  readonly #scratch = Buffer.allocUnsafe(FRAME_READ_BYTES);

  constructor(files: Files) {
    this.#files = files;
  }

  /** The frame at an offset of a file of `size` bytes; undefined where none checks. Good until the next call. */
  read(fd: number, offset: number, size: number, seed: number): FrameView | undefined {
    const length = Math.min(FRAME_READ_BYTES, size - offset);
    const count = length < FRAME_HEAD_BYTES ? 0 : readFully(this.#files, fd, this.#scratch, length, offset);
    const frame = this.#frame;
    if (count < FRAME_HEAD_BYTES || !frame.readHead(this.#scratch, 0, seed)) {
      return undefined;
    }
    const { byteLength } = frame;
    if (byteLength > count) {
      const whole = Buffer.allocUnsafe(byteLength);
      if (readFully(this.#files, fd, whole, byteLength, offset) < byteLength) {
        return undefined;
      }
      frame.take(whole, 0);
    }
    return frame.bodyChecks() ? frame : undefined;
  }
}
