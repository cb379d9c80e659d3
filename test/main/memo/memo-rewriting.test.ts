/** Memo files that are written anew while others have them open. */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  type PathLike,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { compact } from '../../../src/main/memo/file/compact.ts';
import { inspectMemoFile } from '../../../src/main/memo/file/inspect.ts';
import type { MemoFile, MemoFileOptions } from '../../../src/main/memo/file/memo-file.ts';
import { upgrade } from '../../../src/main/memo/file/upgrade.ts';
import { diskFiles, type Files } from '../../../src/protocol/files.ts';
import { MemoFolder, record } from '../../support/memo-folder.ts';

let folder: MemoFolder;
let directory: string;
let path: string;
const open = (options?: Partial<MemoFileOptions>) => folder.open(options);

beforeEach(() => {
  folder = new MemoFolder();
  ({ directory, path } = folder);
});

afterEach(() => {
  vi.useRealTimers();
  folder.remove();
});

/** A disk on which something happens before a file is renamed. */
function beforeRename(happens: () => void): Files {
  return {
    ...diskFiles,
    renameSync: (from, to) => {
      happens();
      diskFiles.renameSync(from, to);
    },
  };
}

describe('compact', () => {
  test('keeps what lives, and nothing else', async () => {
    const file = open();
    for (let i = 0; i < 1_000; i++) file.set('often', record(i));
    file.set('gone', record(1));
    file.delete('gone');
    file.set('past', record(1, { expiresAtMs: 1 }));
    file.set('kept', record('x', { args: [1], version: 'v', createdAtMs: 5, expiresAtMs: Date.now() + 100_000 }));
    const kept = file.get('kept');
    appendFileSync(path, 'no frame');
    const { entries, dropped, bytesBefore, bytesAfter } = await compact(path);
    expect({ entries, dropped }).toEqual({ entries: 2, dropped: 1_002 });
    expect(bytesAfter).toBe(readFileSync(path).length);
    expect(bytesAfter).toBeLessThan(bytesBefore / 10);
    expect(readdirSync(directory)).toEqual(['f.log']);
    for (const one of [file, open()]) {
      expect(one.keys().sort()).toEqual(['kept', 'often']);
      expect([one.get('often')?.result, one.get('kept')]).toEqual([999, kept]);
      expect(one.facts()).toMatchObject({ name: 'f', entries: 2 });
    }
    expect(inspectMemoFile(path)).toMatchObject({ entries: 2, results: 2, damaged: 0, computing: 0, name: 'f' });
  });

  test('keeps the claims of those who compute', async () => {
    const [one, other] = [open(), open()];
    const claim = one.claim('k');
    one.claim('over').release();
    await compact(path);
    expect(inspectMemoFile(path).computing).toBe(1);
    const refused = other.claim('k');
    expect(refused.isGranted).toBe(false);
    claim.release();
    expect(await refused.wait(60_000)).toBe(true);
    expect(other.claim('over').isGranted).toBe(true);
  });

  test('loses nothing that others store meanwhile, nor its order', async () => {
    const writers = [open(), open()];
    const expected = new Map<string, string | undefined>();
    let writes = 0;
    const write = (count: number, length: number) => {
      for (let end = writes + count; writes < end; writes++) {
        const key = `${(writes * 7919) % 1_000}`;
        const result = writes % 5 === 0 ? undefined : `${writes}`.padEnd(length);
        const writer = writers[writes % 2] as MemoFile;
        if (result === undefined) writer.delete(key);
        else writer.set(key, record(result));
        expected.set(key, result);
      }
    };
    write(1_200, 1_500);
    // The last moment before it is frozen.
    const fsync: Files['fsync'] = async (fd) => {
      await diskFiles.fsync(fd);
      write(100, 10);
    };
    let isDone = false;
    const compacting = compact(path, { files: { ...diskFiles, fsync } }).finally(() => {
      isDone = true;
    });
    while (!isDone) {
      write(50, 100);
      await new Promise(setImmediate);
    }
    await compacting;
    write(50, 100);
    expect(writes).toBeGreaterThan(1_500);
    for (const file of [...writers, open()]) {
      expect(new Map(Array.from(expected.keys(), (key) => [key, file.get(key)?.result]))).toEqual(expected);
    }
  });

  test('that cannot end leaves the file as it was, and it goes on', async () => {
    const file = open();
    file.set('a', record(1));
    file.set('a', record(2));
    const files = beforeRename(() => {
      throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    });
    await expect(compact(path, { files })).rejects.toMatchObject({ code: 'ENGINE_ERROR', path });
    // The file that was to be, and the lock, are gone.
    expect(readdirSync(directory).sort()).toEqual(['f.log', 'f.log.bak']);
    file.set('b', record(3));
    expect([open().get('a')?.result, open().get('b')?.result]).toEqual([2, 3]);
    expect((await compact(path)).entries).toBe(2);
    expect(readdirSync(directory).sort()).toEqual(['f.log', 'f.log.bak.bak']);
  });

  test('moves on the backups that are there, and removes its own', async () => {
    open().set('a', record(1));
    writeFileSync(`${path}.bak`, 'one');
    writeFileSync(`${path}.bak.bak`, 'two');
    await compact(path);
    expect(existsSync(`${path}.bak`)).toBe(false);
    expect(readFileSync(`${path}.bak.bak`, 'utf8')).toBe('one');
    expect(readFileSync(`${path}.bak.bak.bak`, 'utf8')).toBe('two');
    await compact(path, { backup: false });
    expect(readFileSync(`${path}.bak.bak`, 'utf8')).toBe('one');
  });

  test('replaces the file that a symbolic link means, and not the link', async () => {
    const link = join(directory, 'link.log');
    symlinkSync('f.log', link);
    const [one, other] = [open(), open({ path: link })];
    one.set('a', record(1));
    await compact(link);
    one.set('b', record(2));
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect([other.get('b')?.result, readdirSync(directory)]).toEqual([2, ['f.log', 'link.log']]);
  });

  test('leaves the file to those who had it', async () => {
    open().set('a', record(1));
    for (const mode of [0o600, 0o666]) {
      chmodSync(path, mode);
      await compact(path);
      expect(statSync(path).mode & 0o777).toBe(mode);
    }
  });

  test('keeps a copy where there are no links', async () => {
    open().set('a', record(1));
    const copies: string[] = [];
    const files = {
      ...diskFiles,
      linkSync: () => {
        throw Object.assign(new Error('EPERM: operation not permitted'), { code: 'EPERM' });
      },
      copyFileSync: (from: PathLike, to: PathLike, mode?: number) => {
        diskFiles.copyFileSync(from, to, mode);
        copies.push(String(to));
      },
    };
    await compact(path, { files });
    expect([copies, readdirSync(directory)]).toEqual([[`${path}.bak`], ['f.log']]);
  });

  test('that is overruled while it renames takes along what others went on with', async () => {
    const file = open();
    file.set('a', record(1));
    const files = beforeRename(() => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
      file.set('late', record(2));
    });
    await compact(path, { files, backup: false });
    expect([file, open()].map((one) => one.get('late')?.result)).toEqual([2, 2]);
  });

  test('leaves a file that has come in the place of the old one meanwhile', async () => {
    const file = open();
    file.set('a', record(1));
    const fsync = async (fd: number) => {
      await diskFiles.fsync(fd);
      rmSync(path);
      file.set('new', record(2));
    };
    await expect(compact(path, { files: { ...diskFiles, fsync } })).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
    expect([file.get('new')?.result, open().get('new')?.result]).toEqual([2, 2]);
  });

  test('makes no backup of what is no memo file', async () => {
    writeFileSync(path, 'something else');
    await expect(compact(path)).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
    expect(readdirSync(directory)).toEqual(['f.log']);
  });

  test('of an empty file makes one that can be used', async () => {
    writeFileSync(path, '');
    expect(await compact(path)).toMatchObject({ entries: 0, dropped: 0 });
    const file = open();
    file.set('a', record(1));
    expect([open().get('a')?.result, file.facts().serializer]).toEqual([1, 'msgpack']);
  });

  test('of no file, or of two at once, says so', async () => {
    await expect(compact(path)).rejects.toMatchObject({ code: 'ENGINE_ERROR', cause: { code: 'ENOENT' } });
    expect(readdirSync(directory)).toEqual([]);
    open().set('a', record(1));
    const verdicts = await Promise.allSettled([compact(path), compact(path)]);
    for (const verdict of verdicts) {
      if (verdict.status === 'rejected') expect(verdict.reason).toMatchObject({ code: 'LOCKED', path });
    }
    expect(open().get('a')?.result).toBe(1);
  });
});

