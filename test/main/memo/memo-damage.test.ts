/** What becomes of a memo file that is cut off, changed by chance, or on a disk that fails. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { compact } from '../../../src/main/memo/file/compact.ts';
import { inspectMemoFile } from '../../../src/main/memo/file/inspect.ts';
import type { MemoFile } from '../../../src/main/memo/file/memo-file.ts';
import { CacheError } from '../../../src/protocol/errors.ts';
import { diskFiles, type Files } from '../../../src/protocol/files.ts';
import { always, FaultyFiles, onlyThe, SYNCS, WRITES } from '../../support/faulty-files.ts';
import { boundariesOf, MemoFolder, record } from '../../support/memo-folder.ts';

let folder: MemoFolder;

beforeEach(() => {
  folder = new MemoFolder();
});

afterEach(() => {
  vi.useRealTimers();
  folder.remove();
});

/** A file with these results, in this order; `often` is there twice. */
const RESULTS: readonly (readonly [key: string, result: unknown])[] = [
  ['a', 1],
  ['often', 'old'],
  ['b', { text: 'two' }],
  ['often', 'new'],
  ['c', null],
];

function written(results = RESULTS): Buffer {
  const file = folder.open();
  for (const [key, result] of results) file.set(key, record(result, { args: [key] }));
  file.close();
  return readFileSync(folder.path);
}

/** Opens what is in the file by now; undefined where it is refused as foreign. */
function opened(bytes: Buffer): MemoFile | undefined {
  // Removed first: a file system may take its time to make room in one that is emptied.
  rmSync(folder.path, { force: true });
  writeFileSync(folder.path, bytes);
  try {
    return folder.open();
  } catch (error) {
    expect(error).toBeInstanceOf(CacheError);
    expect((error as CacheError).code).toBe('STORE_FOREIGN');
    return undefined;
  }
}

describe('a memo file', () => {
  test('that is cut off anywhere opens with all that was whole before, and goes on', () => {
    const bytes = written();
    const ends = boundariesOf(bytes).slice(1);
    for (let size = 0; size < bytes.length; size++) {
      const file = opened(bytes.subarray(0, size)) as MemoFile;
      const whole = new Map(RESULTS.filter((_, i) => (ends[i + 1] as number) <= size));
      expect(RESULTS.map(([key]) => file.get(key)?.result)).toEqual(RESULTS.map(([key]) => whole.get(key)));
      file.set('after', record(size));
      // It is whole for who opens it next, too.
      if (size % 7 === 0) {
        const next = folder.open();
        expect(next.get('after')?.result).toBe(size);
        expect(next.size()).toBe(whole.size + 1);
        next.close();
      }
      file.close();
    }
  });

  test('of which any bit has flipped answers what was stored, or nothing', () => {
    const few = RESULTS.slice(1, 4);
    const bytes = written(few);
    const secondFrame = boundariesOf(bytes)[1] as number;
    const isTwo = (value: unknown) => (value as { text: string }).text === 'two';
    const wrong: number[] = [];
    let foreign = 0;
    let damaged = 0;
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7));
      const file = opened(flipped);
      if (file === undefined) {
        foreign++;
        continue;
      }
      const [often, two] = ['often', 'b'].map((key) => file.get(key)?.result);
      // No bit takes more than the frame that it is in, unless that is the first: without its seed nothing can be read.
      const isRight = [undefined, 'old', 'new'].includes(often as string) && (two === undefined || isTwo(two));
      if (!isRight || file.size() < (bit >>> 3 < secondFrame ? 0 : 1)) wrong.push(bit);
      damaged += Math.sign(file.facts().damaged);
      file.close();
    }
    expect(wrong).toEqual([]);
    expect(foreign).toBe(32);
    // The last frame's damage is at the end, where it might still come; a head is appended behind a damaged one.
    const last = bytes.length - (boundariesOf(bytes).at(-2) as number);
    expect(damaged).toBe(bytes.length * 8 - 32 - last * 8);
  });

  test('takes no frame of another file for its own, wherever it stands', () => {
    const other = new MemoFolder();
    const file = other.open();
    file.set('a', record('of another'));
    const foreign = readFileSync(other.path);
    other.remove();
    const bytes = Buffer.concat([written(), foreign]);
    const read = opened(bytes) as MemoFile;
    expect([read.get('a')?.result, read.size()]).toEqual([1, 4]);
  });
});

