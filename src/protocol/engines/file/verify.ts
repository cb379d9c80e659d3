/**
 * Reads every file of a store of the engine 'file', and tells what is wrong: damaged entries, entries under another's name, and
 * what is not the store's. It changes nothing and needs no opened store, so it can look at one that others are using.
 */
import type { Files } from '../../files.ts';
import type { Answer } from '../engine.ts';
import { engineError } from '../faults.ts';
import { readLarge, readSmall } from './entry.ts';
import { assertName, FileTree, OPEN_ENTRY } from './tree.ts';

/** Is shown every entry that is whole; what it says of one is a finding, too. */
export type LookAtEntry = (key: string, record: Uint8Array) => Answer<string | undefined>;

/** A sentence for each finding, none for a store that is whole. Whether records are whole inside the caller looks. */
export async function* verifyFiles(
  files: Files,
  directory: string,
  look: LookAtEntry = () => undefined,
): AsyncGenerator<string> {
  const strangers: string[] = [];
  const tree = new FileTree(files, directory);
  for await (const { names } of tree.leaves((sentence) => strangers.push(sentence))) {
    yield* strangers.splice(0);
    for (const name of names) {
      const finding = await findingOf(files, tree.pathOf(name), name, look);
      if (finding !== undefined) yield finding;
    }
  }
  yield* strangers;
}

/** Undefined for an entry that is whole, or has gone meanwhile. */
async function findingOf(files: Files, path: string, name: string, look: LookAtEntry): Promise<string | undefined> {
  let fd: number | undefined;
  try {
    fd = files.openSync(path, OPEN_ENTRY);
    const { head, record } = readSmall(files, fd, path);
    assertName(path, head.key, name);
    return await look(head.key, record ?? (await readLarge(files, fd, path, head)));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? undefined
      : engineError('read an entry', path, error).message;
  } finally {
    if (fd !== undefined) files.closeSync(fd);
  }
}
