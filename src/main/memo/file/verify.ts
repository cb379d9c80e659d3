/**
 * What is wrong with a memo file, in sentences. None of it keeps the file from being used: what is damaged is passed over, and computed
 * again when it is asked for. A piece at the end may be a frame that is just being written.
 */
import { diskFiles, type Files } from '../../../protocol/files.ts';
import type { RecordCodec } from '../../codec/record-codec.ts';
import { isSerializerName } from '../../serializers/index.ts';
import { type FrameView, fileHeadOf, HEAD, RESULT } from './frame.ts';
import { decodeResult } from './result-record.ts';
import { codecOf } from './upgrade.ts';
import { walkMemoFile } from './walk.ts';

/** So many are told at most: of a file that is nothing but damage no more are of use. */
const FINDINGS_MAX = 1_000;

/** None for a file that is whole. Throws ENGINE_ERROR or STORE_FOREIGN. */
export function verifyMemoFile(path: string, { files = diskFiles }: { files?: Files } = {}): string[] {
  const findings: string[] = [];
  const tell = (finding: string) => {
    if (findings.length < FINDINGS_MAX) findings.push(`${finding}, in ${path}`);
  };
  let codec: RecordCodec | undefined;
  const { head } = walkMemoFile(
    files,
    path,
    (frame) => {
      if (frame.kind === HEAD) codec ??= builtInOf(frame);
      else if (frame.kind === RESULT && codec !== undefined) checkResult(codec, frame, tell);
    },
    (from, to) => tell(`Bytes ${from} to ${to - 1} are no frame: damaged, or never written to their end`),
  );
  if (head === undefined) tell('There is no head that says whose results these are, so none of them can be read');
  return findings;
}

/** Undefined for a serializer of somebody's own: its results are not looked into. */
function builtInOf(frame: FrameView): RecordCodec | undefined {
  const { serializer } = fileHeadOf(frame);
  return isSerializerName(serializer) ? codecOf(serializer) : undefined;
}

function checkResult(codec: RecordCodec, frame: FrameView, tell: (finding: string) => void): void {
  try {
    decodeResult(codec, frame.payload, frame);
  } catch (error) {
    tell(`The result of ${JSON.stringify(frame.key)} cannot be read: ${(error as Error).message}`);
  }
}
