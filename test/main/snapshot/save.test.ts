/** Saving, as the thread that opened the cache does it, with owners that stand in and disks that fail. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Owners } from '../../../src/main/snapshot/owners.ts';
import { publish, type SaveWork, writeSnapshot } from '../../../src/main/snapshot/save.ts';
import { CacheError } from '../../../src/protocol/errors.ts';
import { diskFiles, type Files, writeWhole } from '../../../src/protocol/files.ts';
import { BlockWriter } from '../../../src/protocol/snapshot/block.ts';
import { idIn, indexIn, sourceOf, withSource } from '../../../src/protocol/snapshot/source.ts';
import type { SavedShard, SaveTask } from '../../../src/protocol/snapshot/tasks.ts';
import { FaultyFiles, OPENS, SYNCS, WRITES } from '../../support/faulty-files.ts';
import { foldersOfOneTest } from '../../support/folders.ts';

const folder = foldersOfOneTest();
const never = () => new AbortController().signal;

/** Writes one block of one entry. */
function saveOne(files: Files, task: SaveTask, shard: number): SavedShard {
  const block = new BlockWriter(withSource(diskFiles, task.path, idIn));
  const at = block.add({
    meta: 1,
    valueBytes: 0,
    standing: 0,
    deadlineMs: Number.POSITIVE_INFINITY,
    slideMs: 0,
    graceMs: 0,
  });
  block.words[at] = 0x61 + shard;
  const { bytes, entries, checksum } = block.seal();
  const offset = Number(Atomics.add(new BigInt64Array(task.cursor), 0, BigInt(bytes.length)));
  const fd = files.openSync(task.path, 'r+');
  try {
    writeWhole(files, fd, bytes, offset);
  } finally {
    files.closeSync(fd);
  }
  return { blocks: [{ offset, bytes: bytes.length, entries, checksum }] };
}

function workOf(files: Files, save: (task: SaveTask, shard: number) => Promise<SavedShard>): SaveWork {
  const owner = (shard: number) => ({ ask: (task: unknown) => save(task as SaveTask, shard), present: async () => {} });
  return {
    files,
    owners: new Owners([owner(0), owner(1), owner(2)]),
    facts: { serializer: 'msgpack', eviction: 'lru', shards: 3, savedAtMs: 5 },
    wallOriginMs: 0,
  };
}

const saveTo = (work: SaveWork, path: string, signal = never()) =>
  writeSnapshot(work, path, signal, async (temporary, written, fd) => ({
    ...written,
    path: await publish(work.files, fd, temporary, () => path, signal),
  }));

describe('a save', () => {
  test('in the place of a file that few may read may be read by those few', async () => {
    const path = join(folder(), 'a.snapshot');
    writeFileSync(path, 'old', { mode: 0o600 });
    await saveTo(
      workOf(diskFiles, async (task, shard) => saveOne(diskFiles, task, shard)),
      path,
    );
    expect([statSync(path).mode & 0o777, readFileSync(path, 'latin1').slice(0, 8)]).toEqual([0o600, 'SHSTSNAP']);
  });

  test('is what its owners have written, with a beginning and an end', async () => {
    const { files } = new FaultyFiles();
    const dir = folder();
    const path = join(dir, 'a.snapshot');
    const saved = await saveTo(
      workOf(files, async (task, shard) => saveOne(files, task, shard)),
      path,
    );
    const bytes = readFileSync(path);
    expect(saved).toEqual({ path, entries: 3, bytes: bytes.length });
    const { facts, shards } = indexIn(sourceOf(bytes, path));
    expect(facts).toMatchObject({ shards: 3, entries: 3, eviction: 'lru' });
    expect(shards.map((blocks) => blocks.length)).toEqual([1, 1, 1]);
    expect(readdirSync(dir)).toEqual(['a.snapshot']);
  });

  test('is on the disk before it has its name, and so is the name before anybody is told', async () => {
    const calls: string[] = [];
    const noted = (name: 'fsync' | 'fsyncSync' | 'renameSync') => ({
      [name]: (...args: never[]) => {
        calls.push(name);
        return (diskFiles[name] as (...given: never[]) => unknown)(...args);
      },
    });
    const files = { ...diskFiles, ...noted('fsync'), ...noted('fsyncSync'), ...noted('renameSync') } as Files;
    await saveTo(
      workOf(files, async (task, shard) => saveOne(files, task, shard)),
      join(folder(), 'a.snapshot'),
    );
    expect(calls).toEqual(['fsync', 'renameSync', 'fsyncSync']);
  });

  test.each([
    ['ENOSPC', WRITES],
    ['EIO', SYNCS],
    ['EMFILE', OPENS],
  ] as const)('that meets %s, wherever, leaves the old file and nothing else', async (code, calls) => {
    const disk = new FaultyFiles();
    const dir = folder();
    const path = join(dir, 'a.snapshot');
    for (let at = 0; ; at++) {
      writeFileSync(path, 'old');
      let left = at;
      const fault = { code, calls, strikes: () => left-- === 0 };
      const work = workOf(disk.files, async (task, shard) => saveOne(disk.files, task, shard));
      const outcome = await disk.during(fault, () => saveTo(work, path)).catch((error: unknown) => error);
      if (left >= 0) {
        expect(at).toBeGreaterThan(0);
        break;
      }
      expect((outcome as NodeJS.ErrnoException).code, `call ${at}`).toBe(code);
      // The directory is synced when the file has its name already.
      const bytes = readFileSync(path);
      if (bytes.toString() !== 'old') expect(indexIn(sourceOf(bytes, path)).facts.entries).toBe(3);
      expect(readdirSync(dir)).toEqual(['a.snapshot']);
    }
  });

  test('whose owner cannot write speaks of the file that was meant', async () => {
    const { files } = new FaultyFiles();
    const path = join(folder(), 'a.snapshot');
    const work = workOf(files, async (task) => {
      throw new CacheError('CACHE_SAVE_ERROR', `Cannot write at ${task.path}: ENOSPC`, { shard: 1 });
    });
    const error = await saveTo(work, path).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'CACHE_SAVE_ERROR',
      path,
      shard: 1,
      message: `Cannot write at ${path}: ENOSPC`,
    });
  });

  test('that is given up removes its file at once, and owes an answer until its owners have given theirs', async () => {
    const { files } = new FaultyFiles();
    const dir = folder();
    const path = join(dir, 'a.snapshot');
    let answer: (saved: SavedShard) => void = () => {};
    const work = workOf(files, (task, shard) =>
      shard === 2
        ? new Promise((resolve) => {
            answer = resolve;
          })
        : Promise.resolve(saveOne(files, task, shard)),
    );
    const controller = new AbortController();
    const saving = saveTo(work, path, controller.signal);
    controller.abort(new Error('enough'));
    await expect(saving).rejects.toThrow('enough');
    expect(readdirSync(dir)).toEqual([]);
    let isIdle = false;
    const idle = work.owners.idle().then(() => {
      isIdle = true;
    });
    await Promise.resolve();
    expect(isIdle).toBe(false);
    answer({ blocks: [] });
    await idle;
  });
});
