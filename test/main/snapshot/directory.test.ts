/** Who holds a directory of snapshots, when somebody removes it, or comes by another path. */
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useDirectory } from '../../../src/main/snapshot/directory.ts';
import { isOwnLock } from '../../../src/protocol/engines/lock.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { foldersOfOneTest } from '../../support/folders.ts';

const folder = foldersOfOneTest();
const locksIn = (directory: string) => readdirSync(directory).filter(isOwnLock).length;

test('one lock serves all who save there, by whatever path, until the last has gone', async () => {
  const place = folder();
  const directory = join(place, 'real');
  mkdirSync(directory);
  symlinkSync(directory, join(place, 'link'));
  const releases = await Promise.all(
    [directory, join(place, 'link'), directory].map((p) => useDirectory(diskFiles, p)),
  );
  for (const release of releases) {
    expect(locksIn(directory)).toBe(1);
    release();
  }
  expect(locksIn(directory)).toBe(0);
});

test('a directory that was removed is locked anew by the next who saves, for all who hold it', async () => {
  const directory = join(folder(), 'gone');
  const release = await useDirectory(diskFiles, directory);
  rmSync(directory, { recursive: true });
  const second = await useDirectory(diskFiles, directory);
  expect(locksIn(directory)).toBe(1);
  second();
  expect(locksIn(directory)).toBe(1);
  release();
  expect(locksIn(directory)).toBe(0);
  rmSync(directory, { recursive: true });
});

test('what somebody else holds by then is LOCKED, and again until he has left', async () => {
  const directory = join(folder(), 'taken');
  const release = await useDirectory(diskFiles, directory);
  rmSync(directory, { recursive: true });
  mkdirSync(directory);
  const foreign = join(directory, '.lock.00000000-1-1-1');
  diskFiles.closeSync(diskFiles.openSync(foreign, 'wx'));
  await expect(useDirectory(diskFiles, directory)).rejects.toThrow(expect.objectContaining({ code: 'LOCKED' }));
  rmSync(foreign);
  const second = await useDirectory(diskFiles, directory);
  expect(locksIn(directory)).toBe(1);
  second();
  release();
  expect(locksIn(directory)).toBe(0);
});
