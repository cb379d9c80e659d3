/** Whether a snapshot is whole: everything that a load checks, and whether its values can be read, too. Nothing is changed. */

import { readEntry } from './read.ts';
import { isDamage, openSnapshot, type SnapshotPlaceOptions } from './snapshot-at.ts';

/**
 * A sentence for each thing that is wrong; none for a snapshot that a cache would load. Of a serializer of your own that is not given
 * values are not looked at. Rejects where the file system does not let it be read, with CACHE_LOAD_ERROR.
 *
 * @example
 * for await (const finding of verifySnapshot('cache_storage/cache_data.snapshot')) console.error(finding);
 */
export async function* verifySnapshot(path: string, options: SnapshotPlaceOptions = {}): AsyncGenerator<string> {
  const damage: string[] = [];
  try {
    const snapshot = await openSnapshot(path, options);
    for await (const batch of snapshot.batches((finding) => damage.push(finding))) {
      yield* damage.splice(0);
      for (const entry of batch) {
        try {
          readEntry(entry, snapshot.codec);
        } catch (error) {
          yield `${(error as Error).message}, in ${snapshot.path}`;
        }
      }
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    damage.push(error.message);
  }
  yield* damage;
}
