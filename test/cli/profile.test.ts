import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { UsageError } from '../../src/main/cli/command.ts';
import { parseProfileOptions } from '../../src/main/cli/profile-options.ts';
import { runCommand, TraceFolder } from './run-command.ts';

const folder = new TraceFolder();
afterAll(() => folder.remove());

const TINY = ['profile', '--engine', 'memory', '--size', '64', '--iterations', '1'];

test('measures what it is told, and writes it in the format and to the file that it is told', async () => {
  const [root, output] = [folder.path('root'), folder.path('out.csv')];
  mkdirSync(root);
  const args = ['--compression', 'false,zlib', '--base64', 'true', '--csv', '--root', root, '--output', output];
  expect(await runCommand([...TINY, ...args])).toEqual({ code: 0, stdout: '', stderr: '' });
  const lines = readFileSync(output, 'utf8').trimEnd().split('\r\n');
  expect(lines[0]).toMatch(/^Engine,Encoding,Serializer,Operation,Size,.*,Time,Rate,MB\/s,Error$/);
  expect(lines.slice(1).map((line) => line.split(',').slice(0, 5).join(' '))).toEqual(
    ['base64', 'zlib+base64'].flatMap((encoding) =>
      ['encode key', 'decode key', 'encode value', 'decode value', 'write', 'read'].map(
        (operation) => `memory ${encoding} msgpack ${operation} 64`,
      ),
    ),
  );
  expect(readdirSync(root)).toEqual([]);
});

test('prints a table for people', async () => {
  const { code, stdout } = await runCommand(TINY);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Values of 64 bytes as JSON\n {2}engine .* read\n {2}memory {2}plain .*[µn]s/);
});

test('what the profile knows nothing of is wrong usage, in the words of the command line', async () => {
  const { code, stdout, stderr } = await runCommand([...TINY, '--compression', 'bz2']);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/--compression to be one of zlib, .*bz2 and blosc are not offered/);
});

test.each<[string, string[], RegExp]>([
  ['two formats', ['--csv', '--json'], /One format at a time, got --csv and --json/],
  ['a size that is none', ['--size', '1k'], /--size takes a whole number/],
  ['a flag that is none', ['--base64', 'maybe'], /--base64 takes true, false or both/],
  ['an empty list', ['--engine', 'memory,'], /--engine takes one or more/],
  ['no output', ['--output', ''], /The name of the output is empty/],
  ['an argument', ['memory'], /Unexpected argument 'memory'/],
])('%s is wrong usage', (_name, args, told) => {
  expect(() => parseProfileOptions(args)).toThrow(UsageError);
  expect(() => parseProfileOptions(args)).toThrow(told);
});

test('lists and formats become the options of a profile', () => {
  const args = ['--engine', 'file, log', '--compression', 'true,lz4', '--base64', 'true,false', '--size', '10,20'];
  const { options, format, output } = parseProfileOptions([...args, '--iterations', '3', '--markdown']);
  expect(options).toMatchObject({ engine: ['file', 'log'], compression: [true, 'lz4'], base64: [true, false] });
  expect(options).toMatchObject({ size: [10, 20], iterations: 3, serializer: undefined, root: undefined });
  expect([format, output]).toEqual(['markdown', undefined]);
});

test('Ctrl-C ends it, and nothing is left', async () => {
  const root = folder.path('interrupted');
  mkdirSync(root);
  const args = ['profile', '--engine', 'memory', '--size', '100000', '--iterations', '1000', '--root', root];
  const { code, stdout } = await runCommand(args, { interruptedAfterMs: 600 });
  expect([code, stdout]).toEqual([130, '']);
  expect(existsSync(root) && readdirSync(root)).toEqual([]);
});
