/**
 * A snapshot that no cache saves: entries from elsewhere, in a file that is there whole or not at all, and never in place of another.
 *
 *     temporary: binary, one shard --json?--> temporary: text --fsync, renamed--> TO
 */
import { dirname, resolve } from 'node:path';
import { isTyped } from '../../protocol/engines/faults.ts';
import { CacheError, misuse } from '../../protocol/errors.ts';
import { discard, diskFiles, type Files, temporaryFor } from '../../protocol/files.ts';
import { SnapshotWriter } from '../../protocol/snapshot/entry.ts';
import { diskError } from '../../protocol/snapshot/faults.ts';
import type { SnapshotFacts } from '../../protocol/snapshot/file.ts';
import type { ValueCodec } from '../serializers/index.ts';
import { isJsonPath, saveAsJson } from './json-file.ts';
import { publish } from './save.ts';
import type { SnapshotFormat } from './snapshot-at.ts';

export interface MadeSnapshot {
  /** Absolute. */
  readonly path: string;
  readonly format: SnapshotFormat;
  readonly entries: number;
  /** Of the file. */
  readonly bytes: number;
}

/** What is known when all entries were added. */
interface Filled {
  readonly facts: Omit<SnapshotFacts, 'shards' | 'entries'>;
  /** Reads their values, for a text. Throws where there is none. */
  codec(): ValueCodec;
}

/** A text where `to` ends in .json. Rejects with CACHE_SAVE_ERROR, and with what `fill` rejects with. */
export async function makeSnapshot(
  to: string,
  fill: (writer: SnapshotWriter) => Promise<Filled>,
  files: Files = diskFiles,
): Promise<MadeSnapshot> {
  if (typeof to !== 'string' || to === '' || to.includes('\0')) {
    throw misuse('INVALID_CONFIG', '`to` to be the path of a file', to, { option: 'to' });
  }
  const path = resolve(to);
  try {
    assertFree(files, path);
    files.mkdirSync(dirname(path), { recursive: true });
    const temporary = temporaryFor(path);
    const fd = files.openSync(temporary, 'wx+');
    try {
      const writer = new SnapshotWriter(fd, files);
      const { facts, codec } = await fill(writer);
      const { entries, bytes } = writer.finish(facts);
      const nameOf = () => assertFree(files, path);
      const { signal } = new AbortController();
      if (isJsonPath(path)) {
        const text = await saveAsJson(files, temporary, path, nameOf, codec(), signal);
        return { path, format: 'json', entries, bytes: text.bytes };
      }
      await publish(files, fd, temporary, nameOf, signal);
      return { path, format: 'binary', entries, bytes };
    } finally {
      files.closeSync(fd);
      discard(files, temporary);
    }
  } catch (error) {
    throw isTyped(error) ? error : diskError('CACHE_SAVE_ERROR', 'write a snapshot', path, error);
  }
}

/** The path. Throws CACHE_SAVE_ERROR where something lies there. */
function assertFree(files: Files, path: string): string {
  if (files.lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
    const message = `There is something at ${path} already. Next: choose a path where nothing is`;
    throw new CacheError('CACHE_SAVE_ERROR', message, { path });
  }
  return path;
}
