/**
 * Opens a log: reads its segments from the oldest to the newest, and says where each key is.
 *
 * What a process leaves that was killed is no damage: a frame at the end of the last segment that runs past the end of the
 * file, or is nothing but zero bytes, is cut off; a segment that was just being begun is removed. Such a log is a prefix of what was
 * written with all that was acknowledged. Anything else that does not check is damage, and stops the opening: a segment that
 * is missing between two others, or shorter than the next one says, or than the note of who closed the log.
 *
 * Segments that a compaction has retired, but not yet removed, are removed here.
 */
import { join } from 'node:path';
import type { CacheError } from '../../errors.ts';
import { discard, type Files, isLeftover, READ_ONLY } from '../../files.ts';
import { attempt } from '../faults.ts';
import { BLOB, CLEAR, DELETE, FRAME_HEAD_BYTES, type FrameView, RETIRE, SET } from './frame.ts';
import { type ClosingNote, NOTE_NAME, readNote } from './note.ts';
import { NONE } from './places.ts';
import type { LogRecords } from './records.ts';
import { damage, readSegmentHead, SEGMENT_HEAD_BYTES, type Segment, segmentIdOf, segmentName } from './segment.ts';
import { isBlank, type Walked, walkSegment } from './walk.ts';

/** What the opener of a log that keeps more than an index wants to hear, in the order of the frames. */
export interface Replay {
  put?(entry: number, frame: FrameView, bytes: Buffer, recordAt: number, isNew: boolean): void;
  gone?(entry: number): void;
  cleared?(): void;
}

export interface Opening {
  /** What was cut off at the end. */
  readonly tornBytes: number;
  readonly wasClosed: boolean;
}

/** The ids of all segments in a directory, in order. */
export function segmentIds(files: Files, directory: string): number[] {
  const names = attempt('list the segments', directory, () => files.readdirSync(directory)) as string[];
  return names
    .map(segmentIdOf)
    .filter((id) => id !== undefined)
    .sort((a, b) => a - b);
}

/** Those that count: the newest, and all before it without a gap. */
export function currentIds(ids: readonly number[]): number[] {
  let from = ids.length - 1;
  while (from > 0 && ids[from - 1] === (ids[from] as number) - 1) from--;
  return ids.slice(Math.max(0, from));
}

/** Removes what processes that have ended left half-written. */
function sweepTemporaries(files: Files, directory: string): void {
  const names = attempt('list the segments', directory, () => files.readdirSync(directory)) as string[];
  for (const name of names.filter(isLeftover)) discard(files, join(directory, name));
}

/** `lacksOldest`: whether the oldest segments may be missing, as they may after a repair. */
export async function openLog(
  records: LogRecords,
  { replay = {}, lacksOldest = false }: { replay?: Replay; lacksOldest?: boolean } = {},
): Promise<Opening> {
  const { segments } = records;
  const { files, directory } = segments;
  sweepTemporaries(files, directory);
  const note = readNote(files, directory);
  const ids = segmentIds(files, directory);
  let tornBytes = 0;
  // Before anything is read: what is torn is at the end of the last one that was begun, and the names before it count.
  while (await isUnborn(files, directory, ids.at(-1), note)) {
    const path = join(directory, segmentName(ids.pop() as number));
    tornBytes += attempt('look at a segment', path, () => files.statSync(path).size);
    attempt('remove a segment that was just begun', path, () => files.unlinkSync(path));
  }
  const current = currentIds(ids);
  const last = current.at(-1);
  let retired = 1;
  let before: Segment | undefined;
  for (const id of current) {
    const path = join(directory, segmentName(id));
    const size = attempt('look at a segment', path, () => files.statSync(path).size);
    const bytesBefore = readSegmentHead(headOf(files, path), path);
    if (typeof bytesBefore !== 'number') {
      throw bytesBefore;
    }
    if (before !== undefined && before.bytes !== bytesBefore) {
      throw wrongLength(before, bytesBefore);
    }
    const segment = segments.adopt(id, size);
    before = segment;
    retired = Math.max(retired, await readSegment(records, segment, replay, id === last));
    tornBytes += size - segment.bytes;
  }
  const oldest = segments.all[0];
  const isWithoutOldest = oldest !== undefined && oldest.id > retired;
  if (isWithoutOldest && !lacksOldest) {
    throw damage(oldest.path, 0, `the segments before it are missing, from ${retired} on`);
  }
  if (note !== undefined) {
    checkNote(note, segments.all.at(-1), records.index.size, directory);
  }
  removeObsolete(records, ids, retired);
  if (isWithoutOldest) {
    records.noteRetired(oldest.id);
  }
  return { tornBytes, wasClosed: note !== undefined };
}

