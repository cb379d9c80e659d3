/**
 * One file of a log. It is appended to until it is full; then the next one begins, and it never changes again.
 *
 *     0000000007.log      byte  0             8         10      12     16              24     28      32
 *                               magic         version   flags   id     bytes of the    0      CRC     frames (frame.ts)
 *                               "ShLog\r\n\x1a"  1        0     uint32 segment before  uint32 of 0-27
 *                                                                      float64
 *
 * The segment before is told by its length, since a file that is cut off between two frames looks whole. The magic has both
 * ends of a line in it, so that a transfer as text is seen.
 */
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { CacheError } from '../../errors.ts';
import type { Files } from '../../files.ts';
import { attempt, storeError } from '../faults.ts';
import { placeSeed } from './frame.ts';

export const SEGMENT_HEAD_BYTES = 32;
const MAGIC = Buffer.from('ShLog\r\n\x1a', 'latin1');
const VERSION = 1;
const VERSION_AT = 8;
const FLAGS_AT = 10;
const ID_AT = 12;
const BEFORE_AT = 16;
const RESERVED_AT = 24;
const CRC_AT = 28;
const NAME = /^(\d{10})\.log$/;
/** Files kept open: an open and a close cost 10 us, and a process may have 1,024 of them by default. */
const OPEN_MAX = 64;

export class Segment {
  readonly id: number;
  readonly path: string;
  readonly seed: number;
  /** Its number among those that are there: a place is made of it, see placeOf. */
  readonly slot: number;
  bytes = SEGMENT_HEAD_BYTES;
  /** Of `bytes`, those of frames that the index points at. */
  liveBytes = 0;
  /** Reads on their way: until they are back, the file stays open. */
  pins = 0;
  isRetired = false;
  isSynced = true;

  constructor(directory: string, id: number, slot: number) {
    this.id = id;
    this.slot = slot;
    this.path = join(directory, segmentName(id));
    this.seed = placeSeed(id);
  }

  get deadBytes(): number {
    return this.bytes - SEGMENT_HEAD_BYTES - this.liveBytes;
  }
}

/** Slot and offset in one float64: 64 GiB in a segment, 2^17 segments at a time. */
const OFFSETS = 2 ** 36;
export const SLOTS_MAX = 2 ** 17;

export function placeOf(slot: number, offset: number): number {
  return slot * OFFSETS + offset;
}

export function slotOfPlace(place: number): number {
  return Math.floor(place / OFFSETS);
}

export function offsetOfPlace(place: number): number {
  return place % OFFSETS;
}

export function segmentName(id: number): string {
  return `${String(id).padStart(10, '0')}.log`;
}

/** The id that a file's name has, undefined where it is no segment. */
export function segmentIdOf(name: string): number | undefined {
  const id = NAME.exec(name)?.[1];
  return id === undefined ? undefined : Number(id);
}

export function segmentHead(id: number, bytesBefore: number): Buffer {
  const head = Buffer.alloc(SEGMENT_HEAD_BYTES);
  MAGIC.copy(head);
  head.writeUInt16LE(VERSION, VERSION_AT);
  head.writeUInt32LE(id, ID_AT);
  head.writeDoubleLE(bytesBefore, BEFORE_AT);
  head.writeUInt32LE(crc32(head.subarray(0, CRC_AT)), CRC_AT);
  return head;
}

