/**
 * One opening of a log, from the lock to the closing note, for the engines that are made of one.
 *
 *     lock - repair, where it is wished - read all segments - reads and writes ... - sync - closing note - unlock
 */
import { join } from 'node:path';
import type { EngineFacts, Place } from '../engine.ts';
import { attempt } from '../faults.ts';
import { lockPlace } from '../lock.ts';
import type { LogCleaner } from './cleaner.ts';
import { NOTE_NAME, writeNote } from './note.ts';
import { type Opening, openLog, type Replay } from './opening.ts';
import { LogRecords } from './records.ts';
import { repairLog } from './repair.ts';
import { LogSegments } from './segments.ts';

/**
 * Makes all of it survive the machine's end and says how it was left, unless that is known already. What fails is told when
 * the files are closed and the lock is given back.
 */
export async function closeSession({ records: { segments, index }, unlock }: LogSession): Promise<void> {
  try {
    if (segments.beforeFirstWrite === undefined || !segments.hasNote) {
      await segments.commits.commit();
      segments.settle();
      const { id, bytes } = segments.active;
      writeNote(segments.files, segments.directory, { id, bytes, entries: index.size });
    }
  } finally {
    await segments.open.settled();
    segments.open.closeAll();
    unlock();
  }
}

export function factsOf({ records: { segments, index }, opening }: LogSession, cleaner: LogCleaner): EngineFacts {
  return {
    bytes: segments.bytes,
    entries: index.size,
    segments: segments.all.length,
    liveBytes: segments.liveBytes,
    openFiles: segments.open.count,
    tornBytes: opening.tornBytes,
    segmentsRemoved: cleaner.removed,
    isCompacting: cleaner.isRunning,
    compactionFault: cleaner.fault === undefined ? undefined : String(cleaner.fault),
  };
}

/** A log that is open, and how it was found. */
export interface LogSession {
  readonly records: LogRecords;
  readonly opening: Opening;
  readonly unlock: () => void;
}

/** Takes the lock, repairs where that is wished, reads the log, and makes an engine of it. What fails gives the lock back. */
export async function openSession<T>(
  place: Place,
  { segmentBytes, repair, replay = {} }: { segmentBytes: number; repair: boolean; replay?: Replay },
  make: (session: LogSession) => T | Promise<T>,
): Promise<T> {
  const { files, directory, warn } = place;
  const unlock = await lockPlace(place);
  const segments = new LogSegments(files, directory, segmentBytes);
  try {
    if (repair) {
      const found = await repairLog(files, directory);
      if (found.length > 0) warn(`The log at ${directory} was damaged and is repaired: ${found.join('; ')}`);
    }
    const records = new LogRecords(segments);
    const opening = await openLog(records, { replay, lacksOldest: repair });
    beginWriting(segments, opening);
    return await make({ records, opening, unlock });
  } catch (error) {
    segments.open.closeAll();
    unlock();
    throw error;
  }
}

/** After the log was read: there is a segment to write to, and the note goes before the first write. */
function beginWriting(segments: LogSegments, { wasClosed }: Opening): void {
  const path = join(segments.directory, NOTE_NAME);
  segments.hasNote = wasClosed;
  segments.beforeFirstWrite = () => {
    attempt('remove the closing note', path, () => segments.files.rmSync(path, { force: true }));
  };
  if (segments.all.length === 0) {
    segments.roll();
  }
}
