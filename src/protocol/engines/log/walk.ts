/**
 * Reads a segment from its begin to its end in windows, so that a log of gigabytes takes a megabyte to open. The reads are
 * made away from the thread, which has a turn between two windows.
 *
 * Where a frame does not check, the walk ends; or, for those who want all that is whole (verify, repair), it goes on at the
 * next head that checks. A head says where it stands, so that no frame within a damaged value is taken for one.
 */
import type { Files } from '../../files.ts';
import { FRAME_HEAD_BYTES, FrameView, type Stop, scanFrames, type VisitFrame } from './frame.ts';
import { SEGMENT_HEAD_BYTES } from './segment.ts';

const WINDOW_BYTES = 2 ** 20;

/** What is walked: `size` bytes of an open file. */
export interface Walked {
  readonly files: Files;
  readonly fd: number;
  readonly size: number;
  readonly seed: number;
}

/** Bytes from `from` to `to` that are no frame. */
export interface Hole {
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** Visits all frames up to the first that does not check. */
export async function walkSegment(walked: Walked, visit: VisitFrame, from = SEGMENT_HEAD_BYTES): Promise<Stop> {
  let window = Buffer.allocUnsafe(0);
  let offset = from;
  let needs = 0;
  for (;;) {
    const length = Math.min(walked.size - offset, Math.max(WINDOW_BYTES, needs));
    if (window.length < length) {
      window = Buffer.allocUnsafe(length);
    }
    const count = await readFully(walked, window, length, offset);
    // A file that has become shorter meanwhile ends where it ends.
    const size = count < length ? offset + count : walked.size;
    const stop = scanFrames(window.subarray(0, count), offset, size, walked.seed, visit);
    if (stop.why !== 'more') {
      return stop;
    }
    offset = stop.offset;
    needs = stop.bytes;
  }
}

/** Visits all frames that check, and tells the holes between them. */
export async function walkAround(walked: Walked, visit: VisitFrame): Promise<Hole[]> {
  const holes: Hole[] = [];
  let hole: { from: number; reason: string } | undefined;
  const end = (to: number) => {
    if (hole !== undefined && to > hole.from) holes.push({ ...hole, to });
    hole = undefined;
  };
  const visitAfter: VisitFrame = (frame, bytes, at, offset) => {
    end(offset);
    visit(frame, bytes, at, offset);
  };
  for (let from = SEGMENT_HEAD_BYTES; ; ) {
    const stop = await walkSegment(walked, visitAfter, from);
    if (stop.why === 'end') {
      end(walked.size);
      return holes;
    }
    hole ??= { from: stop.offset, reason: stop.reason };
    // A head that checks says how long its frame is, whatever its body has become.
    const skipped = stop.why === 'damaged' && stop.bytes > 0 ? stop.bytes : 1;
    from = await nextHead(walked, stop.offset + skipped);
  }
}

/** Where the next head stands that checks and whose frame ends within the file; the end of the file when there is none. */
async function nextHead(walked: Walked, from: number): Promise<number> {
  const window = Buffer.allocUnsafe(Math.max(0, Math.min(WINDOW_BYTES, walked.size - from)));
  const frame = new FrameView();
  for (let offset = from; offset + FRAME_HEAD_BYTES <= walked.size; ) {
    const length = Math.min(window.length, walked.size - offset);
    const count = await readFully(walked, window, length, offset);
    const last = count - FRAME_HEAD_BYTES;
    for (let at = 0; at <= last; at++) {
      if (frame.readHead(window, at, walked.seed, offset + at) && offset + at + frame.byteLength <= walked.size) {
        return offset + at;
      }
    }
    if (last < 0) {
      break;
    }
    offset += last + 1;
  }
  return walked.size;
}

async function readFully({ files, fd }: Walked, into: Buffer, length: number, position: number): Promise<number> {
  let read = 0;
  while (read < length) {
    const count = await files.read(fd, into, read, length - read, position + read);
    if (count === 0) {
      break;
    }
    read += count;
  }
  return read;
}

/** Whether nothing but zero bytes come from `from` on: a file that had grown when the machine ended, and was not written yet. */
export async function isBlank(walked: Walked, from: number): Promise<boolean> {
  const window = Buffer.allocUnsafe(WINDOW_BYTES);
  for (let offset = from; offset < walked.size; ) {
    const count = await readFully(walked, window, Math.min(WINDOW_BYTES, walked.size - offset), offset);
    if (count === 0 || window.subarray(0, count).some((byte) => byte !== 0)) {
      return false;
    }
    offset += count;
  }
  return true;
}