/** How long the segment before is, or what is wrong with this one. */
export function readSegmentHead(head: Buffer, path: string): number | CacheError {
  const id = segmentIdOf(basename(path));
  const isWhole = head.length >= SEGMENT_HEAD_BYTES && head.readUInt32LE(CRC_AT) === crc32(head.subarray(0, CRC_AT));
  if (!isWhole) {
    return isAlike(head)
      ? storeError('STORE_CORRUPT', path, damageText(path, 0, 'the head of the segment does not match its checksum'))
      : foreign(path, 'it is no segment of a log: move it away, or choose another `root` or `name`');
  }
  const [version, flags] = [head.readUInt16LE(VERSION_AT), head.readUInt16LE(FLAGS_AT)];
  if (!head.subarray(0, MAGIC.length).equals(MAGIC)) {
    return foreign(path, 'it is no segment of a log: move it away, or choose another `root` or `name`');
  }
  if (version !== VERSION || flags !== 0 || head.readUInt32LE(RESERVED_AT) !== 0) {
    return foreign(
      path,
      `it is of format ${version}.${flags}, and this version knows ${VERSION}.0: use a newer shardstash`,
    );
  }
  return head.readUInt32LE(ID_AT) === id
    ? head.readDoubleLE(BEFORE_AT)
    : storeError('STORE_CORRUPT', path, damageText(path, ID_AT, 'the file has the name of another segment'));
}

/** Whether it is a damaged head of ours, and not somebody else's file: but for one byte it has the magic, or it is blank. */
function isAlike(head: Buffer): boolean {
  const magic = head.subarray(0, MAGIC.length);
  const unlike = magic.filter((byte, at) => byte !== MAGIC[at]).length;
  return unlike <= 1 || magic.every((byte) => byte === 0);
}

function foreign(path: string, reason: string): CacheError {
  return storeError('STORE_FOREIGN', path, `Cannot read ${path}: ${reason}`);
}

/** What users read of damage: where, what, and what to do. */
function damageText(path: string, offset: number, reason: string): string {
  const store = join(path, '..');
  return (
    `The log is damaged: ${path} at byte ${offset}: ${reason}. ` +
    `Next: \`shardstash verify ${store}\` lists all damage; openStore({ repair: true }) keeps every entry that is whole`
  );
}

export function damage(path: string, offset: number, reason: string): CacheError {
  return storeError('STORE_CORRUPT', path, damageText(path, offset, reason));
}

/** The open files of segments. When there are too many, the one that has been open longest is closed: no list is kept for each read. */
export class SegmentFiles {
  readonly #files: Files;
  /** In the order in which they were opened. */
  readonly #open = new Map<Segment, number>();
  /** Those who wait for reads on their way. */
  readonly #waiting: (() => void)[] = [];

  constructor(files: Files) {
    this.#files = files;
  }

  get count(): number {
    return this.#open.size;
  }

  /** A descriptor to read and write with, good until the next call unless the segment is pinned. */
  of(segment: Segment): number {
    const fd = this.#open.get(segment);
    if (fd === undefined) {
      return this.adopt(
        segment,
        attempt('open a segment', segment.path, () => this.#files.openSync(segment.path, 'r+')),
      );
    }
    return fd;
  }

  /** Keeps a descriptor that was opened elsewhere. */
  adopt(segment: Segment, fd: number): number {
    this.#makeRoom();
    this.#open.set(segment, fd);
    return fd;
  }

  close(segment: Segment): void {
    const fd = this.#open.get(segment);
    if (fd !== undefined) {
      this.#open.delete(segment);
      this.#files.closeSync(fd);
    }
  }

  /** A read or a sync is back. */
  unpin(segment: Segment): void {
    segment.pins--;
    if (segment.isRetired && segment.pins === 0) {
      this.close(segment);
    }
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** When no read and no sync is on its way any more. */
  async settled(): Promise<void> {
    while (Array.from(this.#open.keys()).some(({ pins }) => pins > 0)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Whether more are open than should be, since so many are being read. */
  get isFull(): boolean {
    return this.#open.size > OPEN_MAX;
  }

  closeAll(): void {
    for (const segment of Array.from(this.#open.keys())) this.close(segment);
  }

  #makeRoom(): void {
    if (this.#open.size < OPEN_MAX) {
      return;
    }
    for (const segment of Array.from(this.#open.keys())) {
      if (segment.pins === 0) this.close(segment);
      if (this.#open.size < OPEN_MAX) return;
    }
  }
}
