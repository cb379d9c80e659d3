/**
 * Records in segments, and an index of where they are: what the engines `log` and `disk` are made of (bitcask: Sheehy and
 * Smith, "Bitcask: a log-structured hash table for fast key/value data", 2010).
 *
 *     set     find the key (its head and key are read again: hashes may collide) - append one frame - point the index at it
 *     get     find the key by reading its frame - check it - answer
 *     delete  find the key - append a frame that says so - forget it
 *
 * A write is one synchronous call into the page cache (2 to 5 us), where it survives the end of the process. One that fails
 * is cut off again before anything else is written, and the index has never heard of it.
 *
 * What it is bad at: keys are kept in memory (30 bytes each) and the whole log is read when it is opened.
 */
import { CacheError } from '../../errors.ts';
import {
  CLEAR,
  DELETE,
  FRAME_BYTES_MAX,
  FRAME_HEAD_BYTES,
  KEY_BYTES_MAX,
  moveFrame,
  RETIRE,
  sealFrame,
} from './frame.ts';
import { LogKey } from './key.ts';
import { LogIndex, NONE } from './places.ts';
import { type FrameBytes, LogReader, READ_SYNC_MAX } from './reader.ts';
import { damage, offsetOfPlace, placeOf, type Segment } from './segment.ts';
import type { LogSegments } from './segments.ts';

/** What is read to learn a key: as much as costs no more than the call. */
const KEY_READ_BYTES = 512;
/** Frames up to this are put together in memory that is used again and again. */
const SCRATCH_BYTES = 64 * 1024;

export class LogRecords {
  readonly index: LogIndex;
  readonly segments: LogSegments;
  /** Whether the last `put` has replaced a record. */
  hasReplaced = false;
  /** The entry that was last read. */
  lastRead = NONE;
  readonly #key = new LogKey();
  /** The frame that is being put together: its head is left free. */
  #scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  /** The key that is looked for: in the scratch, or in a frame that lies elsewhere. */
  #sought: Buffer = this.#scratch;
  #soughtAt = FRAME_HEAD_BYTES;
  #keyLength = 0;
  readonly #reader: LogReader;
  /** Whether `find` reads whole frames, up to READ_SYNC_MAX. */
  #readsWhole = false;

