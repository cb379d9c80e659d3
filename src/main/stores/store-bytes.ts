/** What the files of a store take on the disk, without those of stores within it. */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { attempt } from '../../protocol/engines/faults.ts';
import type { Files } from '../../protocol/files.ts';

/** Directories that are listed in one turn of the event loop. */
const SLICE = 64;
/** Of the stores within a store. */
const SUB = 'sub';

/** Links are not followed; what goes meanwhile counts nothing. */
export async function bytesIn(files: Files, directory: string): Promise<number> {
  let bytes = 0;
  let listed = 0;
  const waiting = [directory];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const entry of list(files, path)) {
      const inside = join(path, entry.name);
      if (entry.isDirectory()) {
        if (path !== directory || entry.name !== SUB) waiting.push(inside);
      } else {
        const look = () => files.lstatSync(inside, { throwIfNoEntry: false });
        bytes += attempt('look at a file', inside, look)?.size ?? 0;
      }
    }
    if (++listed % SLICE === 0) await nextTurn();
  }
  return bytes;
}

/** Names of the stores within a store. */
export function storesIn(files: Files, directory: string): string[] {
  return list(files, join(directory, SUB))
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** Nothing for a directory that is not there. */
function list(files: Files, path: string) {
  return attempt('list a directory', path, () => {
    try {
      return files.readdirSync(path, { withFileTypes: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        return [];
      }
      throw error;
    }
  });
}
