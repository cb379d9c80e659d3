/** A memo file, as the memos that share it see it. */
import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MemoFileOptions } from '../../../src/main/memo/file/memo-file.ts';
import { MemoFolder, record } from '../../support/memo-folder.ts';

let folder: MemoFolder;
let directory: string;
let path: string;
const open = (options?: Partial<MemoFileOptions>) => folder.open(options);

beforeEach(() => {
  folder = new MemoFolder();
  ({ directory, path } = folder);
});

afterEach(() => folder.remove());

describe('results', () => {
  test('are there for who opens the file next, with all that is known of them', () => {
    const first = open();
    first.set('a', record({ x: [1, 2n] }, { args: ['a', { b: 1 }], version: 'v1', createdAtMs: 17 }));
    first.set('b', record(undefined));
    first.set('c', record(null));
    first.set('a', record('newer', { args: [1] }));
    first.close();
    const second = open();
    expect(second.get('a')).toEqual(record('newer', { args: [1] }));
    expect(second.get('b')).toEqual(record(undefined));
    expect(second.get('c')).toEqual(record(null));
    expect(second.get('d')).toBeUndefined();
    expect(second.keys().sort()).toEqual(['a', 'b', 'c']);
    expect(second.facts()).toMatchObject({ name: 'f', serializer: 'msgpack', entries: 3, damaged: 0 });
  });

  test('that one has stored, deleted or cleared the others see in their next call', () => {
    const [one, other] = [open(), open()];
    one.set('a', record(1));
    expect(other.get('a')?.result).toBe(1);
    other.set('a', record(2));
    other.set('b', record(3));
    expect([one.get('a')?.result, one.has('b'), one.size()]).toEqual([2, true, 2]);
    expect([one.delete('a'), one.delete('a'), other.delete('a')]).toEqual([true, false, false]);
    expect(other.has('a')).toBe(false);
    expect([other.clear(), other.clear(), one.size()]).toEqual([1, 0, 0]);
  });

  test('that have expired are not there', () => {
    const file = open();
    file.set('past', record(1, { expiresAtMs: Date.now() - 1 }));
    file.set('future', record(2, { expiresAtMs: Date.now() + 60_000 }));
    for (const one of [file, open()]) {
      expect([one.has('past'), one.get('past'), one.keys(), one.size()]).toEqual([false, undefined, ['future'], 1]);
      expect(one.get('future')?.result).toBe(2);
    }
  });

  test('longer than a page, and longer than the window of a reader, come back whole', () => {
    const file = open();
    const long = Buffer.alloc(3 * 2 ** 20, 'abc');
    file.set('long', record(long));
    file.set('page', record('x'.repeat(10_000)));
    for (const one of [file, open()]) {
      expect(long.equals(one.get('long')?.result as Buffer)).toBe(true);
      expect(one.get('page')?.result).toBe('x'.repeat(10_000));
    }
  });
});

describe('claims', () => {
  test('of one key are granted to one at a time, in whatever instance', async () => {
    const [one, other] = [open(), open()];
    const first = one.claim('k');
    expect(first.isGranted).toBe(true);
    const second = other.claim('k');
    expect(second).toMatchObject({ isGranted: false, holder: 'this process' });
    expect(one.claim('k').isGranted).toBe(false);
    expect(other.claim('other').isGranted).toBe(true);
    expect(await second.wait(1)).toBe(false);
    const waiting = second.wait(60_000);
    first.release();
    first.release();
    expect(await waiting).toBe(true);
    expect(other.claim('k').isGranted).toBe(true);
  });

  test('end with the result, which whoever has found none before is told of first', async () => {
    const [one, other] = [open(), open()];
    expect(other.get('k')).toBeUndefined();
    expect(one.claim('k').isGranted).toBe(true);
    one.set('k', record(1));
    const late = other.claim('k');
    expect(late.isGranted).toBe(false);
    expect(await late.wait(60_000)).toBe(true);
    expect(other.get('k')?.result).toBe(1);
    // Who wants to compute it nonetheless may.
    expect(other.claim('k').isGranted).toBe(true);
  });
});

describe('a path', () => {
  test('at which something else lies is told, and left as it is', () => {
    writeFileSync(path, 'hello world');
    expect(() => open()).toThrow(expect.objectContaining({ code: 'STORE_FOREIGN', path }));
    expect(readFileSync(path, 'utf8')).toBe('hello world');
    writeFileSync(path, Buffer.from([0xd3, 0x6d, 0x6d, 2, 0, 0]));
    expect(() => open()).toThrow(/format 2; this version knows 1/);
    mkdirSync(join(directory, 'd.log'));
    expect(() => open({ path: join(directory, 'd.log') })).toThrow(expect.objectContaining({ code: 'ENGINE_ERROR' }));
  });

  test('whose file is removed gets a new one, and what is stored then is there', () => {
    const [one, other] = [open(), open()];
    one.set('a', record(1));
    rmSync(path);
    one.set('b', record(2));
    expect([other.has('a'), other.get('b')?.result]).toEqual([false, 2]);
  });

  test.each([0, 10])('whose file is cut off at byte %i begins anew, for all who have it open', (size) => {
    const [one, other] = [open(), open()];
    one.set('a', record(1));
    other.get('a');
    truncateSync(path, size);
    one.set('b', record('longer than what was there before: the other cannot tell by the size '.repeat(3)));
    other.set('c', record(3));
    for (const file of [one, other, open()]) expect(file.keys()).toEqual(['b', 'c']);
  });

  test('whose file is cut off or written into is read again, around what is no frame', () => {
    const told: string[] = [];
    const file = open({ onDamage: (message) => told.push(message) });
    file.set('a', record(1));
    const { size } = statSync(path);
    appendFileSync(path, Buffer.from([0xd3, 0x6d, 0x6d, 1, 0, 0]));
    file.set('b', record(2));
    appendFileSync(path, readFileSync(path).subarray(0, 60));
    file.set('c', record(3));
    expect([file.get('a')?.result, file.get('b')?.result, file.get('c')?.result]).toEqual([1, 2, 3]);
    expect(file.facts().damaged).toBe(2);
    expect(told).toHaveLength(1);
    expect(size).toBeGreaterThan(0);
  });
});
