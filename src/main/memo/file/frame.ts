/**
 * What a memo file is made of: one frame for each thing that has happened, one behind the other, never changed. Any number of
 * processes append to it, each frame by one write, so that it is whole or, where its writer was killed or the disk was full, a
 * piece that others have written on behind.
 *
 *     byte 0      3        4         8         12    13          16              20      28         36        44
 *          magic  version  head CRC  body CRC  kind  key length  payload length  ticket  createdAt  deadline  key, payload
 *          D3 6D  uint8    uint32    uint32          uint24      uint32          three float64                UTF-8
 *          6D
 *
 * Little-endian. The body CRC is of key and payload. The head CRC is of the bytes 8 to 43, so that a length can be believed, and
 * begins with the file's own seed, so that no frame of another file that lies within a value is ever taken for one of this.
 * Times are milliseconds since 1970; a deadline is Infinity for what stays. The first frame of a file is a head:
 *
 *     kind      key       payload                      ticket         deadline
 *     head      function  seed (uint32), serializer
 *     result    of call   a sealed record              -              of the result
 *     delete    of call   -                            -
 *     clear     -         -                            -
 *     claim     of call   mark of the process          of the claim   of its lease
 *     release   of call   -                            of the claim
 *     freeze    -         mark of the process          of the freeze  of its lease
 *     thaw      -         -                            of the freeze
 *
 * A result ends all claims of its key that stand before it. What stands behind a freeze does not count until it is thawed: who
 * wrote it sees that, and writes it again, to the file that has taken the place of this one (rewriting.ts).
 */
import { crc32 } from 'node:zlib';

/** As the fourth byte of every frame has it. Another layout takes another number. */
export const VERSION = 1;
export const MAGIC = Buffer.from([0xd3, 0x6d, 0x6d]);
const [MAGIC_0, MAGIC_1, MAGIC_2] = MAGIC as unknown as readonly [number, number, number];
export const VERSION_AT = 3;
/** What every frame of this version begins with. */
export const OPENING = Buffer.from([...MAGIC, VERSION]);

const HEAD_CRC_AT = 4;
const BODY_CRC_AT = 8;
const KIND_AT = 12;
const KEY_LENGTH_AT = 13;
const PAYLOAD_LENGTH_AT = 16;
const TICKET_AT = 20;
const CREATED_AT = 28;
const EXPIRES_AT = 36;
export const FRAME_HEAD_BYTES = 44;

export const HEAD = 1;
export const RESULT = 2;
export const DELETE = 3;
export const CLEAR = 4;
export const CLAIM = 5;
export const RELEASE = 6;
export const FREEZE = 7;
export const THAW = 8;
const KINDS_END = 9;

const NOTHING = Buffer.alloc(0);
export const EVER = Number.POSITIVE_INFINITY;

export interface FrameParts {
  readonly kind: number;
  readonly key?: string;
  readonly payload?: Uint8Array;
  readonly ticket?: number;
  readonly createdAtMs: number;
  readonly expiresAtMs?: number;
}

/** A frame in memory of its own. Its head is sealed when it is known which file it is for. */
export function frameOf({ kind, key = '', payload = NOTHING, ...numbers }: FrameParts): Buffer {
  const keyLength = Buffer.byteLength(key);
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + keyLength + payload.length);
  frame.set(OPENING);
  frame[KIND_AT] = kind;
  frame.writeUIntLE(keyLength, KEY_LENGTH_AT, 3);
  frame.writeUInt32LE(payload.length, PAYLOAD_LENGTH_AT);
  frame.writeDoubleLE(numbers.ticket ?? 0, TICKET_AT);
  frame.writeDoubleLE(numbers.createdAtMs, CREATED_AT);
  frame.writeDoubleLE(numbers.expiresAtMs ?? EVER, EXPIRES_AT);
  frame.write(key, FRAME_HEAD_BYTES);
  frame.set(payload, FRAME_HEAD_BYTES + keyLength);
  frame.writeUInt32LE(crc32(frame.subarray(FRAME_HEAD_BYTES)), BODY_CRC_AT);
  return frame;
}

