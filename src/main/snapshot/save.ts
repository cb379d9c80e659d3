/**
 * Saves a cache: all owners write at once, each from its own thread, and this thread puts a beginning and an end to it.
 *
 *     temporary: header    owners: blocks, at offsets from one shared cursor    index, footer    fsync    rename    fsync of the directory
 *
 * Until it is renamed nobody takes the file for a snapshot, and what had the name before is whole. A save that fails or is given up
 * removes the temporary; an owner that still writes then writes into a file without a name.
 */
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { discard, type Files, syncDirectory, temporaryFor, writeWhole } from '../../protocol/files.ts';
import { sealIndex } from '../../protocol/snapshot/block-index.ts';
import { snapshotHeader } from '../../protocol/snapshot/ends.ts';
import { HEADER_BYTES, ID_BYTES, type SnapshotFacts } from '../../protocol/snapshot/file.ts';
import type { SavedShard } from '../../protocol/snapshot/tasks.ts';
import { aboutFile } from './faults.ts';
import type { Owners } from './owners.ts';
import { orAborted } from './turns.ts';

export interface SaveWork {
  readonly files: Files;
  readonly owners: Owners;
  /** All but what is known in the end. */
  readonly facts: Omit<SnapshotFacts, 'entries'>;
  /** What the wall's clock says when the cache's says 0. */
  readonly wallOriginMs: number;
}

export interface WrittenFile {
  readonly entries: number;
  readonly bytes: number;
}

/**
 * Writes a snapshot under a temporary name and hands that to `finish`, which renames it or reads it. Rejects with what stands in the
 * way, and with the signal's reason; then nothing is left.
 */
export async function writeSnapshot<T>(
  work: SaveWork,
  path: string,
  signal: AbortSignal,
  finish: (temporary: string, written: WrittenFile, fd: number) => Promise<T>,
): Promise<T> {
  const { files, owners, facts, wallOriginMs } = work;
  const temporary = temporaryFor(path);
  const id = randomBytes(ID_BYTES);
  const fd = files.openSync(temporary, 'wx+');
  try {
    writeWhole(files, fd, snapshotHeader(id), 0);
    const cursor = new SharedArrayBuffer(8);
    const offsets = new BigInt64Array(cursor);
    offsets[0] = BigInt(HEADER_BYTES);
    const task = { do: 'save', path: temporary, cursor, wallOriginMs } as const;
    const asked: Promise<SavedShard>[] = Array.from({ length: owners.count }, (_, shard) => owners.ask(shard, task));
    const saved = await orAborted(Promise.all(asked), signal);
    const shards = saved.map(({ blocks }) => blocks);
    const entries = shards.flat().reduce((sum, block) => sum + block.entries, 0);
    const offset = Number(Atomics.load(offsets, 0));
    const end = sealIndex(id, { ...facts, entries }, shards, offset);
    writeWhole(files, fd, end, offset);
    return await finish(temporary, { entries, bytes: offset + end.length }, fd);
  } catch (error) {
    throw aboutFile('CACHE_SAVE_ERROR', path, temporary, error);
  } finally {
    files.closeSync(fd);
    // Renamed, it is there no more under this name.
    discard(files, temporary);
  }
}

/**
 * Gives a file that was written its name, for good, and says which. The last moment to give up is before. The name is asked for in
 * the moment in which it is taken: another cache of this thread may be saving beside.
 */
export async function publish(
  files: Files,
  fd: number,
  temporary: string,
  nameOf: () => string,
  signal: AbortSignal,
): Promise<string> {
  await orAborted(files.fsync(fd), signal);
  const path = nameOf();
  const { mode } = files.statSync(path, { throwIfNoEntry: false }) ?? {};
  // Who might not read the old one shall not read the new one.
  if (mode !== undefined && mode !== files.fstatSync(fd).mode) files.fchmodSync(fd, mode & 0o777);
  files.renameSync(temporary, path);
  syncDirectory(files, dirname(path));
  return path;
}