describe('a disk', () => {
  test('that is full stops a result, and nothing else', () => {
    const disk = new FaultyFiles();
    const file = folder.open({ files: disk.files });
    const other = folder.open();
    file.set('a', record(1));
    for (const partOf of [0, 1, 30, 60]) {
      disk.fault = { code: 'ENOSPC', calls: ['writeSync'], strikes: always, partOf };
      expect(() => file.set('b', record('x'.repeat(100)))).toThrow(
        expect.objectContaining({ code: 'ENGINE_ERROR', path: folder.path }),
      );
      expect([file.has('b'), other.has('b'), file.get('a')?.result]).toEqual([false, false, 1]);
      disk.fault = undefined;
    }
    file.set('b', record(2));
    expect([file.get('b')?.result, other.get('b')?.result, other.facts().damaged]).toEqual([2, 2, 1]);
  });

  test('that cuts a write short gets it again, whole', () => {
    let cut = 3;
    const writeSync = ((fd: number, bytes: Uint8Array, offset: number, length: number, position: number | null) =>
      diskFiles.writeSync(fd, bytes, offset, cut-- > 0 ? length >>> 1 : length, position)) as Files['writeSync'];
    const file = folder.open();
    const short = folder.open({ files: { ...diskFiles, writeSync } });
    short.set('a', record(1));
    expect(file.get('a')?.result).toBe(1);
    expect(cut).toBe(-1);
  });

  test('that cannot be read says so, and answers when it can again', () => {
    const disk = new FaultyFiles();
    const file = folder.open({ files: disk.files });
    file.set('a', record(1));
    disk.fault = { code: 'EIO', calls: ['readSync'], strikes: always };
    expect(() => file.get('a')).toThrow(expect.objectContaining({ code: 'ENGINE_ERROR', path: folder.path }));
    folder.open().set('b', record(2));
    expect(() => file.get('b')).toThrow(/EIO.*Next: .*health/);
    disk.fault = undefined;
    expect([file.get('a')?.result, file.get('b')?.result]).toEqual([1, 2]);
  });

  test('on which a claim cannot be given back is asked again later', () => {
    vi.useFakeTimers();
    const disk = new FaultyFiles();
    const [file, other] = [folder.open({ files: disk.files }), folder.open()];
    const claim = file.claim('k');
    disk.fault = { code: 'ENOSPC', calls: ['writeSync'], strikes: always };
    claim.release();
    expect(other.claim('k').isGranted).toBe(false);
    disk.fault = undefined;
    vi.advanceTimersByTime(10_000);
    expect(other.claim('k').isGranted).toBe(true);
  });

  test('that fails after a claim was written has it taken back later', () => {
    vi.useFakeTimers();
    const disk = new FaultyFiles();
    const [file, other] = [folder.open({ files: disk.files }), folder.open()];
    // The first look is the one before the claim.
    disk.fault = { code: 'EIO', calls: ['statSync'], strikes: onlyThe(2) };
    expect(() => file.claim('k')).toThrow(expect.objectContaining({ code: 'ENGINE_ERROR' }));
    expect(other.claim('k').isGranted).toBe(false);
    vi.advanceTimersByTime(10_000);
    expect(other.claim('k').isGranted).toBe(true);
    expect(vi.getTimerCount()).toBe(1);
  });

  test('on which a path cannot be opened says what to do', () => {
    const disk = new FaultyFiles();
    disk.fault = { code: 'EACCES', calls: ['openSync'], strikes: always };
    expect(() => folder.open({ files: disk.files })).toThrow(/choose another `filename`/);
    mkdirSync(join(folder.directory, 'd'));
    expect(() => folder.open({ path: join(folder.directory, 'd') })).toThrow(/a directory is where a file should be/);
  });

  test('with `sync` has the results and the name of the file before they are acknowledged', () => {
    const disk = new FaultyFiles();
    const file = folder.open({ files: disk.files, sync: true });
    disk.fault = { code: 'EIO', calls: SYNCS, strikes: () => false };
    file.set('a', record(1));
    const calls = disk.calls;
    file.set('a', record(1));
    // A write, a look, a sync; the directory was opened, synced and closed the first time.
    expect(disk.calls - calls).toBe(3);
    disk.fault = { code: 'EIO', calls: SYNCS, strikes: always };
    expect(() => file.set('b', record(1))).toThrow(expect.objectContaining({ code: 'ENGINE_ERROR' }));
  });

  test('on which a file takes the place of this between a write and the look has the result in both', () => {
    const fresh = new MemoFolder();
    fresh.open().set('other', record(0));
    let isArmed = false;
    const writeSync = ((...args: Parameters<typeof diskFiles.writeSync>) => {
      const count = diskFiles.writeSync(...args);
      if (isArmed) renameSync(fresh.path, folder.path);
      isArmed = false;
      return count;
    }) as Files['writeSync'];
    const file = folder.open({ files: { ...diskFiles, writeSync } });
    isArmed = true;
    file.set('a', record(1));
    expect(folder.open().keys().sort()).toEqual(['a', 'other']);
    fresh.remove();
  });
});

describe('a compaction', () => {
  async function filled(): Promise<void> {
    const file = folder.open();
    for (let i = 0; i < 30; i++) file.set(`${i % 20}`, record(i));
    file.close();
  }

  function judge(): void {
    const file = folder.open();
    for (let i = 0; i < 30; i++) expect(file.get(`${i % 20}`)?.result).toBe(i < 10 ? i + 20 : i);
    file.set('after', record(1));
    expect(folder.open().size()).toBe(21);
  }

  test('that meets a fault at any call leaves the file, with all that is in it', async () => {
    for (let call = 1; ; call++) {
      folder.remove();
      folder = new MemoFolder();
      await filled();
      const disk = new FaultyFiles();
      const fault = { code: 'EIO', calls: [...WRITES, ...SYNCS], strikes: onlyThe(call), partOf: 10 } as const;
      const failed = await disk.during(fault, () =>
        compact(folder.path, { files: disk.files }).then(
          () => undefined,
          (error: unknown) => error,
        ),
      );
      if (disk.struck === 0) {
        expect(call).toBeGreaterThan(6);
        break;
      }
      expect(failed).toMatchObject({ code: 'ENGINE_ERROR' });
      expect(readdirSync(folder.directory).filter((name) => !/^f\.log(\.bak)?$/.test(name))).toEqual([]);
      judge();
    }
  });

  test('whose process ends at any call leaves the file, with all that is in it', async () => {
    for (let call = 0; ; call++) {
      vi.useRealTimers();
      folder.remove();
      folder = new MemoFolder();
      await filled();
      const disk = new FaultyFiles();
      disk.callsLeft = call;
      const isDone = await compact(folder.path, { files: disk.files }).then(
        () => true,
        () => false,
      );
      if (isDone) {
        expect(call).toBeGreaterThan(20);
        break;
      }
      // What it has frozen counts again once its lease is over: this process lives on.
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
      judge();
      expect(inspectMemoFile(folder.path).entries).toBe(21);
    }
  });
});
