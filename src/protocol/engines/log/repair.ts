/**
 * Makes a damaged log one that opens, with every frame that is whole. The damaged file keeps all its bytes under another
 * name, and a copy takes its place in which the damaged bytes are a `gap`: all other frames stay where they were.
 *
 *     0000000003.log             [ head ][ a ][ ?????? ][ c ]     --->   [ head ][ a ][ gap    ][ c ]
 *     0000000003.log.damaged-0   the same bytes as before
 *
 * A segment that is missing becomes one gap. It may be killed at any point, and run again.
 */
import { basename, join } from 'node:path';
import type { CacheError } from '../../errors.ts';
import { type Files, readWhole, replaceFile, writeWhole } from '../../files.ts';
import { attempt } from '../faults.ts';
import { FRAME_HEAD_BYTES, GAP, placeSeed, sealFrame } from './frame.ts';
import { NOTE_NAME, readNote } from './note.ts';
import { segmentIds } from './opening.ts';
import { damage, SEGMENT_HEAD_BYTES, segmentHead, segmentName } from './segment.ts';
import { type Survey, surveyLog } from './verify.ts';

const COPY_BYTES = 2 ** 20;
const ASIDE_MAX = 10_000;

/** Answers what was found, one sentence for each segment. Rejects with STORE_FOREIGN for what another version has written. */
export async function repairLog(files: Files, directory: string): Promise<string[]> {
  const found: string[] = [];
  if (await lacksSegments(files, directory)) {
    fillMissing(files, directory, found);
    if (found.length === 0) found.push(`${directory}: the oldest segments were missing`);
  }
  const surveys: Survey[] = [];
  for await (const survey of surveyLog(files, directory)) surveys.push(survey);
  for (const [i, survey] of surveys.entries()) {
    if (typeof survey.head !== 'number' && (survey.head as CacheError).code === 'STORE_FOREIGN') {
      throw survey.head;
    }
    const next = surveys[i + 1];
    const before = surveys[i - 1];
    const size = finalSize(survey, next);
    const bytesBefore = before === undefined ? headOr(survey, 0) : finalSize(before, survey);
    const isWhole = survey.head === bytesBefore && survey.holes.length === 0 && size === survey.size;
    const isOnlyTorn = next === undefined && survey.holes.length === 0 && typeof survey.head === 'number';
    const isUnborn = next === undefined && survey.size < SEGMENT_HEAD_BYTES;
    if (!isWhole && !isOnlyTorn && !isUnborn) {
      found.push(`${survey.path}: ${survey.holes.length} damaged places were put aside`);
      replaceSegment(files, survey, bytesBefore, size);
    }
  }
  const last = surveys.at(-1);
  setNoteAside(files, directory, last, found);
  return found;
}

function headOr(survey: Survey, otherwise: number): number {
  return typeof survey.head === 'number' ? survey.head : otherwise;
}

/**
 * What the next segment says, if it can be read; else up to the last frame that is whole. So, too, where no gap has room between
 * the two: a segment that was missing says how long a torn one before it was.
 */
function finalSize(survey: Survey, next: Survey | undefined): number {
  const tail = survey.holes.at(-1);
  const whole = Math.max(SEGMENT_HEAD_BYTES, tail !== undefined && tail.to === survey.size ? tail.from : survey.size);
  if (next === undefined || typeof next.head !== 'number' || next.head < SEGMENT_HEAD_BYTES) {
    return whole;
  }
  const isTooSmall = next.head > whole && next.head - whole < FRAME_HEAD_BYTES;
  return isTooSmall ? whole : next.head;
}

/** Whether the oldest segment that counts is not the oldest there should be: those before are no rest of a compaction then. */
async function lacksSegments(files: Files, directory: string): Promise<boolean> {
  let first: number | undefined;
  let retired = 1;
  for await (const survey of surveyLog(files, directory)) {
    first ??= survey.id;
    retired = Math.max(retired, survey.retired);
  }
  return first !== undefined && first > retired;
}

