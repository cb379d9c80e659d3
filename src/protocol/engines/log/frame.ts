/**
 * What a log is made of: one frame for each write, one behind the other, never changed.
 *
 *     byte  0          4       5            8               12         16     16 + key
 *           head CRC   kind    key length   record length   body CRC   key    record
 *           uint32     uint8   uint24       uint32          uint32     UTF-8
 *
 * Little-endian. The body CRC is of key and record. The head CRC is of the bytes 4 to 15 and begins with where the frame
 * stands (segment and offset), so a frame that lies within a value, or that a disk has put elsewhere, is not taken for one.
 * It is there so that a length can be believed: a frame that runs past the end of the file was cut off while it was written,
 * and not one whose length has changed.
 *
 *     set      key and record                    clear    nothing: all keys before it are gone
 *     delete   a key                             retire   the id (uint32) of the oldest segment that counts
 *     blob     key and where the record is       gap      bytes that were damaged, put aside by a repair: any
 */
import { crc32 } from 'node:zlib';

export const FRAME_HEAD_BYTES = 16;
const KIND_AT = 4;
const KEY_LENGTH_AT = 5;
const RECORD_LENGTH_AT = 8;
const BODY_CRC_AT = 12;

export const SET = 1;
export const DELETE = 2;
export const CLEAR = 3;
export const RETIRE = 4;
export const GAP = 5;
export const BLOB = 6;
const KINDS_END = 7;

export const KEY_BYTES_MAX = 2 ** 24 - 1;
/** Head, key and record: what the index has room to say. */
export const FRAME_BYTES_MAX = 2 ** 32 - 1;

/** Up to this the table is faster. */
const SHORT_BODY_BYTES = 64;

/** The CRC-32 of zlib by table, for the 12 bytes of a head and for short bodies: 2 ns a byte, where the call of zlib takes 200 at least. */
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb8_8320;
  return crc;
});

/** What frames of one segment begin their head CRC with; the offset comes to it. */
export function placeSeed(segmentId: number): number {
  return Math.imul(segmentId, 0x9e37_79b1);
}

function headCrc(bytes: Uint8Array, at: number, seed: number, offset: number): number {
  // Offsets above 2^32 differ in the lower part, too, from all that could be confused with them.
  return crcByTable(bytes, at + KIND_AT, at + FRAME_HEAD_BYTES, seed ^ (offset | 0));
}

/** Of key and record. */
function bodyCrc(bytes: Uint8Array, from: number, to: number): number {
  return to - from <= SHORT_BODY_BYTES ? crcByTable(bytes, from, to, 0) : crc32(bytes.subarray(from, to));
}

function crcByTable(bytes: Uint8Array, from: number, to: number, begin: number): number {
  let crc = ~begin;
  for (let i = from; i < to; i++) {
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}

/** A frame as it is read: where its parts are in the bytes around it. */
export class FrameView {
  kind = 0;
  keyLength = 0;
  recordLength = 0;
  bodyCrc = 0;

  get byteLength(): number {
    return FRAME_HEAD_BYTES + this.keyLength + this.recordLength;
  }

  /** Whether there is a head at `at`, which stands at `offset` of the segment. */
  readHead(bytes: Buffer, at: number, seed: number, offset: number): boolean {
    const kind = bytes[at + KIND_AT] as number;
    if (kind === 0 || kind >= KINDS_END || bytes.readUInt32LE(at) !== headCrc(bytes, at, seed, offset)) {
      return false;
    }
    this.kind = kind;
    this.keyLength = bytes.readUIntLE(at + KEY_LENGTH_AT, 3);
    this.recordLength = bytes.readUInt32LE(at + RECORD_LENGTH_AT);
    this.bodyCrc = bytes.readUInt32LE(at + BODY_CRC_AT);
    return true;
  }

  /** Whether key and record behind the head at `at` are what was written. */
  bodyChecks(bytes: Buffer, at: number): boolean {
    const start = at + FRAME_HEAD_BYTES;
    const length = this.keyLength + this.recordLength;
    // What lies in a gap was damaged before, and nobody reads it.
    return this.kind === GAP || bodyCrc(bytes, start, start + length) === this.bodyCrc;
  }
}

/** Writes the head of a frame whose key and record are in place behind it. */
export function sealFrame(
  bytes: Buffer,
  at: number,
  kind: number,
  keyLength: number,
  recordLength: number,
  seed: number,
  offset: number,
): void {
  const start = at + FRAME_HEAD_BYTES;
  const length = keyLength + recordLength;
  bytes[at + KIND_AT] = kind;
  bytes[at + KEY_LENGTH_AT] = keyLength;
  bytes[at + KEY_LENGTH_AT + 1] = keyLength >>> 8;
  bytes[at + KEY_LENGTH_AT + 2] = keyLength >>> 16;
  bytes.writeUInt32LE(recordLength, at + RECORD_LENGTH_AT);
  const crc = kind === GAP ? 0 : bodyCrc(bytes, start, start + length);
  bytes.writeUInt32LE(crc, at + BODY_CRC_AT);
  bytes.writeUInt32LE(headCrc(bytes, at, seed, offset), at);
}

/** The same frame at another place: only where it stands is new. */
export function moveFrame(bytes: Buffer, at: number, seed: number, offset: number): void {
  bytes.writeUInt32LE(headCrc(bytes, at, seed, offset), at);
}

/** Where a scan stopped. */
export interface Stop {
  /** The offset in the segment of the first byte that was not understood. */
  readonly offset: number;
  /**
   * `end`: all is read. `more`: the next frame needs `bytes` from there. `torn`: the last frame was not written to its end.
   * `damaged`: something else; where it is only the body, the frame has `bytes`.
   */
  readonly why: 'end' | 'more' | 'torn' | 'damaged';
  readonly bytes: number;
  readonly reason: string;
}

/** A frame at `at` of `bytes` that checks. Its offset in the segment is `offset`. */
export type VisitFrame = (frame: FrameView, bytes: Buffer, at: number, offset: number) => void;

const scanned = new FrameView();

/**
 * Visits the frames in `bytes`, which begin at `offset` of a segment of `size` bytes, until one does not check or ends beyond
 * them. Pure, so that a test can ask it about every damage there is.
 */
export function scanFrames(bytes: Buffer, offset: number, size: number, seed: number, visit: VisitFrame): Stop {
  const stop = (at: number, why: Stop['why'], reason = '', needs = 0): Stop => ({
    offset: offset + at,
    why,
    bytes: needs,
    reason,
  });
  const frame = scanned;
  let at = 0;
  for (;;) {
    const left = size - offset - at;
    if (left === 0) {
      return stop(at, 'end');
    }
    if (left < FRAME_HEAD_BYTES) {
      return stop(at, 'torn', 'it ends within the head of a frame', left);
    }
    if (bytes.length - at < FRAME_HEAD_BYTES) {
      return stop(at, 'more', '', FRAME_HEAD_BYTES);
    }
    if (!frame.readHead(bytes, at, seed, offset + at)) {
      return stop(at, 'damaged', 'the head of a frame does not match its checksum');
    }
    const length = frame.byteLength;
    if (length > left) {
      return stop(at, 'torn', 'it ends within a frame', length);
    }
    if (bytes.length - at < length) {
      return stop(at, 'more', '', length);
    }
    if (!frame.bodyChecks(bytes, at)) {
      return stop(at, 'damaged', 'a key or its record does not match its checksum', length);
    }
    visit(frame, bytes, at, offset + at);
    at += length;
  }
}
