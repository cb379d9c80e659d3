import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Engine } from '../../../src/protocol/engines/engine.ts';
import { fileEngine } from '../../../src/protocol/engines/file/index.ts';
import { nameOf } from '../../../src/protocol/engines/file/tree.ts';
import { diskFiles, type Files } from '../../../src/protocol/files.ts';
import { OWN_MARK } from '../../../src/protocol/process-mark.ts';
import { runEngineSuite } from '../../support/engine-suite.ts';
import { FaultyFiles } from '../../support/faulty-files.ts';
import { QUICK_DISK } from '../../support/quick-disk.ts';
import { seededRandom } from '../../support/random.ts';

runEngineSuite('file', {
  kind: fileEngine,
  root: QUICK_DISK,
  faults: ['full', 'broken', 'unreadable', 'out of files', 'unsynced', 'slow'],
});

describe('a store of files', () => {
  const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();
  let directory: string;
  let warnings: string[];

  beforeEach(() => {
    directory = mkdtempSync(join(QUICK_DISK, 'shardstash-file-'));
    warnings = [];
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const open = (files: Files = diskFiles, options = {}): Promise<Engine> =>
    fileEngine.open({ name: 'test', directory, options, files, warn: (message) => warnings.push(message) });
  const pathOf = (key: string) => {
    const name = nameOf(key);
    return join(directory, 'entries', name.slice(0, 2), name.slice(2));
  };
  const findings = async (engine: Engine) => {
    const all: string[] = [];
    for await (const finding of engine.verify?.() ?? []) all.push(finding);
    return all;
  };
  const keysOf = async (engine: Engine) => {
    const all: string[] = [];
    for await (const page of engine.keys()) all.push(...page);
    return all.sort();
  };

  test('has few files open, however many updates are under way', async () => {
    let [count, most] = [0, 0];
    const files: Files = {
      ...diskFiles,
      openSync: (...args) => {
        count++;
        most = Math.max(most, count);
        return diskFiles.openSync(...args);
      },
      closeSync: (fd) => {
        count--;
        diskFiles.closeSync(fd);
      },
    };
    const engine = await open(files);
    const keys = Array.from({ length: 300 }, (_, i) => `key ${i}`);
    for (const key of keys) await engine.set(key, Buffer.from(key));
    await Promise.all(keys.map(async (key) => engine.update(key, () => Buffer.from('new'))));
    expect(most).toBeLessThan(100);
    await engine.close();
  });

  test('is found by other programs, each entry with its key in it', async () => {
    const engine = await open();
    for (const key of ['one', 'two', 'three']) await engine.set(key, Buffer.from(`of ${key}`));
    const found = execFileSync('find', [join(directory, 'entries'), '-type', 'f'], { encoding: 'utf8' });
    expect(found.trim().split('\n').sort()).toEqual(['one', 'two', 'three'].map(pathOf).sort());
    const bytes = readFileSync(pathOf('two'));
    expect([bytes.toString('latin1', 0, 3), bytes[3], bytes.toString('latin1', 16)]).toEqual(['stf', 1, 'twoof two']);
  });

  test('sets in four calls to the disk and gets in three, once a directory is known', async () => {
    const disk = new FaultyFiles();
    const engine = await open(disk.files);
    await engine.set('a', Buffer.from('one'));
    disk.calls = 0;
    await engine.set('a', Buffer.from('two'));
    expect(disk.calls).toBe(4);
    await engine.get('a');
    expect(disk.calls).toBe(7);
  });

  test('tells a damaged entry wherever a byte was lost or changed, and keeps every other', async () => {
    const chance = seededRandom('damaged entries');
    const engine = await open();
    await engine.set('other', Buffer.from('whole'));
    const record = Buffer.from('some record');
    await engine.set('a', record);
    const path = pathOf('a');
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length++) {
      truncateSync(path, length);
      expect(() => engine.get('a')).toThrow(expect.objectContaining({ code: 'STORE_CORRUPT', path }));
      writeFileSync(path, whole);
    }
    for (let at = 0; at < whole.length - record.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ (1 << chance.below(8));
      writeFileSync(path, changed);
      expect(() => engine.get('a')).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/STORE_CORRUPT|STORE_FOREIGN/), path }),
      );
      expect(await findings(engine)).toEqual([expect.stringContaining(path)]);
    }
    writeFileSync(path, whole);
    appendFileSync(path, 'x');
    expect(() => engine.get('a')).toThrow('more than');
    expect(await keysOf(engine)).toEqual(['a', 'other']);
    writeFileSync(path, 'nothing of ours');
    expect(await keysOf(engine)).toEqual(['other']);
    expect(warnings).toEqual([expect.stringContaining(path)]);
    expect(text(await engine.get('other'))).toBe('whole');
    await engine.set('a', record);
    expect(text(await engine.get('a'))).toBe('some record');
    expect(await findings(engine)).toEqual([]);
  });

  test('tells a large entry that ends too early, and one under the name of another', async () => {
    const engine = await open();
    await engine.set('large', Buffer.alloc(200_000, 'x'));
    truncateSync(pathOf('large'), 150_000);
    await expect(async () => await engine.get('large')).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    await engine.set('a', Buffer.from('of a'));
    await engine.set('b', Buffer.from('of b'));
    copyFileSync(pathOf('a'), pathOf('b'));
    expect(() => engine.get('b')).toThrow(expect.objectContaining({ code: 'STORE_CORRUPT' }));
    expect((await findings(engine)).length).toBe(2);
  });

  test('leaves what is not its own alone, follows no link, and tells each', async () => {
    const engine = await open();
    for (const key of ['a', 'b', 'c', 'd']) await engine.set(key, Buffer.from(key));
    const outside = join(directory, 'outside');
    writeFileSync(outside, readFileSync(pathOf('c')));
    writeFileSync(join(dirname(pathOf('a')), 'README'), 'mine');
    rmSync(pathOf('b'));
    mkdirSync(pathOf('b'));
    rmSync(pathOf('c'));
    symlinkSync(outside, pathOf('c'));
    expect(() => engine.get('b')).toThrow(expect.objectContaining({ path: pathOf('b') }));
    expect(() => engine.get('c')).toThrow(expect.objectContaining({ code: 'STORE_FOREIGN', path: pathOf('c') }));
    const elsewhere = mkdtempSync(join(directory, 'elsewhere-'));
    rmSync(dirname(pathOf('d')), { recursive: true });
    symlinkSync(elsewhere, dirname(pathOf('d')));
    const second = await open();
    await expect(async () => await second.set('d', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
    expect(readdirSync(elsewhere)).toEqual([]);
    expect((await findings(second)).length).toBe(4);
    expect(await second.clear()).toBe(1);
    expect(readFileSync(join(dirname(pathOf('a')), 'README'), 'utf8')).toBe('mine');
    expect(readFileSync(outside, 'latin1')).toContain('stf');
  });

  test('an update never removes or replaces what another has just set', async () => {
    const one = await open();
    const other = await open();
    await one.set('a', Buffer.from('old'));
    let runs = 0;
    // The plain set of another opener comes between what the update reads and what it does.
    await one.update('a', (record) => {
      if (runs++ === 0) other.set('a', Buffer.from('new'));
      return text(record) === 'old' ? undefined : record;
    });
    expect([text(await one.get('a')), runs]).toEqual(['new', 2]);
    await one.update('a', (record) => {
      if (runs++ === 2) other.set('a', Buffer.from('newer'));
      return Buffer.from(`${text(record)}!`);
    });
    expect(text(await one.get('a'))).toBe('newer!');
    await one.update('fresh', (record) => {
      if (record === undefined) other.set('fresh', Buffer.from('theirs'));
      return record ?? Buffer.from('mine');
    });
    expect(text(await one.get('fresh'))).toBe('theirs');
  });

  test('two openers lose no update of each other', async () => {
    const openers = [await open(), await open()];
    const more = (record: Uint8Array | undefined) => Buffer.from(`${Number(text(record) ?? 0) + 1}`);
    await Promise.all(Array.from({ length: 40 }, async (_, i) => await openers[i % 2]?.update('count', more)));
    expect(text(await openers[0]?.get('count'))).toBe('40');
    expect(readdirSync(join(directory, 'locks'))).toEqual([]);
  });

  test('an update waits for that of another process, and not for one that has ended', async () => {
    const engine = await open();
    const lock = (mark: string) => join(directory, 'locks', `${nameOf('a')}.aabbccddeeff-0.${mark}`);
    const living = lock(`${markOfHost()}-${process.ppid}-0`);
    writeFileSync(living, '');
    const update = engine.update('a', () => Buffer.from('mine'));
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(readdirSync(join(directory, 'entries'))).toEqual([]);
    rmSync(living);
    await update;
    expect(text(await (await open()).get('a'))).toBe('mine');
    writeFileSync(lock(`${markOfHost()}-999999999-1`), '');
    await engine.update('a', () => undefined);
    expect((await engine.get('a')) !== undefined).toBe(false);
  });

  test('sweeps what processes that have ended left, and nothing of those that live', async () => {
    const first = await open();
    await first.set('a', Buffer.from('one'));
    await first.close();
    const dead = `${markOfHost()}-999999999-1`;
    const beside = dirname(pathOf('a'));
    const living = `.aabbccddeeff.${markOfHost()}-${process.ppid}-0-1.tmp`;
    writeFileSync(join(beside, `.aabbccddeeff.${dead}-0.tmp`), 'half');
    writeFileSync(join(beside, living), 'half');
    writeFileSync(join(directory, 'locks', `${nameOf('a')}.aabbccddeeff-0.${dead}`), '');
    // Who closed what he had open left nothing, so nobody looks.
    await (await open()).close();
    expect(readdirSync(beside).length).toBe(3);
    writeFileSync(join(directory, 'openers', `aabbccddeeff-0.${dead}`), '');
    const engine = await open();
    expect(readdirSync(beside).sort()).toEqual([living, nameOf('a').slice(2)]);
    expect([readdirSync(join(directory, 'openers')).length, readdirSync(join(directory, 'locks'))]).toEqual([1, []]);
    expect(await findings(engine)).toEqual([]);
    await engine.close();
    expect(readdirSync(join(directory, 'openers'))).toEqual([]);
  });

  test('goes on where somebody has removed its directories', async () => {
    const engine = await open();
    await engine.set('a', Buffer.from('one'));
    rmSync(join(directory, 'entries'), { recursive: true });
    rmSync(join(directory, 'openers'), { recursive: true });
    expect(await engine.get('a')).toBe(undefined);
    await engine.set('a', Buffer.from('two'));
    expect(text(await engine.get('a'))).toBe('two');
  });

  test('makes a directory again that another process gives back in the same moment', async () => {
    let removals = 2;
    const openSync = ((path: string, flags: string) => {
      if (path.includes('/entries/') && flags === 'wx' && removals-- > 0) rmSync(dirname(path), { recursive: true });
      return diskFiles.openSync(path, flags);
    }) as Files['openSync'];
    const engine = await open({ ...diskFiles, openSync });
    await engine.set('key', Buffer.from('value'));
    expect(text(await engine.get('key'))).toBe('value');
    expect(removals).toBeLessThan(1);
    await engine.close();
  });

  test('gives empty directories back, and keeps the rest', async () => {
    const engine = await open();
    for (let i = 0; i < 20; i++) await engine.set(`key ${i}`, Buffer.from('x'));
    for (let i = 1; i < 20; i++) await engine.delete(`key ${i}`);
    await engine.compact?.();
    expect(readdirSync(join(directory, 'entries'))).toEqual([nameOf('key 0').slice(0, 2)]);
    await engine.set('key 1', Buffer.from('again'));
    expect(await engine.size()).toBe(2);
  });
});

/** The first part of this machine's marks. */
function markOfHost(): string {
  return OWN_MARK.split('-')[0] as string;
}
