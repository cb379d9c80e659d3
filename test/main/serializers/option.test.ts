import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { createCodec, loadSerializer, resolveSerializer } from '../../../src/main/serializers/index.ts';
import { roundTrip } from '../../support/codec-verdict.ts';

const folder = mkdtempSync(join(tmpdir(), 'serializer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const serializer = { name: 'mine', encode: () => Buffer.alloc(1), decode: () => 1 };

function moduleWith(name: string, code: string): string {
  const path = join(folder, name);
  writeFileSync(path, code);
  return path;
}

const MODULE = moduleWith(
  'upper.mjs',
  `export const upper = {
     name: 'upper', binary: false,
     encode: (value) => String(value).toUpperCase(), decode: (text) => text,
   };
   export default { ...upper, name: 'upper by default' };
   export const number = 5;
   export const json = { ...upper, name: 'json' };`,
);

describe('the option `serializer`', () => {
  test('is msgpack unless somebody asks, and names have no case', () => {
    expect(resolveSerializer(undefined)).toBe('msgpack');
    expect(resolveSerializer('JSON')).toBe('json');
    expect(resolveSerializer('v8')).toBe('v8');
    expect(resolveSerializer('raw')).toBe('raw');
  });

  test('takes a serializer of the user as it is', () => {
    expect(resolveSerializer(serializer)).toBe(serializer);
    expect(resolveSerializer({ ...serializer, extension: 'tar.gz', binary: true })).toMatchObject({ binary: true });
  });

  test('names those there are when it knows none of that name', () => {
    expect(() => resolveSerializer('pickle')).toThrow(
      expect.objectContaining({
        code: 'UNKNOWN_PLUGIN',
        option: 'serializer',
        available: ['msgpack', 'json', 'v8', 'raw'],
        message: expect.stringContaining("got 'pickle' (string)"),
      }),
    );
    expect(() => resolveSerializer('toString')).toThrow(expect.objectContaining({ code: 'UNKNOWN_PLUGIN' }));
  });

  test('keeps the names of the built-in serializers to them', () => {
    expect(() => resolveSerializer({ ...serializer, name: 'Json' })).toThrow(
      expect.objectContaining({ code: 'DUPLICATE_PLUGIN', option: 'serializer' }),
    );
  });

  test.each<[string, unknown]>([
    ['a number', 5],
    ['null', null],
    ['a function', () => serializer],
    ['an empty object', {}],
    ['an object without name', { ...serializer, name: undefined }],
    ['an object with an empty name', { ...serializer, name: '' }],
    ['an object without encode', { ...serializer, encode: undefined }],
    ['an object without decode', { ...serializer, decode: 'json' }],
    ['an object with `binary` of another type', { ...serializer, binary: 'no' }],
    ['an object with an extension that begins with a dot', { ...serializer, extension: '.txt' }],
    ['an object with an extension that leaves its folder', { ...serializer, extension: 'a/../b' }],
    ['a module by a relative path', { module: './mine.js' }],
    ['a module that is no URL', { module: 5 }],
    ['an export that is no name', { module: MODULE, export: 5 }],
    ['a misspelt export', { module: MODULE, exports: 'upper' }],
  ])('refuses %s', (_name, option) => {
    expect(() => resolveSerializer(option)).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIG',
        option: 'serializer',
        message: expect.stringMatching(/^Expected/),
      }),
    );
  });
});

describe('a serializer in a module', () => {
  test.each<[string, URL | string]>([
    ['a path', MODULE],
    ['a URL', pathToFileURL(MODULE)],
    ['the text of a URL', pathToFileURL(MODULE).href],
  ])('is found by %s', async (_name, module) => {
    const resolved = resolveSerializer({ module, export: 'upper' });
    expect(structuredClone(resolved)).toEqual({ module: pathToFileURL(MODULE).href, export: 'upper' });
    expect(roundTrip(createCodec(await loadSerializer(resolved)), 'ada')).toBe('ADA');
  });

  test('is the default export unless another is named', async () => {
    expect(await loadSerializer(resolveSerializer({ module: MODULE }))).toMatchObject({ name: 'upper by default' });
  });

  test('others are loaded as they are', async () => {
    expect(await loadSerializer('json')).toBe('json');
    expect(await loadSerializer(serializer)).toBe(serializer);
  });

  test.each<[string, object, string, RegExp]>([
    ['cannot be imported', { module: join(folder, 'none.mjs') }, 'INVALID_CONFIG', /none\.mjs/],
    ['does not compile', { module: moduleWith('broken.mjs', 'export default {') }, 'INVALID_CONFIG', /broken\.mjs/],
    ['has no such export', { module: MODULE, export: 'lower' }, 'INVALID_CONFIG', /default, json, number, upper/],
    ['exports something else', { module: MODULE, export: 'number' }, 'INVALID_CONFIG', /`number`/],
    ['exports one of a built-in name', { module: MODULE, export: 'json' }, 'DUPLICATE_PLUGIN', /json/],
  ])('is refused when the module %s', async (_name, option, code, message) => {
    await expect(loadSerializer(resolveSerializer(option))).rejects.toMatchObject({
      code,
      option: 'serializer',
      message: expect.stringMatching(message),
    });
  });
});
