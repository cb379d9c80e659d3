/** Gives back what replaced, deleted and expired results take in a memo file, and what is damaged in it. */
import { diskFiles, type Files } from '../../../protocol/files.ts';
import { HEAD } from './frame.ts';
import { type Rewriter, type Rewritten, rewriteMemoFile } from './rewriting.ts';

export interface CompactOptions {
  /** Whether the old file is there as PATH.bak until the new one is. One that is there already becomes PATH.bak.bak. Default true. */
  readonly backup?: boolean | undefined;
  readonly files?: Files | undefined;
}

/** Frames stay as they are: the new file has the seed of the old one. */
const KEEPER: Rewriter = { rewrite: (frame) => (frame.kind === HEAD ? undefined : frame.whole) };

/**
 * Others may have the file open, and go on. Where it fails the file is as it was, and the backup stays.
 *
 * ```ts
 * const { entries, dropped, bytesBefore, bytesAfter } = await compact('f.log');
 * ```
 * Rejects with ENGINE_ERROR (its cause has ENOENT where there is no such file), STORE_FOREIGN or LOCKED.
 */
export function compact(path: string, { backup = true, files = diskFiles }: CompactOptions = {}): Promise<Rewritten> {
  return rewriteMemoFile({ files, path, backup, removeBackupOnFailure: false, rewriterOf: () => KEEPER });
}
