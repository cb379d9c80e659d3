/**
 * What a log makes of every damage there is: a log of one segment in memory, and a judge that does what the opening does. A
 * damage is `found`, or `reported` as torn, or `harmless` since all frames are what they were, or it is `silent`: that
 * must never be.
 */
import {
  FRAME_HEAD_BYTES,
  placeSeed,
  SET,
  type Stop,
  scanFrames,
  sealFrame,
} from '../../src/protocol/engines/log/frame.ts';
import {
  readSegmentHead,
  SEGMENT_HEAD_BYTES,
  segmentHead,
  segmentName,
} from '../../src/protocol/engines/log/segment.ts';
import type { Random } from './random.ts';

export type LogVerdict = 'found' | 'reported' | 'harmless' | 'silent';

const PATH = `/log/${segmentName(1)}`;

/** A segment of `bytes` bytes with frames of many sizes, some with zeros at their end. */
export function logOf(random: Random, bytes: number): Buffer {
  const log = Buffer.alloc(bytes);
  segmentHead(1, 0).copy(log);
  for (let at = SEGMENT_HEAD_BYTES; at < bytes; ) {
    const left = bytes - at - FRAME_HEAD_BYTES;
    const wished = random.logUniform(2, 2_000);
    // What is left must be nothing, or a frame.
    const body = left - wished < FRAME_HEAD_BYTES + 2 ? left : wished;
    const keyLength = Math.min(body, 1 + random.below(12));
    random.bytes(body).copy(log, at + FRAME_HEAD_BYTES);
    if (random.oneIn(4)) log.fill(0, at + FRAME_HEAD_BYTES + keyLength, at + FRAME_HEAD_BYTES + body);
    sealFrame(log, at, SET, keyLength, body - keyLength, placeSeed(1), at);
    at += FRAME_HEAD_BYTES + body;
  }
  return log;
}

/** The offsets at which frames begin, and the end of the last. */
export function boundariesOf(log: Buffer, id = 1): number[] {
  const boundaries: number[] = [];
  const stop = scan(log, (offset) => boundaries.push(offset), id);
  return [...boundaries, stop.offset];
}

/** `frames` is how many the log had; `notedBytes` what the closing note says, 0 where there is none. */
export function judgeLog(log: Buffer, frames: number, notedBytes: number): LogVerdict {
  if (log.length < SEGMENT_HEAD_BYTES) {
    return notedBytes > 0 ? 'found' : 'reported';
  }
  if (typeof readSegmentHead(log.subarray(0, SEGMENT_HEAD_BYTES), PATH) !== 'number') {
    return 'found';
  }
  let seen = 0;
  const stop = scan(log, () => seen++);
  const isTorn =
    stop.why === 'torn' || (stop.why === 'damaged' && log.subarray(stop.offset).every((byte) => byte === 0));
  if (stop.why !== 'end' && !isTorn) {
    return 'found';
  }
  if (notedBytes > stop.offset) {
    return 'found';
  }
  if (isTorn) {
    return 'reported';
  }
  // Every frame has its checksums: as many as before are the same.
  return seen === frames ? 'harmless' : 'silent';
}

function scan(log: Buffer, visit: (offset: number) => void, id = 1): Stop {
  const bytes = log.subarray(SEGMENT_HEAD_BYTES);
  return scanFrames(bytes, SEGMENT_HEAD_BYTES, log.length, placeSeed(id), (_frame, _bytes, _at, offset) =>
    visit(offset),
  );
}

export type DamageCounts = Record<LogVerdict, number>;

/**
 * Flips the bits from `from` to `to`, one at a time. A flip must be found, note or not; without one, a flip that is only
 * reported would have cost an acknowledged entry.
 */
export function flipAll(log: Buffer, from: number, to: number, counts: DamageCounts): void {
  const frames = boundariesOf(log).length - 1;
  for (let bit = from; bit < to; bit++) {
    const at = bit >> 3;
    log[at] = (log[at] as number) ^ (1 << (bit & 7));
    counts[judgeLog(log, frames, 0)]++;
    log[at] = (log[at] as number) ^ (1 << (bit & 7));
  }
}

/** Cuts the log to every length from `from` to `to`, once as it was closed and once as it was killed. */
export function cutAll(log: Buffer, from: number, to: number, closed: DamageCounts, killed: DamageCounts): void {
  const boundaries = new Set(boundariesOf(log));
  const frames = boundaries.size - 1;
  for (let length = from; length < to; length++) {
    const cut = log.subarray(0, length);
    closed[judgeLog(cut, frames, log.length)]++;
    const verdict = judgeLog(cut, frames, 0);
    // Between two frames it is what was there at that moment: a prefix, as after any kill.
    killed[verdict === 'silent' && boundaries.has(length) ? 'harmless' : verdict]++;
  }
}

export function noDamage(): DamageCounts {
  return { found: 0, reported: 0, harmless: 0, silent: 0 };
}
