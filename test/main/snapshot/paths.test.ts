import { join, resolve, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newestOf, pathOf, stampedPath } from '../../../src/main/snapshot/paths.ts';

const STORAGE = { dir: 'cache_storage', filename: 'cache_data' };
const NOWHERE = { isDirectory: () => false };
const NOON = new Date(2026, 0, 9, 12, 3, 4);

describe('pathOf', () => {
  test.each([
    [undefined, 'cache_storage/cache_data.snapshot'],
    ['nightly', 'cache_storage/nightly.snapshot'],
    ['nightly.bin', 'cache_storage/nightly.bin'],
    ['nightly.json', 'cache_storage/nightly.json'],
    ['.hidden', 'cache_storage/.hidden.snapshot'],
    ['./nightly', 'nightly.snapshot'],
    ['backups/nightly', 'backups/nightly.snapshot'],
    ['backups/nightly.v2', 'backups/nightly.v2'],
    ['backups/', 'backups/cache_data.snapshot'],
    ['../backups/', '../backups/cache_data.snapshot'],
    ['/var/backups/nightly', '/var/backups/nightly.snapshot'],
  ])('%s is %s', (given, path) => {
    expect(pathOf(given, STORAGE, 'snapshot', NOWHERE)).toBe(resolve(path));
  });

  test('what is a directory gets the default name in it', () => {
    const world = { isDirectory: (path: string) => path === 'backups' };
    expect(pathOf('backups', STORAGE, 'json', world)).toBe(resolve('backups/cache_data.json'));
  });

  test('a default name that has an extension keeps it', () => {
    expect(pathOf(undefined, { dir: 'd', filename: 'f.bin' }, 'json', NOWHERE)).toBe(resolve('d/f.bin'));
  });

  test.each([[''], [5], [null], ['a\0b'], [['a']]])('%o is refused', (given) => {
    expect(() => pathOf(given, STORAGE, 'snapshot', NOWHERE)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', option: 'path' }),
    );
  });
});

describe('timestamps', () => {
  test('stand before the extension, in local time', () => {
    expect(stampedPath('/d/cache_data.snapshot', NOON, { exists: () => false })).toBe(
      '/d/cache_data_20260109_120304.snapshot',
    );
    expect(stampedPath('/d.x/cache_data', NOON, { exists: () => false })).toBe('/d.x/cache_data_20260109_120304');
  });

  test('of one second have numbers, so that no file takes the place of another', () => {
    const taken = new Set(['/d/a_20260109_120304.json', '/d/a_20260109_120304_2.json']);
    expect(stampedPath('/d/a.json', NOON, { exists: (path) => taken.has(path) })).toBe('/d/a_20260109_120304_3.json');
    expect(() => stampedPath('/d/a.json', NOON, { exists: () => true })).toThrow(/1000 files of this second/);
  });

  test('the newest is found among other files', () => {
    const names = [
      'a_20260109_120304.json',
      'a_20260109_120304_10.json',
      'a_20260109_120304_9.json',
      'a_20251231_235959.json',
      'a_20270101_000000.snapshot',
      'ab_20270101_000000.json',
      'a_2027.json',
      'a_20270101_000000.json.tmp',
      'a.json',
    ];
    expect(newestOf(`${sep}d${sep}a.json`, names)).toBe(join(sep, 'd', 'a_20260109_120304_10.json'));
    expect(newestOf('/d/b.json', names)).toBeUndefined();
    expect(newestOf('/d/a.json', [])).toBeUndefined();
  });
});
