/**
 * Reads frames of entries: those up to READ_SYNC_MAX by the thread itself into memory that is used again and again, since a
 * read from the page cache takes 2 us and a hop to the thread pool and back takes 20; larger ones away from the thread. Every
 * byte that leaves here has matched its checksum; what does not is STORE_CORRUPT, with file and offset.
 */
import { attempt, engineError } from '../faults.ts';
import { FRAME_HEAD_BYTES, FrameView } from './frame.ts';
import type { LogIndex } from './places.ts';
import { damage, offsetOfPlace } from './segment.ts';
import type { LogSegments } from './segments.ts';

/** 64 KiB are copied in 6 us. */
export const READ_SYNC_MAX = 64 * 1024;

export interface FrameBytes {
  readonly kind: number;
  readonly key: Buffer;
  readonly record: Buffer;
}

export class LogReader {
  readonly #segments: LogSegments;
  readonly #index: LogIndex;
  readonly scratch = Buffer.allocUnsafeSlow(READ_SYNC_MAX);
  /** Of the frame that was last read. */
  readonly frame = new FrameView();

  constructor(segments: LogSegments, index: LogIndex) {
    this.#segments = segments;
    this.#index = index;
  }

  /** Reads the first `length` bytes of the frame of an entry, and its head into `frame`. */
  read(entry: number, into: Buffer, length: number): void {
    const place = this.#index.place(entry);
    const segment = this.#segments.at(place);
    const offset = offsetOfPlace(place);
    const fd = this.#segments.open.of(segment);
    let read = 0;
    while (read < length) {
      const at = offset + read;
      const count = attempt('read', segment.path, () =>
        this.#segments.files.readSync(fd, into, read, length - read, at),
      );
      if (count === 0) {
        throw damage(segment.path, at, 'the file has become shorter since it was opened');
      }
      read += count;
    }
    if (!this.frame.readHead(into, 0, segment.seed, offset) || this.frame.byteLength !== this.#index.bytes(entry)) {
      throw damage(segment.path, offset, 'the head of a frame does not match its checksum');
    }
  }

  /** Reads what lies from the frame of an entry on, and says how much of it there was. Nothing of it is checked. */
  readFrom(entry: number, into: Buffer): number {
    const place = this.#index.place(entry);
    const segment = this.#segments.at(place);
    const fd = this.#segments.open.of(segment);
    return attempt('read', segment.path, () =>
      this.#segments.files.readSync(fd, into, 0, into.length, offsetOfPlace(place)),
    );
  }

  /** What a frame holds, whose head is in `frame` and whose bytes are at the begin of `bytes`. */
  checked(entry: number, bytes: Buffer): FrameBytes {
    const { kind, keyLength, byteLength } = this.frame;
    if (!this.frame.bodyChecks(bytes, 0)) {
      const reason = 'a key or its record does not match its checksum';
      throw damage(this.#segments.at(this.#index.place(entry)).path, offsetOfPlace(this.#index.place(entry)), reason);
    }
    const start = FRAME_HEAD_BYTES + keyLength;
    return { kind, key: bytes.subarray(FRAME_HEAD_BYTES, start), record: bytes.subarray(start, byteLength) };
  }

  /** The same for a frame of any size, away from the thread and into memory of its own. */
  async readLarge(entry: number): Promise<FrameBytes> {
    const place = this.#index.place(entry);
    const length = this.#index.bytes(entry);
    const segment = this.#segments.at(this.#index.place(entry));
    const offset = offsetOfPlace(place);
    const fd = this.#segments.open.of(segment);
    const bytes = Buffer.allocUnsafe(length);
    segment.pins++;
    try {
      for (let read = 0; read < length; ) {
        const count = await this.#segments.files.read(fd, bytes, read, length - read, offset + read);
        if (count === 0) {
          throw damage(segment.path, offset + read, 'the file has become shorter since it was opened');
        }
        read += count;
      }
    } catch (cause) {
      throw engineError('read', segment.path, cause);
    } finally {
      this.#segments.open.unpin(segment);
    }
    const frame = new FrameView();
    if (!frame.readHead(bytes, 0, segment.seed, offset) || frame.byteLength !== length || !frame.bodyChecks(bytes, 0)) {
      throw damage(segment.path, offset, 'a key or its record does not match its checksum');
    }
    const start = FRAME_HEAD_BYTES + frame.keyLength;
    return { kind: frame.kind, key: bytes.subarray(FRAME_HEAD_BYTES, start), record: bytes.subarray(start) };
  }
}