  constructor(segments: LogSegments) {
    this.segments = segments;
    this.index = new LogIndex((entry) => this.#isKey(entry));
    this.#reader = new LogReader(segments, this.index);
  }

  /** The entry of a key, NONE when there is none. */
  find(key: string): number {
    this.#take(key);
    this.#readsWhole = false;
    return this.index.find(this.#key.hashLow, this.#key.hashHigh);
  }

  /** The frame of a key, good until the next call, or a promise of one in memory of its own. */
  read(key: string): FrameBytes | Promise<FrameBytes> | undefined {
    this.#take(key);
    this.#readsWhole = true;
    const entry = this.index.find(this.#key.hashLow, this.#key.hashHigh);
    this.lastRead = entry;
    if (entry === NONE) {
      return undefined;
    }
    const length = this.index.bytes(entry);
    if (length <= READ_SYNC_MAX) {
      return this.#reader.checked(entry, this.#reader.scratch);
    }
    // Nobody can wait for a file: the record may be another by then.
    return this.segments.open.isFull ? this.frameOf(entry) : this.#reader.readLarge(entry);
  }

  /** The same at once, whatever its size. */
  readNow(key: string): FrameBytes | undefined {
    const entry = this.find(key);
    this.lastRead = entry;
    return entry === NONE ? undefined : this.frameOf(entry);
  }

  frameOf(entry: number): FrameBytes {
    const length = this.index.bytes(entry);
    const into = length <= READ_SYNC_MAX ? this.#reader.scratch : Buffer.allocUnsafe(length);
    this.#reader.read(entry, into, length);
    return this.#reader.checked(entry, into);
  }

  /** The key of an entry: its head says how long it is, and the hash in the index whether it is still what it was. */
  keyOf(entry: number): string {
    const bytes = this.index.bytes(entry);
    let into = this.#reader.scratch;
    this.#reader.read(entry, into, Math.min(bytes, KEY_READ_BYTES));
    const { keyLength } = this.#reader.frame;
    const length = FRAME_HEAD_BYTES + keyLength;
    if (length > KEY_READ_BYTES) {
      into = length <= into.length ? into : Buffer.allocUnsafe(length);
      this.#reader.read(entry, into, length);
    }
    if (!this.isHashOf(entry, into, FRAME_HEAD_BYTES, length)) {
      const offset = offsetOfPlace(this.index.place(entry));
      throw damage(this.segmentOf(entry).path, offset, 'a key is not the one that was written');
    }
    return into.toString('utf8', FRAME_HEAD_BYTES, length);
  }

  /** Whether a key that lies in `bytes` is, by its hash, that of an entry. */
  isHashOf(entry: number, bytes: Buffer, start: number, end: number): boolean {
    this.#key.hash(bytes, start, end - start);
    return this.index.hasHash(entry, this.#key.hashLow, this.#key.hashHigh);
  }

  /** Reads what lies from an entry's frame on, and says how much of it there was. */
  readFrom(entry: number, into: Buffer): number {
    return this.#reader.readFrom(entry, into);
  }

  /** Stores under a key, and answers its entry. */
  put(key: string, kind: number, given: Uint8Array): number {
    // What `get` has answered lies where `find` reads the frame of the key.
    const record = given.buffer === this.#reader.scratch.buffer ? Buffer.from(given) : given;
    const previous = this.find(key);
    const length = this.#keyLength;
    const total = FRAME_HEAD_BYTES + length + record.length;
    if (total > FRAME_BYTES_MAX) {
      throw new CacheError(
        'VALUE_TOO_LARGE',
        `A log holds records of ${FRAME_BYTES_MAX} bytes at most, got ${record.length}`,
      );
    }
    const frame = total <= this.#scratch.length ? this.#scratch : Buffer.allocUnsafe(total);
    if (frame !== this.#scratch) {
      this.#scratch.copy(frame, FRAME_HEAD_BYTES, FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + length);
    }
    frame.set(record, FRAME_HEAD_BYTES + length);
    const segment = this.segments.room(total);
    const offset = segment.bytes;
    sealFrame(frame, 0, kind, length, record.length, segment.seed, offset);
    this.segments.write(segment, frame, total);
    this.hasReplaced = previous !== NONE;
    return this.pointFound(previous, segment, offset, total);
  }

  /** Many in one write. A key that comes twice is stored twice, in order. */
  putMany(entries: readonly (readonly [string, Uint8Array])[], kind: number): void {
    let total = 0;
    const lengths = entries.map(([key, record]) => {
      const length = Buffer.byteLength(key);
      checkKeyLength(length);
      total += FRAME_HEAD_BYTES + length + record.length;
      return length;
    });
    if (total === 0) {
      return;
    }
    // More than one buffer holds: a write for each, as the contract allows where there is no commit over all.
    if (total > FRAME_BYTES_MAX) {
      for (const [key, record] of entries) this.put(key, kind, record);
      return;
    }
    const segment = this.segments.room(total);
    const start = segment.bytes;
    const frames = Buffer.allocUnsafe(total);
    let at = 0;
    entries.forEach(([key, record], i) => {
      const length = lengths[i] as number;
      frames.write(key, at + FRAME_HEAD_BYTES, length);
      frames.set(record, at + FRAME_HEAD_BYTES + length);
      sealFrame(frames, at, kind, length, record.length, segment.seed, start + at);
      at += FRAME_HEAD_BYTES + length + record.length;
    });
    // Looked up before they are written, so that a damaged one stops the call while nothing has happened.
    for (const [key] of entries) this.find(key);
    this.segments.write(segment, frames, total);
    at = 0;
    entries.forEach(([key, record], i) => {
      const bytes = FRAME_HEAD_BYTES + (lengths[i] as number) + record.length;
      this.pointFound(this.find(key), segment, start + at, bytes);
      at += bytes;
    });
  }

  /** Appends that the key of an entry, which `find` has just looked for, is gone. */
  drop(entry: number): void {
    this.#append(DELETE, this.#keyLength, 0);
    this.forget(entry);
  }

  /** The same for an entry that was found otherwise. */
  dropEntry(entry: number): void {
    this.find(this.keyOf(entry));
    this.drop(entry);
  }

  clear(): number {
    const count = this.index.size;
    this.#append(CLEAR, 0, 0);
    this.forgetAll();
    return count;
  }

  /** Everything before that segment is obsolete. */
  noteRetired(oldest: number): void {
    this.#scratch.writeUInt32LE(oldest, FRAME_HEAD_BYTES);
    this.#append(RETIRE, 0, 4);
  }

  /** Appends frames of an older segment as they are, and points the index at them. */
  moveForward(frames: Buffer, entries: readonly number[]): void {
    const segment = this.segments.room(frames.length);
    const start = segment.bytes;
    let at = 0;
    for (const entry of entries) {
      moveFrame(frames, at, segment.seed, start + at);
      at += this.index.bytes(entry);
    }
    this.segments.write(segment, frames, frames.length);
    at = start;
    for (const entry of entries) {
      const bytes = this.index.bytes(entry);
      const place = placeOf(segment.slot, at);
      this.segments.count(this.index.place(entry), -bytes);
      this.segments.count(place, bytes);
      this.index.move(entry, place, bytes);
      at += bytes;
    }
  }

  /** The key that lies in `bytes`, hashed, for those who read frames one after the other. */
  hashed(bytes: Buffer, at: number, length: number): LogKey {
    this.#key.hash(bytes, at, length);
    return this.#key;
  }

  /** Like `find`, for a key that lies in the bytes of a frame. */
  findBytes(bytes: Buffer, at: number, length: number): number {
    this.#sought = bytes;
    this.#soughtAt = at;
    this.#keyLength = length;
    this.#readsWhole = false;
    this.#key.hash(bytes, at, length);
    return this.index.find(this.#key.hashLow, this.#key.hashHigh);
  }

  /** The key that was looked for, and its entry if there was one, is there from now on. */
  pointFound(previous: number, segment: Segment, offset: number, bytes: number): number {
    const place = placeOf(segment.slot, offset);
    this.segments.count(place, bytes);
    if (previous === NONE) {
      return this.index.add(this.#key.hashLow, this.#key.hashHigh, place, bytes);
    }
    this.segments.count(this.index.place(previous), -this.index.bytes(previous));
    this.index.move(previous, place, bytes);
    return previous;
  }

  forget(entry: number): void {
    this.segments.count(this.index.place(entry), -this.index.bytes(entry));
    this.index.remove(entry);
  }

  forgetAll(): void {
    this.index.clear();
    this.segments.countNone();
  }

  segmentOf(entry: number): Segment {
    return this.segments.at(this.index.place(entry));
  }

  /** Takes a key's bytes to where a frame is put together, and its hash. */
  #take(key: string): number {
    // Three bytes at most for each unit of UTF-16.
    this.#fit(key.length * 3);
    const length = this.#scratch.write(key, FRAME_HEAD_BYTES);
    checkKeyLength(length);
    this.#sought = this.#scratch;
    this.#soughtAt = FRAME_HEAD_BYTES;
    this.#keyLength = length;
    this.#key.hash(this.#scratch, FRAME_HEAD_BYTES, length);
    return length;
  }

  #fit(keyBytes: number): void {
    if (FRAME_HEAD_BYTES + keyBytes > this.#scratch.length) {
      this.#scratch = Buffer.allocUnsafe(FRAME_HEAD_BYTES + keyBytes);
    }
  }

  /** Whether an entry has the key that was taken. Its frame is in the reader's scratch then, as far as it was read. */
  #isKey(entry: number): boolean {
    const bytes = this.index.bytes(entry);
    const needs = FRAME_HEAD_BYTES + this.#keyLength;
    if (bytes < needs) {
      return false;
    }
    const length = this.#readsWhole && bytes <= READ_SYNC_MAX ? bytes : needs;
    const into = length <= READ_SYNC_MAX ? this.#reader.scratch : Buffer.allocUnsafe(length);
    this.#reader.read(entry, into, length);
    return (
      this.#reader.frame.keyLength === this.#keyLength &&
      into.compare(this.#sought, this.#soughtAt, this.#soughtAt + this.#keyLength, FRAME_HEAD_BYTES, needs) === 0
    );
  }

  /** Appends a small frame whose key and record lie in the scratch already. */
  #append(kind: number, keyLength: number, recordLength: number): void {
    const total = FRAME_HEAD_BYTES + keyLength + recordLength;
    const segment = this.segments.room(total);
    sealFrame(this.#scratch, 0, kind, keyLength, recordLength, segment.seed, segment.bytes);
    this.segments.write(segment, this.#scratch, total);
  }
}

function checkKeyLength(length: number): void {
  if (length > KEY_BYTES_MAX) {
    throw new CacheError('VALUE_TOO_LARGE', `A log holds keys of ${KEY_BYTES_MAX} bytes at most, got one of ${length}`);
  }
}
