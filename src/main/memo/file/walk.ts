/** One walk through all of a memo file, from its first byte to its last, without a change to anything: what is in it, and where something else is. */
import { engineError } from '../../../protocol/engines/faults.ts';
import { type Files, READ_ONLY } from '../../../protocol/files.ts';
import { assertMemo } from './foreign.ts';
import type { FileHead } from './frame.ts';
import { FrameReader, type VisitFrame } from './frame-reader.ts';

export interface Walked {
  /** Undefined where the head of the file is damaged, and so all of it. */
  readonly head: FileHead | undefined;
  /** Of the file. */
  readonly bytes: number;
}

/** Bytes that are no frame. */
export type VisitGap = (from: number, to: number) => void;

/** Throws ENGINE_ERROR or STORE_FOREIGN. */
export function walkMemoFile(files: Files, path: string, visit: VisitFrame, gap: VisitGap = () => {}): Walked {
  try {
    const fd = files.openSync(path, READ_ONLY);
    try {
      const stat = files.fstatSync(fd);
      assertMemo(files, fd, stat, path);
      const reader = new FrameReader();
      let end = 0;
      reader.read(files, fd, stat.size, (frame, offset) => {
        if (offset > end) gap(end, offset);
        end = offset + frame.byteLength;
        visit(frame, offset);
      });
      if (stat.size > end) gap(end, stat.size);
      return { head: reader.head, bytes: stat.size };
    } finally {
      files.closeSync(fd);
    }
  } catch (cause) {
    throw engineError('read a memo file', path, cause, 'filename');
  }
}
