import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore, openStoreAt } from '../../../src/main/stores/index.ts';
import { openWith } from '../../../src/main/stores/open.ts';
import { always, FaultyFiles, OPENS } from '../../support/faulty-files.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'shardstash-opening-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('options of a store', () => {
  test('names never lead out of the root', async () => {
    for (const name of [
      '../x',
      '..',
      '.',
      '',
      '/etc',
      'a/../b',
      'a//b',
      'a\\b',
      'x\0',
      '.hidden',
      'CON',
      'nul.txt',
      'sub',
      'a/sub',
      'x'.repeat(200),
      7,
    ]) {
      await expect(openStore({ root, name: name as string })).rejects.toMatchObject({
        code: 'INVALID_CONFIG',
        option: 'name',
      });
    }
    expect(readdirSync(root)).toEqual([]);
  });

  test('the engines of other programs are told by the name they have here', async () => {
    for (const [old, ours] of Object.entries({
      pairtree: 'file',
      shelve: 'log',
      pickledb: 'json',
      diskcache: 'disk',
    })) {
      await expect(openStore({ root, engine: old })).rejects.toThrow(`'${ours}' here`);
    }
    await expect(openStore({ root, engine: 'mongo' })).rejects.toMatchObject({
      code: 'UNKNOWN_PLUGIN',
      option: 'engine',
      available: expect.arrayContaining(['memory', 'file', 'log']),
    });
    expect(readdirSync(root)).toEqual([]);
  });

  test('what the engine does not take, or not so, is refused before anything is made', async () => {
    const wrong = [
      { engine: 'memory', mapSize: '1gb' },
      { engine: 'memory', colour: 'red' },
      { engine: 'disk', maxBytes: 'many' },
      { engine: 'memory', appendMode: 'yes' },
      { engine: 'memory', serializer: 'pickle' },
      { engine: 'log', root: '' },
      { engine: 7 },
    ];
    for (const options of wrong) {
      await expect(openStore({ root, ...(options as object) })).rejects.toMatchObject({
        code: expect.stringMatching(/INVALID_CONFIG|UNKNOWN_PLUGIN/),
      });
    }
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('the directory of a store', () => {
  test('is made with a manifest, and found again without naming its engine', async () => {
    const store = await openStore({ root, name: 'users', engine: 'log', serializer: 'json' });
    await store.set('a', 1);
    await store.close();
    expect(JSON.parse(readFileSync(join(root, 'users', 'manifest.json'), 'utf8'))).toMatchObject({
      shardstash: 'store',
      version: 1,
      engine: 'log',
      serializer: 'json',
    });
    for (const again of [await openStore({ root, name: 'users' })]) {
      expect([again.config.engine, await again.get('a')]).toEqual(['log', 1]);
      await again.close();
    }
    const at = await openStoreAt(join(root, 'users'));
    expect(await at.get('a')).toBe(1);
    await at.close();
    await expect(openStore({ root, name: 'users', engine: 'file' })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      option: 'engine',
    });
  });

  test('is never somebody else’s', async () => {
    mkdirSync(join(root, 'photos'));
    writeFileSync(join(root, 'photos', 'cat.jpg'), 'meow');
    await expect(openStore({ root, name: 'photos' })).rejects.toMatchObject({
      code: 'STORE_FOREIGN',
      path: join(root, 'photos'),
    });
    await expect(openStoreAt(join(root, 'photos'))).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
    expect(readdirSync(join(root, 'photos'))).toEqual(['cat.jpg']);
  });

  test('is no file and no symbolic link', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'shardstash-elsewhere-'));
    writeFileSync(join(root, 'file'), '');
    symlinkSync(elsewhere, join(root, 'link'));
    for (const name of ['file', 'link']) {
      await expect(openStore({ root, name })).rejects.toMatchObject({ code: 'STORE_FOREIGN', path: join(root, name) });
    }
    expect(readdirSync(elsewhere)).toEqual([]);
    rmSync(elsewhere, { recursive: true });
    const linked = `${root}-linked`;
    symlinkSync(root, linked);
    const store = await openStore({ root: linked, name: 'fine' });
    await store.close();
    rmSync(linked);
  });

  test('is refused when its manifest is damaged, foreign or newer, and left as it is', async () => {
    mkdirSync(join(root, 'a'));
    const path = join(root, 'a', 'manifest.json');
    for (const [text, code] of [
      ['{"shardstash": "st', 'STORE_CORRUPT'],
      ['', 'STORE_CORRUPT'],
      ['[]', 'STORE_FOREIGN'],
      ['{"name": "my-package"}', 'STORE_FOREIGN'],
      ['{"shardstash": "store", "version": 2}', 'STORE_FOREIGN'],
      ['{"shardstash": "store", "version": 1, "engine": 7}', 'STORE_CORRUPT'],
    ] as const) {
      writeFileSync(path, text);
      await expect(openStore({ root, name: 'a' })).rejects.toMatchObject({ code, path });
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
  });

  test('is made once by many who open it at the same time', async () => {
    const open = (compression: string | false) =>
      openStore<number>({ root, name: 'shared', engine: 'file', compression });
    const opened = await Promise.allSettled([open(false), open('gzip'), open(false), open('gzip')]);
    const configs = opened.flatMap((result) =>
      result.status === 'fulfilled' ? [result.value.config.compression] : [],
    );
    expect(new Set(configs).size).toBe(1);
    for (const result of opened) {
      if (result.status === 'fulfilled') await result.value.close();
      else expect(result.reason).toMatchObject({ code: 'INVALID_CONFIG', option: 'compression' });
    }
  });

  test('that cannot be made is told by its path and the next step', async () => {
    const disk = new FaultyFiles();
    for (const [code, calls, step] of [
      ['EROFS', ['mkdirSync'], 'read-only'],
      ['ENOSPC', ['writeSync'], 'make room'],
      ['EMFILE', OPENS, 'ulimit'],
      ['EIO', ['fsyncSync'], 'health'],
    ] as const) {
      const opening = disk.during({ code, calls, strikes: always }, () =>
        openWith({ root, name: `store-${code}`, engine: 'log' }, disk.files, () => {}),
      );
      await expect(opening).rejects.toMatchObject({
        code: 'ENGINE_ERROR',
        path: expect.stringContaining(root),
        cause: { code },
      });
      await expect(opening).rejects.toThrow(step);
      const store = await openStore({ root, name: `store-${code}`, engine: 'log' });
      await store.close();
    }
  });
});

test('a temporary store is gone when it is closed', async () => {
  const store = await openStore.tmp<number>({ engine: 'file' });
  await store.set('a', 1);
  const path = store.config.root as string;
  expect([await store.get('a'), existsSync(path)]).toEqual([1, true]);
  await store.close();
  expect(existsSync(path)).toBe(false);
});
