import { existsSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from 'shardstash/store';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommand, TraceFolder } from './run-command.ts';

const folder = new TraceFolder();
const path = folder.path('one');

beforeAll(async () => {
  const store = await openStore({ root: folder.path('.'), name: 'one', engine: 'json' });
  await store.setMany({ a: { name: 'Ann' }, b: 10n });
  await store.close();
});
afterAll(() => folder.remove());

test('inspect tells what a store is, for people and for programs', async () => {
  const [text, json] = await Promise.all([
    runCommand(['inspect', path, '--keys', '5']),
    runCommand(['inspect', path, '--keys', '5', '--json']),
  ]);
  expect([text.code, text.stderr]).toEqual([0, '']);
  expect(text.stdout).toMatch(/engine +json {2}json\n +entries +2\n/);
  expect(text.stdout).toContain("'a'");
  expect(JSON.parse(json.stdout)).toMatchObject({
    engine: 'json',
    entries: 2,
    holder: null,
    sample: [
      { key: 'a', value: { name: 'Ann' }, expiresAt: null },
      { key: 'b', value: '10n', expiresAt: null },
    ],
  });
});

test('convert, compact and verify work on a store by its path, and say what they did', async () => {
  const to = folder.path('two');
  const converted = await runCommand(['convert', path, to, '--engine', 'log', '--compression', 'zlib']);
  expect(converted).toMatchObject({ code: 0, stderr: '' });
  expect(converted.stdout).toContain('2 entries copied from json to log');
  const compacted = await runCommand(['compact', to, '--json']);
  expect(JSON.parse(compacted.stdout)).toMatchObject({ entries: 2, bytesBefore: expect.any(Number) });
  expect(await runCommand(['verify', to])).toMatchObject({ code: 0, stdout: 'It is whole.\n' });
  truncateSync(join(path, 'store.json'), 30);
  const broken = await runCommand(['verify', path, '--json']);
  expect(broken.code).toBe(1);
  expect(JSON.parse(broken.stdout).findings).toEqual([expect.stringContaining('store.json')]);
});

test('what is wrong with the arguments is one line and exit code 2, what is wrong with the place exit code 1', async () => {
  const [engine, name, none] = await Promise.all([
    runCommand(['convert', path, folder.path('three'), '--engine', 'pairtree']),
    runCommand(['inspect', 'redis://127.0.0.1:1', '--name', 'a:b']),
    runCommand(['inspect', folder.path('none')]),
  ]);
  expect([engine.code, name.code, none.code]).toEqual([2, 2, 1]);
  expect(engine.stderr).toContain("'pairtree' is 'file' here");
  expect(name.stderr).toMatch(/Expected --name to be letters, digits, `_`/);
  expect(none.stderr).toContain('nothing at');
  expect(existsSync(folder.path('three'))).toBe(false);
});
