/** What is in a memo file, without a change to anything: for people who look, and for the command. */
import { engineError } from '../../../protocol/engines/faults.ts';
import { diskFiles, type Files, READ_ONLY } from '../../../protocol/files.ts';
import { ClaimTable } from './claim-table.ts';
import { assertMemo } from './foreign.ts';
import { CLAIM, CLEAR, DELETE, RELEASE, RESULT, VERSION } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { MemoResults } from './results.ts';

export interface MemoInspection {
  readonly path: string;
  readonly version: number;
  /** Of the function; undefined where the head of the file is damaged, and so all of it. */
  readonly name: string | undefined;
  readonly serializer: string | undefined;
  /** Results that have not expired. */
  readonly entries: number;
  readonly bytes: number;
  /** Results that were written altogether: what is more than the entries a compaction gives back. */
  readonly results: number;
  /** Keys that are being computed. */
  readonly computing: number;
  /** Pieces of the file that are no frames, and what they take. */
  readonly damaged: number;
  readonly damagedBytes: number;
}

/** Throws ENGINE_ERROR or STORE_FOREIGN. */
export function inspectMemoFile(path: string, { files = diskFiles }: { files?: Files } = {}): MemoInspection {
  try {
    const fd = files.openSync(path, READ_ONLY);
    try {
      return inspect(files, fd, path);
    } finally {
      files.closeSync(fd);
    }
  } catch (cause) {
    throw engineError('read a memo file', path, cause, 'filename');
  }
}

function inspect(files: Files, fd: number, path: string): MemoInspection {
  const stat = files.fstatSync(fd);
  assertMemo(files, fd, stat, path);
  const reader = new FrameReader();
  const results = new MemoResults();
  const claims = new ClaimTable();
  let count = 0;
  reader.read(files, fd, stat.size, (frame, offset) => {
    const { kind, key } = frame;
    if (kind === RESULT) {
      count++;
      results.add(key, frame, offset);
      claims.end(key);
    } else if (kind === DELETE) results.remove(key);
    else if (kind === CLEAR) results.clear();
    else if (kind === CLAIM) claims.add(frame, offset);
    else if (kind === RELEASE) claims.remove(key, frame.ticket);
  });
  const torn = stat.size - reader.offset;
  return {
    path,
    version: VERSION,
    name: reader.head?.name,
    serializer: reader.head?.serializer,
    entries: results.size,
    bytes: stat.size,
    results: count,
    computing: claims.placesOfLiving(Date.now()).length,
    damaged: reader.holes + (torn > 0 ? 1 : 0),
    damagedBytes: reader.holeBytes + torn,
  };
}
