/**
 * How many entries a log has, and some of them, from its files alone: whoever has it open goes on. All its keys are in memory for
 * as long as that takes.
 */
import { CLEAR, DELETE, FRAME_HEAD_BYTES, type FrameView, SET } from '../../protocol/engines/log/frame.ts';
import { surveyLog } from '../../protocol/engines/log/verify.ts';
import type { Files } from '../../protocol/files.ts';

/** Records that are kept to be shown: of a log they may be gigabytes. */
const KEPT_MAX = 1_000;

export interface LogGlimpse {
  readonly entries: number;
  readonly records: readonly (readonly [key: string, record: Buffer])[];
}

export async function glimpseLog(files: Files, directory: string, shown: number): Promise<LogGlimpse> {
  const entries = new Map<string, Buffer | undefined>();
  let kept = 0;
  const visit = ({ kind, keyLength, recordLength }: FrameView, bytes: Buffer, at: number) => {
    if (kind === CLEAR) {
      entries.clear();
      return;
    }
    const start = at + FRAME_HEAD_BYTES;
    const key = bytes.toString('utf8', start, start + keyLength);
    if (kind === DELETE) {
      entries.delete(key);
    } else if (kind === SET) {
      const isKept = shown > 0 && (entries.get(key) !== undefined || kept++ < KEPT_MAX);
      const record = bytes.subarray(start + keyLength, start + keyLength + recordLength);
      entries.set(key, isKept ? Buffer.from(record) : undefined);
    }
  };
  for await (const _ of surveyLog(files, directory, visit)) {
    // What is wrong with it `verifyLog` tells.
  }
  const records: [string, Buffer][] = [];
  for (const [key, record] of entries) {
    if (records.length === shown) break;
    if (record !== undefined) records.push([key, record]);
  }
  return { entries: entries.size, records };
}
