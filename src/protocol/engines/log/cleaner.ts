/**
 * Gives back what replaced and deleted records take, from the oldest segment on: what lives in it is written again at the
 * end of the log, then it is removed.
 *
 *     [ 1: a . . b ][ 2: . c . . ][ 3: . . d ]        1 is the oldest
 *                   [ 2: . c . . ][ 3: . . d a b retire-1 ]
 *
 * So the order of the frames stays the order of the writes, and a crash at any point leaves the records once or twice, the
 * later ones in force. What a deletion says is never copied: nothing older than the oldest segment can come back. A segment
 * is removed when the copies, and the frame that says it is obsolete, are on the medium; a process that is killed in between
 * leaves a segment that the next opening removes.
 *
 * It goes in slices, each of which is one read and one write, and other work goes on between them. Cleaning begins when more
 * than half of the sealed bytes are dead and ends when less than a quarter are: each byte that is given back has cost one
 * that was copied, at most three. It needs room for one segment, not for a second log.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { attempt } from '../faults.ts';
import { BLOB, FRAME_HEAD_BYTES, SET, type Stop, scanFrames, type VisitFrame } from './frame.ts';
import { NONE } from './places.ts';
import type { LogRecords } from './records.ts';
import { damage, placeOf, SEGMENT_HEAD_BYTES, type Segment } from './segment.ts';

/** One slice takes some 0.3 ms. A frame that is larger is a slice of its own. */
const SLICE_BYTES = 256 * 1024;
/** Segments are removed together when they have so many bytes: a sync takes milliseconds, whatever it is for. */
const BATCH_BYTES = 1024 * 1024;
const BEGIN_SHARE = 1 / 2;
/** Of the share at which it has begun. */
const END_SHARE = 1 / 2;

export class LogCleaner {
  readonly #records: LogRecords;
  readonly #batchBytes: number;
  #running: Promise<void> | undefined;
  #isStopping = false;
  /** How many segments were removed. */
  removed = 0;
  /** What cleaning by itself has stopped at; it is tried again by `compact`, and once for each segment that is begun. */
  fault: unknown;
  /** The segment that was written to then. */
  #faultAt = 0;

  /** `batchBytes`: as much may be there twice for a moment, and a segment more. */
  constructor(records: LogRecords, batchBytes = BATCH_BYTES) {
    this.#records = records;
    this.#batchBytes = batchBytes;
  }

