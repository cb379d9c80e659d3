/**
 * The files of a log, oldest first, and the way in which bytes get into the last one: a write that fails, or comes to an end
 * too early, is cut off again before anything else is written. While the cut itself fails, nothing is written.
 *
 * A file never changes once the next one has begun, whose head says how long it is.
 */
import { type Files, writeWhole } from '../../files.ts';
import { attempt, engineError, storeError } from '../faults.ts';
import { LogCommits } from './commit.ts';
import { SEGMENT_HEAD_BYTES, Segment, SegmentFiles, SLOTS_MAX, segmentHead, slotOfPlace } from './segment.ts';

export class LogSegments {
  readonly files: Files;
  readonly directory: string;
  readonly open: SegmentFiles;
  readonly commits: LogCommits;
  /** Oldest first; the last one is written to. */
  readonly all: Segment[] = [];
  /** Called before the first write of this opening. */
  beforeFirstWrite: (() => void) | undefined;
  /** Whether there is a note of how it was closed, as long as `beforeFirstWrite` was not called. */
  hasNote = false;
  /** Of all files. */
  bytes = 0;
  /** Of all frames that an index points at. */
  liveBytes = 0;
  readonly #segmentBytes: number;
  readonly #slots: (Segment | undefined)[] = [];
  #mustCut = false;
  /** A segment was not begun, and what is left of it could not be removed: it says how long the one before is. */
  #mustRoll = false;

  constructor(files: Files, directory: string, segmentBytes: number) {
    this.files = files;
    this.directory = directory;
    this.#segmentBytes = segmentBytes;
    this.open = new SegmentFiles(files);
    this.commits = new LogCommits(files, directory, this.open);
  }

  get active(): Segment {
    return this.all.at(-1) as Segment;
  }

  get sealedBytes(): number {
    return this.bytes - this.active.bytes;
  }

  get sealedDeadBytes(): number {
    const { active } = this;
    const sealed = this.all.length - 1;
    return this.sealedBytes - sealed * SEGMENT_HEAD_BYTES - (this.liveBytes - active.liveBytes);
  }

  /** Where a place is. */
  at(place: number): Segment {
    return this.#slots[slotOfPlace(place)] as Segment;
  }

  /** The segment that the next `bytes` go to. */
  room(bytes: number): Segment {
    this.commits.check();
    if (this.beforeFirstWrite !== undefined) {
      this.beforeFirstWrite();
      this.beforeFirstWrite = undefined;
    }
    this.settle();
    const { active } = this;
    const isFull = active.bytes + bytes > this.#segmentBytes && active.bytes > SEGMENT_HEAD_BYTES;
    if (isFull || this.#mustRoll) {
      this.roll();
    }
    return this.active;
  }

  /** Appends the first `length` of `bytes` to the last segment. */
  write(segment: Segment, bytes: Buffer, length: number): void {
    const fd = this.open.of(segment);
    try {
      for (let written = 0; written < length; ) {
        const count = this.files.writeSync(fd, bytes, written, length - written, segment.bytes + written);
        if (count === 0) {
          throw new Error('the file takes no more bytes');
        }
        written += count;
      }
    } catch (cause) {
      this.#mustCut = true;
      try {
        this.#cut(segment);
      } catch {
        // Nothing is written before it is cut, and the next write tries again. The first error is the one to tell.
      }
      throw engineError('write', segment.path, cause);
    }
    segment.bytes += length;
    this.bytes += length;
    if (segment.isSynced) {
      this.commits.written(segment);
    }
  }

  /** Takes a file in that is there, as the newest segment. */
  adopt(id: number, bytes: number): Segment {
    const segment = this.#segment(id);
    segment.bytes = bytes;
    this.all.push(segment);
    this.bytes += bytes;
    return segment;
  }

  /** Cuts off what a write has left that had failed. */
  settle(): void {
    if (this.#mustCut) {
      attempt('cut off a write that had failed', this.active.path, () => this.#cut(this.active));
    }
  }

  /** Begins a new segment. The one before is as it will stay. */
  roll(): void {
    const before = this.all.at(-1);
    const segment = this.#segment((before?.id ?? 0) + 1);
    const head = segmentHead(segment.id, before?.bytes ?? 0);
    try {
      attempt('begin a segment', segment.path, () => {
        const fd = this.files.openSync(segment.path, 'w+');
        this.open.adopt(segment, fd);
        writeWhole(this.files, fd, head, 0);
      });
    } catch (error) {
      this.#slots[segment.slot] = undefined;
      this.open.close(segment);
      this.#mustRoll = !this.#removes(segment.path);
      throw error;
    }
    this.#mustRoll = false;
    this.all.push(segment);
    this.bytes += SEGMENT_HEAD_BYTES;
    this.commits.written(segment);
    this.commits.named();
    if (before !== undefined) {
      // Those who write are told of a fault by their own next call.
      this.commits.commit().catch(() => 'known to the commits');
    }
  }

  /** Removes the oldest segment, which nothing points at any more. */
  unlinkOldest(): void {
    const segment = this.all[0] as Segment;
    attempt('remove a segment', segment.path, () => this.files.unlinkSync(segment.path));
    this.all.shift();
    this.bytes -= segment.bytes;
    this.#slots[segment.slot] = undefined;
    segment.isRetired = true;
    this.commits.forget(segment);
    this.commits.named();
    if (segment.pins === 0) {
      this.open.close(segment);
    }
  }

  /** So many bytes more, or fewer, are live there. */
  count(place: number, bytes: number): void {
    this.at(place).liveBytes += bytes;
    this.liveBytes += bytes;
  }

  countNone(): void {
    for (const segment of this.all) segment.liveBytes = 0;
    this.liveBytes = 0;
  }

  #removes(path: string): boolean {
    try {
      this.files.rmSync(path, { force: true });
      return true;
    } catch {
      // The error that led here is the one to tell, and nothing is written before the segment is begun after all.
      return false;
    }
  }

  #cut(segment: Segment): void {
    this.files.ftruncateSync(this.open.of(segment), segment.bytes);
    this.#mustCut = false;
  }

  #segment(id: number): Segment {
    const free = this.#slots.indexOf(undefined);
    const slot = free === -1 ? this.#slots.length : free;
    if (slot === SLOTS_MAX) {
      const message = `The log at ${this.directory} has ${SLOTS_MAX} segments, and cannot have more. Next: delete entries and compact it, or raise \`segmentBytes\``;
      throw storeError('ENGINE_ERROR', this.directory, message);
    }
    const segment = new Segment(this.directory, id, slot);
    this.#slots[slot] = segment;
    return segment;
  }
}
