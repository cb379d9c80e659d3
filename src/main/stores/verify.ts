/**
 * Reads all of a store that is named by its place, and tells what is wrong. What can be read from the files themselves is, so
 * that a store is verified that cannot even be opened, or that others use; nothing is changed then. A store of another engine
 * is opened, once its files are found to be whole.
 */

import { verifyFiles } from '../../protocol/engines/file/verify.ts';
import { verifyJson } from '../../protocol/engines/json/verify.ts';
import { holderOf } from '../../protocol/engines/lock.ts';
import { verifyLog } from '../../protocol/engines/log/verify.ts';
import { CacheError } from '../../protocol/errors.ts';
import { diskFiles, type Files } from '../../protocol/files.ts';
import { openRecord } from '../../protocol/record.ts';
import type { RecordCodec } from '../codec/record-codec.ts';
import { type OpenedParts, Store } from './store.ts';
import { codecAt, type FoundStore, findStoreAt, isServer, openPartsAt, type PlaceOptions } from './store-at.ts';
import { versionsOf } from './versions.ts';

/** Engines whose files say everything, values included; and those whose files are looked at before they are opened. */
const WHOLE = { file: verifyFiles, json: verifyJson };
const BEFORE = { log: verifyLog, disk: verifyLog };

/**
 * A sentence for each thing that is wrong, with its path; none for a store that is whole. Rejects where there is no store, and with
 * LOCKED where its values can only be read by opening what somebody else has for themselves.
 */
export async function* verifyStore(place: string, options: PlaceOptions = {}): AsyncGenerator<string> {
  const files: Files = diskFiles;
  if (!isServer(place)) {
    const found = findStoreAt(files, place);
    const { engine } = found.manifest;
    if (engine in WHOLE) {
      const look = await lookerFor(found, options);
      yield* WHOLE[engine as keyof typeof WHOLE](files, found.directory, look);
      return;
    }
    if (engine in BEFORE) {
      let isWhole = true;
      for await (const finding of BEFORE[engine as keyof typeof BEFORE](files, found.directory)) {
        isWhole = false;
        yield finding;
      }
      // A log that is in use has been read already, but for what its values are; a damaged one may not open.
      if (!isWhole || holderOf(files, found.directory) !== undefined) {
        return;
      }
    }
  }
  let parts: OpenedParts;
  try {
    parts = await openPartsAt(files, place, options);
  } catch (error) {
    if (!(error instanceof CacheError && error.code === 'STORE_CORRUPT')) throw error;
    yield error.message;
    return;
  }
  const openSub = () => Promise.reject(new RangeError('Nobody asks for stores within this one'));
  const store = new Store({ ...parts, openSub, closeEngine: async () => await parts.engine.close() });
  try {
    yield* store.verify();
  } finally {
    await store.close();
  }
}

/** What tells a value that cannot be read. */
async function lookerFor({ manifest, directory }: FoundStore, options: PlaceOptions) {
  const codec = await codecAt(manifest, options);
  return async (key: string, record: Uint8Array) => {
    try {
      await assertReadable(codec, record, manifest.appendMode);
      return undefined;
    } catch (error) {
      return `The value of ${JSON.stringify(key)} in ${directory} cannot be read: ${(error as Error).message}`;
    }
  };
}

async function assertReadable(codec: RecordCodec | undefined, record: Uint8Array, appends: boolean): Promise<void> {
  // Copies: what was read is good until the next call only.
  const own = Buffer.from(record);
  for (const each of appends ? versionsOf(own).map((version) => version.record) : [own]) {
    if (codec === undefined) openRecord(each);
    else await codec.decode(each);
  }
}