/** Reads one segment into the index; answers what it says of segments that are retired. Cuts off what is torn. */
async function readSegment(records: LogRecords, segment: Segment, replay: Replay, isLast: boolean): Promise<number> {
  const { segments } = records;
  let retired = 1;
  const visit = (frame: FrameView, bytes: Buffer, at: number, offset: number) => {
    const keyAt = at + FRAME_HEAD_BYTES;
    switch (frame.kind) {
      case SET:
      case BLOB: {
        const previous = records.findBytes(bytes, keyAt, frame.keyLength);
        const entry = records.pointFound(previous, segment, offset, frame.byteLength);
        replay.put?.(entry, frame, bytes, keyAt + frame.keyLength, previous === NONE);
        break;
      }
      case DELETE: {
        const entry = records.findBytes(bytes, keyAt, frame.keyLength);
        if (entry !== NONE) {
          replay.gone?.(entry);
          records.forget(entry);
        }
        break;
      }
      case CLEAR:
        replay.cleared?.();
        records.forgetAll();
        break;
      case RETIRE:
        retired = Math.max(retired, bytes.readUInt32LE(keyAt));
        break;
      // A gap holds nothing.
    }
  };
  const walked: Walked = {
    files: segments.files,
    fd: segments.open.of(segment),
    size: segment.bytes,
    seed: segment.seed,
  };
  segment.pins++;
  const stop = await walkSegment(walked, visit).finally(() => segment.pins--);
  if (stop.why === 'end') {
    return retired;
  }
  const isTorn = isLast && (stop.why === 'torn' || (await isBlank(walked, stop.offset)));
  if (!isTorn) {
    throw damage(segment.path, stop.offset, stop.reason);
  }
  attempt('cut off what was not written to its end', segment.path, () =>
    segments.files.ftruncateSync(segments.open.of(segment), stop.offset),
  );
  segments.bytes -= segment.bytes - stop.offset;
  segment.bytes = stop.offset;
  return retired;
}

/** The begin of a file. */
export function headOf(files: Files, path: string): Buffer {
  return attempt('read the head of a segment', path, () => {
    const fd = files.openSync(path, READ_ONLY);
    try {
      const head = Buffer.alloc(SEGMENT_HEAD_BYTES);
      return head.subarray(0, files.readSync(fd, head, 0, head.length, 0));
    } finally {
      files.closeSync(fd);
    }
  });
}

/** Whether a segment was never begun to its end: there is no head in it, or nothing at all. */
async function isUnborn(
  files: Files,
  directory: string,
  id: number | undefined,
  note: ClosingNote | undefined,
): Promise<boolean> {
  if (id === undefined || (note !== undefined && id <= note.id)) {
    return false;
  }
  const path = join(directory, segmentName(id));
  const head = headOf(files, path);
  if (head.length < SEGMENT_HEAD_BYTES || head.some((byte) => byte !== 0)) {
    return head.length < SEGMENT_HEAD_BYTES;
  }
  const fd = attempt('open a segment', path, () => files.openSync(path, READ_ONLY));
  try {
    return await isBlank({ files, fd, size: files.fstatSync(fd).size, seed: 0 }, 0);
  } finally {
    files.closeSync(fd);
  }
}

function wrongLength(segment: Segment, expected: number): CacheError {
  const reason = `the segment has ${segment.bytes} bytes, and the next one says that it has ${expected}`;
  return damage(segment.path, Math.min(segment.bytes, expected), reason);
}

/** Throws when the log is shorter than it was when it was closed. A longer one was written to after the machine had lost that the note is gone. */
function checkNote(
  note: { id: number; bytes: number; entries: number },
  last: Segment | undefined,
  entries: number,
  directory: string,
): void {
  const path = last?.path ?? join(directory, segmentName(note.id));
  if (last === undefined || note.id > last.id) {
    throw damage(path, last?.bytes ?? 0, `the log was closed with segments up to ${note.id}`);
  }
  if (note.id === last.id && note.bytes > last.bytes) {
    throw damage(path, last.bytes, `the log was closed with ${note.bytes} bytes in this segment`);
  }
  if (note.id === last.id && note.bytes === last.bytes && note.entries !== entries) {
    throw damage(join(directory, NOTE_NAME), 0, `the log was closed with ${note.entries} entries, and has ${entries}`);
  }
}

/** Segments that were retired: what lives in them has been written again since. */
function removeObsolete(records: LogRecords, ids: readonly number[], retired: number): void {
  const { segments } = records;
  const { files, directory, all } = segments;
  const first = all[0]?.id ?? Number.POSITIVE_INFINITY;
  for (const id of ids.filter((id) => id < first && all.length > 0)) {
    const path = join(directory, segmentName(id));
    attempt('remove a segment that is obsolete', path, () => files.unlinkSync(path));
  }
  while (all.length > 1 && (all[0] as Segment).id < retired && (all[0] as Segment).liveBytes === 0) {
    segments.unlinkOldest();
  }
}