describe('upgrade', () => {
  test('gives every result the key of its arguments, and drops those that have none', async () => {
    const file = open();
    file.set('1', record('one', { args: [1], createdAtMs: 7 }));
    file.set('2', record('two', { args: [2] }));
    file.set('3', record('none'));
    const { entries, dropped } = await upgrade(path, { hash: ([n]) => `new ${n}` });
    expect({ entries, dropped }).toEqual({ entries: 2, dropped: 1 });
    expect(file.keys().sort()).toEqual(['new 1', 'new 2']);
    expect(file.get('new 1')).toEqual(record('one', { args: [1], createdAtMs: 7 }));
    expect(readdirSync(directory)).toEqual(['f.log']);
  });

  test('with a hash that throws leaves the file as it was', async () => {
    const file = open();
    file.set('1', record('one', { args: [1] }));
    const hash = () => {
      throw new RangeError('no');
    };
    await expect(upgrade(path, { hash })).rejects.toThrow(new RangeError('no'));
    expect(readdirSync(directory).sort()).toEqual(['f.log', 'f.log.bak']);
    await expect(upgrade(path, { hash: () => 5 as never, removeBackupOnFailure: true })).rejects.toThrow(
      'to return a text',
    );
    expect(readdirSync(directory).sort()).toEqual(['f.log', 'f.log.bak.bak']);
    expect(file.get('1')?.result).toBe('one');
  });
});
