/**
 * Reads all of a log and tells what is wrong with it, one sentence for each thing; nothing is changed, and the log need not be
 * open, nor fit to be opened. What a killed process leaves at the end of the last segment is not wrong: the next opening
 * cuts it off.
 */
import { join } from 'node:path';
import { CacheError } from '../../errors.ts';
import { type Files, READ_ONLY } from '../../files.ts';
import { engineError } from '../faults.ts';
import { FRAME_HEAD_BYTES, type FrameView, placeSeed, RETIRE } from './frame.ts';
import { readNote } from './note.ts';
import { currentIds, headOf, segmentIds } from './opening.ts';
import { readSegmentHead, SEGMENT_HEAD_BYTES, segmentName } from './segment.ts';
import { type Hole, isBlank, type Walked, walkAround } from './walk.ts';

/** What is to be known of one segment, whole or not. */
export interface Survey {
  readonly id: number;
  readonly path: string;
  readonly size: number;
  /** How long the segment before it is, or what is wrong with its head. */
  readonly head: number | CacheError;
  readonly holes: readonly Hole[];
  /** Frames at the end that were not written to their end start there. */
  readonly tornAt: number;
  /** The highest id that it says is obsolete, and one. */
  readonly retired: number;
}

/** One survey for each segment that counts. `visit` sees all frames that are whole. */
export async function* surveyLog(
  files: Files,
  directory: string,
  visit: (frame: FrameView, bytes: Buffer, at: number) => void = () => {},
): AsyncGenerator<Survey> {
  const ids = currentIds(segmentIds(files, directory));
  for (const id of ids) {
    const path = join(directory, segmentName(id));
    const fd = openOr(files, path);
    if (fd === undefined) {
      continue;
    }
    try {
      const { size } = files.fstatSync(fd);
      const head = readSegmentHead(headOf(files, path), path);
      let retired = 1;
      const walked: Walked = { files, fd, size, seed: placeSeed(id) };
      const holes =
        size < SEGMENT_HEAD_BYTES
          ? []
          : await walkAround(walked, (frame, bytes, at) => {
              if (frame.kind === RETIRE) retired = Math.max(retired, bytes.readUInt32LE(at + FRAME_HEAD_BYTES));
              visit(frame, bytes, at);
            });
      const tail = holes.at(-1);
      const isTorn =
        id === ids.at(-1) &&
        tail !== undefined &&
        tail.to === size &&
        (tail.reason.startsWith('it ends') || (await isBlank(walked, tail.from)));
      yield {
        id,
        path,
        size,
        head,
        holes: isTorn ? holes.slice(0, -1) : holes,
        tornAt: isTorn ? tail.from : size,
        retired,
      };
    } finally {
      files.closeSync(fd);
    }
  }
}

/** Undefined for a segment that a compaction has just removed. */
function openOr(files: Files, path: string): number | undefined {
  try {
    return files.openSync(path, READ_ONLY);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw engineError('open a segment', path, cause);
  }
}

/** `isOpen`: whether this process has it open, and may remove its oldest segments meanwhile. */
export async function* verifyLog(files: Files, directory: string, isOpen = false): AsyncGenerator<string> {
  const all = segmentIds(files, directory);
  let before: Survey | undefined;
  let first: number | undefined;
  let retired = 1;
  for await (const survey of surveyLog(files, directory)) {
    const isUnborn = survey.size < SEGMENT_HEAD_BYTES && survey.id === all.at(-1);
    if (typeof survey.head !== 'number' && !isUnborn) {
      yield survey.head.message;
    }
    if (before?.id === survey.id - 1 && typeof survey.head === 'number' && survey.head !== before.size) {
      yield `${before.path} has ${before.size} bytes, and the next segment says that it has ${survey.head}`;
    }
    for (const { from, to, reason } of survey.holes) {
      yield `${survey.path}: ${to - from} bytes from ${from} on are no entry: ${reason}`;
    }
    first ??= survey.id;
    retired = Math.max(retired, survey.retired);
    before = survey;
  }
  if (first !== undefined && first > retired && !isOpen) {
    yield `${join(directory, segmentName(first - 1))} is missing`;
  }
  yield* verifyNote(files, directory, before);
}

async function* verifyNote(files: Files, directory: string, last: Survey | undefined): AsyncGenerator<string> {
  try {
    const note = readNote(files, directory);
    if (note === undefined) {
      return;
    }
    if (last === undefined || note.id > last.id) {
      yield `${directory}: the log was closed with segments up to ${note.id}, which is missing`;
    } else if (note.id === last.id && last.tornAt < note.bytes) {
      yield `${last.path} ends at byte ${last.tornAt}, and the log was closed with ${note.bytes}`;
    }
  } catch (error) {
    if (!(error instanceof CacheError)) {
      throw error;
    }
    yield error.message;
  }
}
