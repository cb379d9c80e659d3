import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { readSnapshot } from 'shardstash/snapshot';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Command } from '../../src/main/cli/command.ts';
import { compact } from '../../src/main/cli/compact.ts';
import { convert } from '../../src/main/cli/convert.ts';
import { inspect } from '../../src/main/cli/inspect.ts';
import { plainValue } from '../../src/main/cli/shown-entry.ts';
import { verify } from '../../src/main/cli/verify.ts';
import { openMemoFile } from '../../src/main/memo/file/memo-file.ts';
import { createCodec } from '../../src/main/serializers/index.ts';
import { encodeValue } from '../../src/main/snapshot/json-entry.ts';
import { FACTS, snapshotOf } from '../support/snapshots.ts';
import { runCommand, TraceFolder } from './run-command.ts';

const folder = new TraceFolder();
const path = folder.path('cache.snapshot');
const memo = folder.path('double.log');
/** What a terminal would obey. */
const HOSTILE = 'evil\u001b[31m';
const EVER = Number.POSITIVE_INFINITY;
const UNTIL = Date.UTC(2100, 0, 1);

beforeAll(() => {
  const codec = createCodec('msgpack');
  const entry = (key: string, value: unknown, deadlineMs = EVER) => ({
    key,
    ...encodeValue(value, codec),
    ...{ deadlineMs, slideMs: 0, graceMs: 0, standing: 0 },
  });
  const kept = Array.from({ length: 9 }, (_, i) => entry(`k${i}`, { i, at: new Date(0) }));
  folder.write('cache.snapshot', snapshotOf([...kept, entry('gone', 1, 1), entry(HOSTILE, 10n, UNTIL)], FACTS));
  const file = openMemoFile({ path: memo, name: `double${HOSTILE}` });
  const set = (key: string, result: unknown, args: readonly unknown[]) =>
    file.set(key, { result, args, version: undefined, createdAtMs: 1, expiresAtMs: EVER });
  set('one', 0, [1]);
  set('two', 4, [2]);
  set('one', HOSTILE, [HOSTILE]);
  file.close();
});
afterAll(() => folder.remove());

/** Runs a command in this process, which is quicker than in its own: what it printed. */
async function run(command: Command, ...args: string[]): Promise<string> {
  let printed = '';
  const write = vi
    .spyOn(process.stdout, 'write')
    .mockImplementation((text: string | Uint8Array, ...rest: unknown[]) => {
      printed += String(text);
      for (const done of rest) if (typeof done === 'function') done();
      return true;
    });
  try {
    expect(await command.run(args)).toBe(0);
  } finally {
    write.mockRestore();
  }
  expect(printed).not.toContain('\u001b');
  return printed;
}

test('inspect tells what a snapshot is by its content, for people and for programs', async () => {
  const { code, stdout, stderr } = await runCommand(['inspect', path, '--keys', '2']);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/snapshot +binary {2}version 1, msgpack, evicted by lru, 1 shard\n/);
  expect(stdout).toMatch(/entries +11 {2}1 of them has expired\n/);
  expect(stdout).toMatch(/hottest first\n +'evil\\x1B\[31m' +10n {2}until 2100.*\n +'gone' +1 {2}until 1970/);
  expect(JSON.parse(await run(inspect, path, '--keys', '1', '--json'))).toEqual({
    kind: 'snapshot',
    path,
    format: 'binary',
    version: 1,
    savedAt: new Date(FACTS.savedAtMs).toISOString(),
    shards: 1,
    serializer: 'msgpack',
    eviction: 'lru',
    entries: 11,
    expired: 1,
    bytes: statSync(path).size,
    damage: [],
    sample: [{ key: HOSTILE, value: '10n', expiresAt: '2100-01-01T00:00:00.000Z' }],
  });
});

