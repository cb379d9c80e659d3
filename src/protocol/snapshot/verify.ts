/**
 * Whether a snapshot is whole, without a cache: everything that a load checks before it changes anything. What values mean is
 * not looked at.
 */
import { diskFiles, type Files } from '../files.ts';
import { coldestFirst } from './block-index.ts';
import { entriesIn } from './entry.ts';
import { indexIn, type SnapshotSource, sourceOf, withSource } from './source.ts';

/** So many findings are told at most: of a file that is nothing but damage no more are of use. */
const FINDINGS_MAX = 100;

/** What is wrong with the bytes of a snapshot, in sentences; none where it would be loaded. Never throws. */
export function verifySnapshot(bytes: Uint8Array, path = 'given'): string[] {
  return findingsIn(() => verifySource(sourceOf(bytes, path)));
}

/** As `verifySnapshot`, of a file, of which it has one block in memory at a time. */
export function verifySnapshotFile(path: string, files: Files = diskFiles): string[] {
  return findingsIn(() => withSource(files, path, verifySource));
}

function verifySource(source: SnapshotSource): string[] {
  const index = indexIn(source);
  const findings: string[] = [];
  for (const place of coldestFirst(index)) {
    findings.push(
      ...findingsIn(() => {
        entriesIn(source, place, index.id);
        return [];
      }),
    );
    if (findings.length >= FINDINGS_MAX) {
      break;
    }
  }
  return findings;
}

function findingsIn(look: () => string[]): string[] {
  try {
    return look();
  } catch (error) {
    return [(error as Error).message];
  }
}