  /** Begins to clean where more than `beginShare` of the sealed bytes would be given back. */
  nudge(beginShare = BEGIN_SHARE): void {
    const { segments } = this.#records;
    // After a fault not before the log has grown by a segment: a disk that was full has room again.
    const mayTry = this.fault === undefined || segments.active.id > this.#faultAt;
    if (this.#running === undefined && mayTry && this.#deadShare() > beginShare) {
      const succeed = () => {
        this.fault = undefined;
      };
      // Nobody waits for it: it is kept for the facts.
      this.#start(beginShare * END_SHARE).then(succeed, (fault: unknown) => {
        this.fault = fault;
        this.#faultAt = segments.active.id;
      });
    }
  }

  /** Cleans all there is by now. */
  async compact(): Promise<void> {
    // Whoever waits here with others finds what the first of them has begun.
    while (this.#running !== undefined) await this.#running.catch(() => 'told by its fault');
    this.fault = undefined;
    const { segments } = this.#records;
    if (segments.active.deadBytes > 0) {
      segments.room(0);
      segments.roll();
    }
    if (segments.sealedDeadBytes > 0) {
      await this.#start(0);
    }
  }

  /** Ends after the slice that it is at. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running?.catch(() => 'told by its fault');
  }

  /** Cleans the oldest segment at once, for those who need the room now. With `sync` the copies are on the medium first. */
  cleanOldest(sync: boolean): void {
    const segment = this.#records.segments.all[0] as Segment;
    for (let offset = SEGMENT_HEAD_BYTES; offset < segment.bytes; ) {
      offset = this.#slice(segment, offset);
    }
    this.#records.noteRetired(segment.id + 1);
    if (sync) {
      this.#records.segments.commits.commitNow();
    }
    this.#remove(segment);
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  #deadShare(): number {
    const { segments } = this.#records;
    return segments.all.length < 2 ? 0 : segments.sealedDeadBytes / segments.sealedBytes;
  }

  #start(endShare: number): Promise<void> {
    const over = () => {
      this.#running = undefined;
    };
    const run = this.#run(endShare);
    this.#running = run;
    run.then(over, over);
    return run;
  }

  /** Once through all segments that are sealed by now, at most. */
  async #run(endShare: number): Promise<void> {
    const { segments } = this.#records;
    const last = (segments.all.at(-2) as Segment).id;
    while (!this.#isStopping && this.#deadShare() > endShare && (segments.all[0] as Segment).id <= last) {
      await this.#cleanSome(last);
    }
  }

  /** The oldest segment, or some where they are small: one sync is for all of them. */
  async #cleanSome(last: number): Promise<void> {
    const { segments } = this.#records;
    const cleaned: Segment[] = [];
    let bytes = 0;
    for (let next = segments.all[0]; next !== undefined && next.id <= last && bytes < this.#batchBytes; ) {
      const segment: Segment = next;
      if (!(await this.#copy(segment))) {
        return;
      }
      cleaned.push(segment);
      bytes += segment.bytes;
      next = segments.all.find(({ id }) => id > segment.id);
    }
    this.#records.noteRetired((cleaned.at(-1) as Segment).id + 1);
    await segments.commits.commit();
    for (const segment of cleaned) {
      // Whoever needed the room at once may have removed it meanwhile.
      if (!segment.isRetired) this.#remove(segment);
    }
  }

  /** Copies what lives in a segment; false when it was told to stop. */
  async #copy(segment: Segment): Promise<boolean> {
    // Nothing lives there: nothing to read.
    let offset = segment.liveBytes === 0 ? segment.bytes : SEGMENT_HEAD_BYTES;
    while (offset < segment.bytes && !segment.isRetired) {
      if (this.#isStopping) {
        return false;
      }
      offset = this.#slice(segment, offset);
      await turn();
    }
    return true;
  }

  #remove(segment: Segment): void {
    if (segment.liveBytes !== 0 || segment !== this.#records.segments.all[0]) {
      throw new Error(`log: ${segment.path} is not the oldest, or ${segment.liveBytes} bytes live there still`);
    }
    this.#records.segments.unlinkOldest();
    this.removed++;
  }

  /** Copies what lives from `offset` on, and answers where the next slice begins. */
  #slice(segment: Segment, offset: number): number {
    const records = this.#records;
    const moved: Buffer[] = [];
    const entries: number[] = [];
    const visit: VisitFrame = (frame, bytes, at, frameOffset) => {
      if (frame.kind !== SET && frame.kind !== BLOB) {
        return;
      }
      const { hashLow, hashHigh } = records.hashed(bytes, at + FRAME_HEAD_BYTES, frame.keyLength);
      const entry = records.index.findAt(hashLow, hashHigh, placeOf(segment.slot, frameOffset));
      if (entry !== NONE) {
        entries.push(entry);
        moved.push(bytes.subarray(at, at + frame.byteLength));
      }
    };
    let stop = this.#scan(segment, offset, SLICE_BYTES, visit);
    if (stop.why === 'more' && stop.offset === offset) {
      stop = this.#scan(segment, offset, stop.bytes, visit);
    }
    if (stop.why === 'torn' || stop.why === 'damaged') {
      throw damage(segment.path, stop.offset, stop.reason);
    }
    if (entries.length > 0) {
      records.moveForward(Buffer.concat(moved), entries);
    }
    return stop.offset;
  }

  #scan(segment: Segment, offset: number, bytes: number, visit: VisitFrame): Stop {
    const { segments } = this.#records;
    const fd = segments.open.of(segment);
    const window = Buffer.allocUnsafe(Math.min(bytes, segment.bytes - offset));
    let read = 0;
    while (read < window.length) {
      const at = offset + read;
      const count = attempt('read', segment.path, () =>
        segments.files.readSync(fd, window, read, window.length - read, at),
      );
      if (count === 0) {
        throw damage(segment.path, at, 'the file has become shorter since it was opened');
      }
      read += count;
    }
    return scanFrames(window, offset, segment.bytes, segment.seed, visit);
  }
}
