import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { shownOptions } from '../../../src/main/engines/place.ts';
import { openStore, openStoreAt, type StoreOptions } from '../../../src/main/stores/index.ts';
import { openWith } from '../../../src/main/stores/open.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
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
      { engine: 'log', sync: 'yes' },
      { engine: 'file', sync: 1 },
      { engine: 'disk', maxBytes: 1.5 },
      { engine: 'disk', eviction: 'oldest' },
      { engine: 'lmdb', mapSize: 1 },
    ];
    for (const options of wrong) {
      await expect(openStore({ root, ...(options as object) })).rejects.toMatchObject({
        code: expect.stringMatching(/INVALID_CONFIG|UNKNOWN_PLUGIN/),
      });
    }
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('what is no object of options', () => {
  test('is refused wherever a store is opened', async () => {
    for (const options of [null, 5, 'users', [], () => 1] as unknown[] as StoreOptions[]) {
      const misuse = { code: 'INVALID_CONFIG', option: 'options' };
      await expect(openStore(options)).rejects.toMatchObject(misuse);
      await expect(openStore.tmp(options)).rejects.toMatchObject(misuse);
      await expect(openStoreAt(root, options)).rejects.toMatchObject(misuse);
    }
    await expect(openStoreAt(undefined as never)).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'root' });
  });
});

describe('what a store says of itself', () => {
  test('cannot be changed', async () => {
    const store = await openStore({ engine: 'memory', name: 'frozen' });
    expect(Object.isFrozen(store.config)).toBe(true);
    await store.close();
  });

  test('has no password and no client', () => {
    const cluster = ['redis://:secret@a:1', 'b:2'];
    const url = 'redis://me:secret@host:1/2?password=secret&family=4';
    expect(shownOptions({ url, cluster, client: {}, commandTimeout: 5 })).toEqual({
      url: 'redis://me@host:1/2?family=4',
      cluster: ['redis://a:1', 'b:2'],
      commandTimeout: 5,
    });
  });

  test('is what a store within it is made with, and what is not given again', async () => {
    const made = { engine: 'log', serializer: 'json', strict: true, compression: 'gzip', appendMode: true };
    await (await openStore({ root, name: 'a', ...made })).close();
    const again = await openStore({ root, name: 'a', strict: true });
    const sub = await again.sub('b');
    expect([again.config, sub.config]).toMatchObject([made, made]);
    await sub.close();
    await again.close();
  });

  test('is one thing in memory, too, whoever is first', async () => {
    const open = (appendMode: boolean) => openStore<number>({ engine: 'memory', name: 'raced', appendMode });
    const opened = await Promise.allSettled([open(true), open(false)]);
    expect(opened.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    for (const result of opened) if (result.status === 'fulfilled') await result.value.close();
  });
});

describe('the directory of a store', () => {
  test('may be made by another process between two looks', async () => {
    let isFirst = true;
    const readdirSync = ((path: string) => {
      if (isFirst) {
        isFirst = false;
        writeFileSync(join(path, 'manifest.json'), JSON.stringify({ shardstash: 'store', version: 1, ...manifest }));
        writeFileSync(join(path, 'entries'), '');
      }
      return readdirSync0(path);
    }) as typeof diskFiles.readdirSync;
    const readdirSync0 = diskFiles.readdirSync;
    const manifest = {
      engine: 'log',
      serializer: 'v8',
      compression: false,
      base64: false,
      appendMode: false,
      strict: false,
    };
    const store = await openWith({ root, name: 'a', engine: 'log' }, { ...diskFiles, readdirSync });
    expect(store.config.serializer).toBe('v8');
    await store.close();
  });

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

  test('says what it was made with that nobody here knows, and by which name it cannot be opened', async () => {
    const made = {
      engine: 'log',
      serializer: 'msgpack',
      compression: false,
      base64: false,
      appendMode: false,
      strict: false,
    };
    const directory = join(root, 'a');
    mkdirSync(directory);
    for (const [told, code] of [
      [{ compression: 'middle-out' }, 'STORE_FOREIGN'],
      [{ engine: 'module:default' }, 'STORE_FOREIGN'],
      [{ engine: '__proto__' }, 'STORE_FOREIGN'],
      [{ strict: true }, 'STORE_FOREIGN'],
      [{ engine: 'memory' }, 'STORE_CORRUPT'],
    ] as const) {
      const manifest = { shardstash: 'store', version: 1, ...made, ...told };
      writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
      await expect(openStoreAt(directory)).rejects.toMatchObject({ code, path: directory });
      await expect(openStore({ root, name: 'a' })).rejects.toMatchObject({ code, path: directory });
    }
    renameSync(directory, join(root, 'my backup'));
    await expect(openStoreAt(join(root, 'my backup'))).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
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

test('temporary stores do not meet, whatever keeps them and however they are called', async () => {
  for (const engine of ['memory', 'file']) {
    const [one, other] = await Promise.all([0, 1].map(() => openStore.tmp({ engine, name: 'same', root })));
    await one?.set('a', 1);
    expect(await other?.has('a')).toBe(false);
    expect(one?.config.name.endsWith('/same')).toBe(true);
    await one?.close();
    await other?.close();
    expect(readdirSync(root)).toEqual([]);
  }
  await expect(openStore.tmp({ root: join(root, 'none') })).rejects.toMatchObject({ code: 'ENGINE_ERROR' });
});

test('a temporary store is gone when it is closed', async () => {
  const store = await openStore.tmp<number>({ engine: 'file' });
  await store.set('a', 1);
  const path = store.config.root as string;
  expect([await store.get('a'), existsSync(path)]).toEqual([1, true]);
  await store.close();
  expect(existsSync(path)).toBe(false);
});