/** An empty segment for each that is missing between two others. What it held becomes a gap afterwards. */
function fillMissing(files: Files, directory: string, found: string[]): void {
  const ids = segmentIds(files, directory);
  ids.forEach((id, i) => {
    const before = ids[i - 1];
    if (before === undefined || id - before < 2) return;
    for (let missing = before + 1; missing < id; missing++) {
      const path = join(directory, segmentName(missing));
      const size = attempt(
        'look at a segment',
        join(directory, segmentName(missing - 1)),
        () => files.statSync(join(directory, segmentName(missing - 1))).size,
      );
      found.push(`${path} was missing`);
      writeNew(files, path, (fd) => writeWhole(files, fd, segmentHead(missing, size), 0));
    }
  });
}

function replaceSegment(files: Files, survey: Survey, bytesBefore: number, size: number): void {
  const { path, id } = survey;
  attempt('put a damaged segment aside', path, () => files.linkSync(path, asideFor(files, path)));
  const holes = survey.holes
    .map(({ from, to }) => ({ from, to: Math.min(to, size) }))
    .filter(({ from }) => from < size);
  if (Math.max(SEGMENT_HEAD_BYTES, survey.size) < size) {
    const tail = holes.at(-1);
    const isOpen = tail !== undefined && tail.to === survey.size;
    if (isOpen) holes.pop();
    holes.push({ from: isOpen ? tail.from : Math.max(SEGMENT_HEAD_BYTES, survey.size), to: size });
  }
  writeNew(files, path, (fd) => {
    copyInto(files, fd, path, Math.min(size, survey.size));
    files.ftruncateSync(fd, size);
    writeWhole(files, fd, segmentHead(id, bytesBefore), 0);
    for (const { from, to } of holes) {
      if (to - from < FRAME_HEAD_BYTES) {
        throw damage(path, from, 'there is no room for a gap between two entries');
      }
      const head = Buffer.alloc(FRAME_HEAD_BYTES);
      sealFrame(head, 0, GAP, 0, to - from - FRAME_HEAD_BYTES, placeSeed(id), from);
      writeWhole(files, fd, head, from);
    }
  });
}

function writeNew(files: Files, path: string, write: (fd: number) => void): void {
  attempt('repair a segment', path, () => replaceFile(files, path, write, { sync: true }));
}

function copyInto(files: Files, fd: number, path: string, size: number): void {
  const from = files.openSync(path, 'r');
  try {
    const window = Buffer.allocUnsafe(Math.min(size, COPY_BYTES));
    for (let at = 0; at < size; ) {
      const count = files.readSync(from, window, 0, Math.min(window.length, size - at), at);
      if (count === 0) {
        break;
      }
      writeWhole(files, fd, window.subarray(0, count), at);
      at += count;
    }
  } finally {
    files.closeSync(from);
  }
}

/** The note is kept only where the log is what it says. */
function setNoteAside(files: Files, directory: string, last: Survey | undefined, found: string[]): void {
  const path = join(directory, NOTE_NAME);
  if (readWhole(files, path) === undefined) {
    return;
  }
  let isRight = false;
  try {
    const note = readNote(files, directory);
    isRight =
      found.length === 0 &&
      last !== undefined &&
      note !== undefined &&
      note.id === last.id &&
      note.bytes === last.tornAt;
  } catch {
    // It is damaged: put aside like all that is.
  }
  if (!isRight) {
    attempt('put the closing note aside', path, () => files.renameSync(path, asideFor(files, path)));
    found.push(`${path} was put aside`);
  }
}

function asideFor(files: Files, path: string): string {
  const names = new Set(files.readdirSync(join(path, '..')) as string[]);
  for (let n = 0; n < ASIDE_MAX; n++) {
    if (!names.has(`${basename(path)}.damaged-${n}`)) {
      return `${path}.damaged-${n}`;
    }
  }
  throw damage(path, 0, `there are ${ASIDE_MAX} files that were put aside before: move them away`);
}