/** Makes it one of the file with that seed. */
export function sealFrame(frame: Buffer, seed: number): void {
  frame.writeUInt32LE(headCrc(frame, 0, seed), HEAD_CRC_AT);
}

/** Whoever looks for the seed has none yet. */
function headCrc(bytes: Buffer, at: number, seed: number): number {
  const begin = bytes[at + KIND_AT] === HEAD ? 0 : seed;
  return crc32(bytes.subarray(at + BODY_CRC_AT, at + FRAME_HEAD_BYTES), begin);
}

/** A frame as it is read: the bytes around it, and where in them it begins. */
export class FrameView {
  bytes: Buffer = NOTHING;
  at = 0;
  kind = 0;
  keyLength = 0;
  payloadLength = 0;

  get byteLength(): number {
    return FRAME_HEAD_BYTES + this.keyLength + this.payloadLength;
  }

  get ticket(): number {
    return this.bytes.readDoubleLE(this.at + TICKET_AT);
  }

  get createdAtMs(): number {
    return this.bytes.readDoubleLE(this.at + CREATED_AT);
  }

  get expiresAtMs(): number {
    return this.bytes.readDoubleLE(this.at + EXPIRES_AT);
  }

  get key(): string {
    const start = this.at + FRAME_HEAD_BYTES;
    return this.bytes.toString('utf8', start, start + this.keyLength);
  }

  /** A part of the bytes around it. */
  get payload(): Buffer {
    const start = this.at + FRAME_HEAD_BYTES + this.keyLength;
    return this.bytes.subarray(start, start + this.payloadLength);
  }

  /** The whole of it: a part of the bytes around it. */
  get whole(): Buffer {
    return this.bytes.subarray(this.at, this.at + this.byteLength);
  }

  /** Whether a head stands there whose file has that seed. */
  readHead(bytes: Buffer, at: number, seed: number): boolean {
    const kind = bytes[at + KIND_AT] as number;
    if (
      bytes[at] !== MAGIC_0 ||
      bytes[at + 1] !== MAGIC_1 ||
      bytes[at + 2] !== MAGIC_2 ||
      bytes[at + VERSION_AT] !== VERSION ||
      kind === 0 ||
      kind >= KINDS_END ||
      bytes.readUInt32LE(at + HEAD_CRC_AT) !== headCrc(bytes, at, seed)
    ) {
      return false;
    }
    this.take(bytes, at);
    return true;
  }

  /** The same for a frame that this thread has just sealed. */
  take(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.at = at;
    this.kind = bytes[at + KIND_AT] as number;
    this.keyLength = bytes.readUIntLE(at + KEY_LENGTH_AT, 3);
    this.payloadLength = bytes.readUInt32LE(at + PAYLOAD_LENGTH_AT);
  }

  /** Whether key and payload, which are there to their end, are what was written. */
  bodyChecks(): boolean {
    const start = this.at + FRAME_HEAD_BYTES;
    return (
      crc32(this.bytes.subarray(start, this.at + this.byteLength)) === this.bytes.readUInt32LE(this.at + BODY_CRC_AT)
    );
  }
}

/** What is written down of a file when it begins. */
export interface FileHead {
  /** Of the function whose results are in it. */
  readonly name: string;
  readonly serializer: string;
  /** A number below 2^32 that no other file has. */
  readonly seed: number;
}

export function headFrame({ name, serializer, seed }: FileHead, createdAtMs: number): Buffer {
  const payload = Buffer.alloc(4 + Buffer.byteLength(serializer));
  payload.writeUInt32LE(seed);
  payload.write(serializer, 4);
  const frame = frameOf({ kind: HEAD, key: name, payload, createdAtMs });
  sealFrame(frame, 0);
  return frame;
}

/** Of a frame that checks and is a head. */
export function fileHeadOf({ key, payload }: FrameView): FileHead {
  return { name: key, seed: payload.length < 4 ? 0 : payload.readUInt32LE(), serializer: payload.toString('utf8', 4) };
}
