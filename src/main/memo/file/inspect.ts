/** What is in a memo file, without a change to anything: for people who look, and for the command. */
import { diskFiles, type Files } from '../../../protocol/files.ts';
import { isSerializerName } from '../../serializers/index.ts';
import { ClaimTable } from './claim-table.ts';
import { type FileHead, type FrameView, RESULT, VERSION } from './frame.ts';
import { replay } from './replay.ts';
import { decodeResult } from './result-record.ts';
import { MemoResults } from './results.ts';
import { codecOf } from './upgrade.ts';
import { walkMemoFile } from './walk.ts';

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
  /** Latest first. */
  readonly sample: readonly InspectedResult[];
}

/** Of a result that is shown. */
export interface InspectedResult {
  /** The hash of the call. */
  readonly key: string;
  readonly value: unknown;
  /** Undefined where they could not be stored. */
  readonly args: readonly unknown[] | undefined;
  /** Milliseconds since 1970, Infinity for ever. */
  readonly expiresAt: number;
}

export interface MemoInspectOptions {
  /** How many results are shown: the latest. Default 0. */
  readonly entries?: number | undefined;
  readonly files?: Files | undefined;
}

/** Throws ENGINE_ERROR or STORE_FOREIGN. */
export function inspectMemoFile(
  path: string,
  { entries = 0, files = diskFiles }: MemoInspectOptions = {},
): MemoInspection {
  const results = new MemoResults();
  const claims = new ClaimTable();
  let count = 0;
  let damaged = 0;
  let damagedBytes = 0;
  const { head, bytes } = walkMemoFile(
    files,
    path,
    (frame, offset) => {
      if (frame.kind === RESULT) count++;
      replay(frame, offset, results, claims);
    },
    (from, to) => {
      damaged++;
      damagedBytes += to - from;
    },
  );
  return {
    path,
    version: VERSION,
    name: head?.name,
    serializer: head?.serializer,
    entries: results.size,
    bytes,
    results: count,
    computing: claims.placesOfLiving(Date.now()).length,
    damaged,
    damagedBytes,
    sample: head === undefined || entries === 0 ? [] : latest(files, path, head, results.places, entries),
  };
}

/** A second walk, now that it is known what counts: frames further on may have replaced those before. */
function latest(files: Files, path: string, head: FileHead, places: number[], entries: number): InspectedResult[] {
  const wanted = new Set(places.sort((a, b) => b - a).slice(0, entries));
  const shown: InspectedResult[] = [];
  walkMemoFile(files, path, (frame, offset) => {
    if (wanted.has(offset)) shown.push({ key: frame.key, ...resultOf(frame, head), expiresAt: frame.expiresAtMs });
  });
  return shown.reverse();
}

/** What a serializer of somebody's own has made is shown by its length. */
function resultOf(frame: FrameView, { serializer }: FileHead): Pick<InspectedResult, 'value' | 'args'> {
  if (!isSerializerName(serializer)) {
    return { value: `${frame.payload.length} bytes`, args: undefined };
  }
  try {
    const { result: value, args } = decodeResult(codecOf(serializer), frame.payload, frame);
    return { value, args };
  } catch (error) {
    return { value: `cannot be read: ${(error as Error).message}`, args: undefined };
  }
}
