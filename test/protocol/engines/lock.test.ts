import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { isLockName, lockDirectory } from '../../../src/protocol/engines/lock.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { isAlive, OWN_MARK } from '../../../src/protocol/process-mark.ts';
import { always, FaultyFiles, OPENS } from '../../support/faulty-files.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shardstash-lock-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Of a process that has ended. */
function markOfTheDead(): string {
  const { pid } = spawnSync(process.execPath, ['-e', ''], { stdio: 'ignore' });
  return OWN_MARK.replace(/-\d+-\d+$/, `-${pid}-1`);
}

test('a lock is held until it is given back', async () => {
  const release = await lockDirectory(diskFiles, directory);
  await expect(lockDirectory(diskFiles, directory)).rejects.toMatchObject({ code: 'LOCKED', path: directory });
  release();
  (await lockDirectory(diskFiles, directory))();
  expect(readdirSync(directory)).toEqual([]);
});

test('of many who want it at once at most one has it', async () => {
  let holders = 0;
  const taken = await Promise.allSettled(
    Array.from({ length: 12 }, async () => {
      const release = await lockDirectory(diskFiles, directory);
      holders++;
      expect(holders).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      holders--;
      release();
    }),
  );
  const refused = taken.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  for (const { reason } of refused) expect(reason).toMatchObject({ code: 'LOCKED' });
  expect(readdirSync(directory)).toEqual([]);
});

test('the lock of a process that has ended holds nobody up', async () => {
  const mark = markOfTheDead();
  expect(isAlive(mark)).toBe(false);
  writeFileSync(join(directory, `.lock.${mark}-0`), '');
  (await lockDirectory(diskFiles, directory))();
  expect(readdirSync(directory)).toEqual([]);
});

test('a process whose id was used again is not who made the lock', () => {
  expect(isAlive(OWN_MARK)).toBe(true);
  if (!OWN_MARK.endsWith('-0')) {
    expect(isAlive(OWN_MARK.replace(/\d+$/, '7'))).toBe(false);
  }
});

test('the lock of another machine counts, and the message says how to be rid of it', async () => {
  const name = `.lock.${OWN_MARK.replace(/^[0-9a-f]{8}/, '00000000')}-0`;
  writeFileSync(join(directory, name), '');
  await expect(lockDirectory(diskFiles, directory)).rejects.toThrow(name);
});

test('what is no lock is left alone', async () => {
  for (const name of ['.lock', '.lock.x', 'store.log', `.lock.${OWN_MARK}`]) {
    expect(isLockName(name)).toBe(false);
    writeFileSync(join(directory, name), '');
  }
  (await lockDirectory(diskFiles, directory))();
  expect(readdirSync(directory).length).toBe(4);
});

test('a disk that fails is told, and no lock is left', async () => {
  const disk = new FaultyFiles();
  await disk.during({ code: 'EMFILE', calls: OPENS, strikes: always }, async () => {
    await expect(lockDirectory(disk.files, directory)).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
  });
  await disk.during({ code: 'EIO', calls: ['readdirSync'], strikes: always }, async () => {
    await expect(lockDirectory(disk.files, directory)).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
  });
  expect(readdirSync(directory)).toEqual([]);
});

test('threads, which have one mark, and each its own module, do not take each other’s names', async () => {
  const load = async (): Promise<{ lockDirectory: typeof lockDirectory }> => {
    vi.resetModules();
    return await import('../../../src/protocol/engines/lock.ts');
  };
  const [one, other] = [await load(), await load()];
  const release = await one.lockDirectory(diskFiles, directory);
  await expect(other.lockDirectory(diskFiles, directory)).rejects.toMatchObject({ code: 'LOCKED' });
  release();
});

test('a lock that somebody has removed with its directory is given back', async () => {
  const release = await lockDirectory(diskFiles, directory);
  rmSync(directory, { recursive: true });
  release();
});

test('a lock that could not be removed holds up nobody who comes later', async () => {
  const disk = new FaultyFiles();
  const release = await lockDirectory(disk.files, directory);
  const failing = disk.during({ code: 'EIO', calls: ['unlinkSync'], strikes: always }, async () => release());
  await expect(failing).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
  expect(readdirSync(directory)).toHaveLength(1);
  (await lockDirectory(diskFiles, directory))();
  expect(readdirSync(directory)).toEqual([]);
});
