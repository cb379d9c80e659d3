/** A folder of its own for a memo file, the openers of a test, and what they store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FrameView } from '../../src/main/memo/file/frame.ts';
import { type MemoFile, type MemoFileOptions, openMemoFile } from '../../src/main/memo/file/memo-file.ts';
import { type Ledger, MemoLog } from '../../src/main/memo/file/memo-log.ts';
import type { MemoRecord } from '../../src/main/memo/tier.ts';
import { diskFiles } from '../../src/protocol/files.ts';

export class MemoFolder {
  readonly directory = mkdtempSync(join(tmpdir(), 'shardstash-memo-'));
  readonly path = join(this.directory, 'f.log');
  readonly #opened: { close(): void }[] = [];

  open(options: Partial<MemoFileOptions> = {}): MemoFile {
    const file = openMemoFile({ path: this.path, name: 'f', ...options });
    this.#opened.push(file);
    return file;
  }

  /** The frames as they are, to add some that nobody would write here. Those of the others are visited with its `refresh`. */
  log(visit: Ledger['visit'] = () => {}): MemoLog {
    const head = { name: 'f', serializer: 'msgpack' };
    const log = new MemoLog({ files: diskFiles, path: this.path, head }, { reset() {}, visit, damaged() {} });
    this.#opened.push(log);
    return log;
  }

  remove(): void {
    for (const file of this.#opened.splice(0)) file.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function record(result: unknown, rest: Partial<MemoRecord> = {}): MemoRecord {
  return {
    result,
    args: undefined,
    version: undefined,
    createdAtMs: 1_000,
    expiresAtMs: Number.POSITIVE_INFINITY,
    ...rest,
  };
}

/** Where the frames of a file begin, and where the last one ends. Of bytes that are whole. */
export function boundariesOf(bytes: Buffer): number[] {
  const frame = new FrameView();
  const boundaries = [0];
  for (let at = 0; at < bytes.length; boundaries.push(at)) {
    frame.take(bytes, at);
    at += frame.byteLength;
  }
  return boundaries;
}