test('inspect tells whose results a memo file has, the latest first with their arguments', async () => {
  const text = await run(inspect, memo, '--keys', '1');
  expect(text).toMatch(/memo of +doubleevil\\x1b\[31m\n +entries +2 {2}1 result replaced/);
  expect(text).toMatch(/latest first\n +'one' +'evil\\x1B\[31m'\n +of \[ 'evil\\x1B\[31m' \]\n/);
  expect(JSON.parse(await run(inspect, memo, '--keys', '9', '--json'))).toMatchObject({
    kind: 'memo',
    path: memo,
    entries: 2,
    results: 3,
    damaged: 0,
    sample: [
      { key: 'one', value: HOSTILE, args: [HOSTILE], expiresAt: null },
      { key: 'two', value: 4, args: [2] },
    ],
  });
});

test('convert makes text, snapshots and stores of snapshots, and counts what it leaves out', async () => {
  const text = folder.path('cache.json');
  const back = folder.path('back.snapshot');
  const store = folder.path('store');
  const again = folder.path('again.snapshot');
  expect(await run(convert, path, text)).toBe(
    `10 entries copied from a binary snapshot to a json snapshot at ${text}.\n1 had expired and was left out.\n`,
  );
  expect(JSON.parse(readFileSync(text, 'utf8')).entries).toHaveLength(10);
  const made = JSON.parse(await run(convert, text, back, '--serializer', 'v8', '--json'));
  expect(made).toMatchObject({ path: back, entries: 10, serializer: 'v8', from: { format: 'json' } });
  expect(await run(convert, text, store, '--engine', 'json', '--base64')).toContain('from a json snapshot to json at');
  expect(await run(convert, store, again)).toContain('10 entries copied from json to a binary snapshot at');
  expect(await run(verify, again)).toBe('It is whole.\n');
  const read = new Map<unknown, unknown>();
  for await (const { key, value, expiresAt } of readSnapshot(again)) read.set(key, [value, expiresAt]);
  expect(read.get('k8')).toEqual([{ i: 8, at: new Date(0) }, EVER]);
  expect(read.get(HOSTILE)).toEqual([10n, UNTIL]);
  // The file of a store looks as a snapshot does.
  const inside = JSON.parse(await run(inspect, `${store}/store.json`, '--json'));
  expect(inside).toMatchObject({ kind: 'store', engine: 'json', entries: 10, base64: true });
  await expect(run(convert, path, text)).rejects.toThrow('something at');
});

test('compact gives back what a memo has replaced, while a snapshot has nothing to give back', async () => {
  const copy = folder.write('copy.log', readFileSync(memo));
  expect(await run(compact, copy)).toMatch(/^2 entries: \d+ B before, \d+ B now\.\n$/);
  expect(JSON.parse(await run(compact, copy, '--json'))).toMatchObject({ path: copy, entries: 2, dropped: 0 });
  await expect(run(compact, path)).rejects.toThrow(`${path} is a snapshot`);
});

test('what is damaged, foreign or not there is told in one line with exit code 1, misuse with 2', async () => {
  const cut = folder.write('cut.snapshot', readFileSync(path).subarray(0, 200));
  const torn = folder.write('torn.log', readFileSync(memo).subarray(0, -1));
  const empty = folder.write('empty.json', '');
  const foreign = folder.write('foreign.json', '{"name":"shard\u001b"}');
  const before = readdirSync(folder.path('.'));
  const to = folder.path('new.json');
  const [broken, pieces, absent, misused] = await Promise.all([
    runCommand(['verify', cut, '--json']),
    runCommand(['verify', torn]),
    runCommand(['convert', folder.path(`absent${HOSTILE}`), to]),
    runCommand(['convert', path, folder.path('new')]),
  ]);
  expect([broken.code, JSON.parse(broken.stdout).findings]).toEqual([1, [expect.stringContaining('without its end')]]);
  expect([pieces.code, pieces.stdout]).toEqual([1, expect.stringMatching(/^Bytes \d+ to .*\n1 thing is wrong\.\n$/)]);
  expect([absent.code, absent.stdout, absent.stderr]).toEqual([
    1,
    '',
    expect.stringMatching(/There is nothing at .*absentevil\\x1b\[31m.*\n$/),
  ]);
  expect([misused.code, misused.stdout]).toEqual([2, '']);
  expect(misused.stderr).toMatch(/^shardstash convert: Expected --engine .* or TO to end in .*\n$/);
  await expect(run(inspect, cut)).rejects.toThrow('without its end');
  await expect(run(inspect, empty)).rejects.toThrow('it is empty');
  await expect(run(inspect, foreign)).rejects.toThrow('it begins with {"name":"shard\\x1b"');
  await expect(run(inspect, folder.path('.'))).rejects.toThrow('There is no store at');
  await expect(run(convert, memo, to)).rejects.toThrow('is a memo file');
  await expect(run(convert, cut, to)).rejects.toThrow('without its end');
  await expect(run(convert, path, to, '--serializer', 'pickle')).rejects.toThrow('Expected --serializer to be one of');
  await expect(run(convert, path, to, '--compression', 'zlib')).rejects.toThrow('a snapshot has none');
  await expect(run(convert, path, folder.path('.'), '--engine', 'log')).rejects.toThrow('something at');
  await expect(run(inspect, path, '--name', 'a')).rejects.toThrow('redis:// place only');
  expect(readdirSync(folder.path('.'))).toEqual(before);
  expect(existsSync(to)).toBe(false);
});

test('a file that may not be read is told with what to do', async () => {
  const secret = folder.write('secret.snapshot', readFileSync(path));
  chmodSync(secret, 0);
  // The superuser reads it nonetheless.
  if (process.getuid?.() === 0) {
    expect(await run(verify, secret)).toBe('It is whole.\n');
  } else {
    await expect(run(verify, secret)).rejects.toThrow(/Cannot read .* Give this user the right to read it/);
  }
});

test('what JSON has no words for is shown to programs as to people', () => {
  const values = [new Map([[1, 2]]), { deep: [Number.NaN] }, { at: new Date(0), none: undefined }, new Date(0), /a/];
  expect(values.map(plainValue)).toEqual(['Map(1) { 1 => 2 }', '{ deep: [ NaN ] }', values[2], values[3], '/a/']);
});
