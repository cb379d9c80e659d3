/** Gives back what removed and replaced entries take, in a store that is named by its place. */
import { diskFiles, type Files } from '../../protocol/files.ts';
import { findStoreAt, isServer, openPartsAt, type PlaceOptions } from './store-at.ts';
import { bytesIn } from './store-bytes.ts';

export interface Compacted {
  /** Of all files of the store, without those of stores within it; undefined for a server. */
  readonly bytesBefore: number | undefined;
  readonly bytesAfter: number | undefined;
  readonly entries: number;
}

/**
 * Opens a store, compacts it and closes it again. Rejects with LOCKED where somebody else has it for themselves, and with what
 * `openStore` rejects with.
 */
export async function compactStore(place: string, options: PlaceOptions = {}): Promise<Compacted> {
  const files: Files = diskFiles;
  const bytes = async () => (isServer(place) ? undefined : await bytesIn(files, findStoreAt(files, place).directory));
  const bytesBefore = await bytes();
  const { engine } = await openPartsAt(files, place, options);
  let entries: number;
  try {
    await engine.compact?.();
    entries = await engine.size();
  } finally {
    await engine.close();
  }
  return { bytesBefore, bytesAfter: await bytes(), entries };
}
