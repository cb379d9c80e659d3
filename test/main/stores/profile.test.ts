import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ProfileRow, profile, registerEngine } from '../../../src/main/stores/index.ts';
import { Profile } from '../../../src/main/stores/profile-table.ts';
import { madeValue } from '../../../src/main/stores/profile-values.ts';

const OPERATIONS = ['encode key', 'decode key', 'encode value', 'decode value', 'write', 'read'];

function engineOf(open: string): string {
  return `data:text/javascript,export default { keeps: 'nothing', access: 'shared', options: [], open: ${open} };`;
}

registerEngine('absent', {
  module: engineOf(`async () => { throw Object.assign(new Error('npm install it'), { code: 'MISSING_DEPENDENCY' }) }`),
});
registerEngine('write-only', {
  module: engineOf(
    `async () => ({ set() {}, get() { throw new Error('no, "never"') }, clear: () => 0, close() {}, flush() {} })`,
  ),
});

describe('a profile', () => {
  test('has a row for each operation and iteration of each combination, and leaves nothing behind', async () => {
    const root = mkdtempSync(join(tmpdir(), 'shardstash-test-'));
    const seen: string[] = [];
    try {
      const { rows } = await profile({
        engine: ['memory'],
        compression: [false, true],
        base64: [false, true],
        size: [1_000],
        iterations: 2,
        root,
        onProgress: (done, total) => seen.push(`${done}/${total}`),
      });
      const encodings = ['plain', 'base64', 'zlib', 'zlib+base64'];
      const expected = encodings.flatMap((encoding) =>
        OPERATIONS.flatMap((operation) => [1, 2].map((iteration) => `${encoding} ${operation} ${iteration}`)),
      );
      expect(rows.map(({ encoding, operation, iteration }) => `${encoding} ${operation} ${iteration}`)).toEqual(
        expected,
      );
      expect(seen).toEqual(['0/4', '1/4', '2/4', '3/4', '4/4']);
      for (const row of rows) expectMeasured(row);
      const stored = (encoding: string) =>
        rows.find((row) => row.encoding === encoding && row.operation === 'write')?.storedSize as number;
      expect(stored('zlib')).toBeLessThan(stored('plain') / 1.5);
      expect(stored('base64')).toBeGreaterThan(stored('plain') * 1.3);
      expect(readdirSync(root)).toEqual([]);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  test('what is not there, or fails, is a row with an error', async () => {
    const { rows } = await profile({ engine: ['absent', 'write-only'], size: [100], iterations: 1 });
    const errors = rows.filter(({ error }) => error !== undefined);
    expect(errors.map(({ engine, operation, error }) => [engine, operation, error])).toEqual([
      ['absent', 'write', 'npm install it'],
      ['absent', 'read', 'npm install it'],
      ['write-only', 'read', expect.stringContaining('no, "never"')],
    ]);
    for (const row of errors) expect([row.iteration, row.time]).toEqual([0, undefined]);
    expect(rows.filter(({ error }) => error === undefined)).toHaveLength(4 + 5);
  });

  test('ends by its signal, with its reason', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const running = profile({ engine: ['memory'], onProgress: () => stop.abort(reason), signal: stop.signal });
    await expect(running).rejects.toBe(reason);
    await expect(profile({ engine: ['memory'], signal: stop.signal })).rejects.toBe(reason);
  });

  test('a folder that cannot be written to is an error that names it', async () => {
    const missing = { code: 'ENGINE_ERROR', path: '/nonexistent', message: expect.stringContaining('/nonexistent') };
    await expect(profile({ engine: ['memory'], root: '/nonexistent' })).rejects.toMatchObject(missing);
  });

  test.each<[string, object, string]>([
    ['engine', { engine: ['nope'] }, 'UNKNOWN_PLUGIN'],
    ['engine', { engine: [] }, 'INVALID_CONFIG'],
    ['compression', { engine: ['memory'], compression: ['bz2'] }, 'UNKNOWN_PLUGIN'],
    ['serializer', { engine: ['memory'], serializer: ['xml'] }, 'UNKNOWN_PLUGIN'],
    ['base64', { base64: ['yes'] }, 'INVALID_CONFIG'],
    ['size', { size: [15] }, 'INVALID_CONFIG'],
    ['iterations', { engine: ['memory'], iterations: 0 }, 'INVALID_CONFIG'],
    ['onProgress', { engine: ['memory'], onProgress: true }, 'INVALID_CONFIG'],
    ['signal', { engine: ['memory'], signal: {} }, 'INVALID_CONFIG'],
    ['sizes', { sizes: [1_000] }, 'INVALID_CONFIG'],
    ['engine', { size: Array.from({ length: 501 }, (_, i) => 1_000 + i), base64: [true, false] }, 'INVALID_CONFIG'],
  ])('a wrong `%s` is refused', async (option, options, code) => {
    await expect(profile(options as never)).rejects.toThrow(expect.objectContaining({ code, option }));
  });

  test.each([16, 100, 1_000, 12_345])('a value of %i bytes has so many, and is the same each time', (size) => {
    const { value, bytes } = madeValue(size, 7);
    expect(bytes).toHaveLength(size);
    expect(JSON.parse(bytes.toString())).toEqual(value);
    expect(madeValue(size, 7).bytes.equals(bytes)).toBe(true);
    expect(madeValue(size, 8).bytes.equals(bytes)).toBe(false);
  });
});

describe('its table', () => {
  const row = { engine: 'file', encoding: 'zlib', serializer: 'json', size: 1_000 };
  const sizes = { rawSize: 1_000, storedSize: 412.5, ratio: 0.4125 };
  const speed = (time: number) => ({ time, rate: 1 / time, mbPerSecond: 0.001 / time });
  const table = new Profile([
    { ...row, operation: 'encode value', ...sizes, iteration: 1, ...speed(0.0021) },
    { ...row, operation: 'encode value', ...sizes, iteration: 2, ...speed(0.002) },
    { ...row, operation: 'encode value', ...sizes, iteration: 3, ...speed(0.9) },
    { ...row, engine: 'log', operation: 'encode value', ...sizes, iteration: 1, ...speed(0.0000007) },
    { ...row, engine: 'redis', operation: 'read', iteration: 0, error: 'no "server",\nnot at | all' },
  ]);

  test('is CSV by RFC 4180', () => {
    const lines = table.toCSV().split('\r\n');
    expect(lines[0]).toBe(
      'Engine,Encoding,Serializer,Operation,Size,Raw size,Stored size,Ratio,Iteration,Time,Rate,MB/s,Error',
    );
    expect(lines[1]).toBe('file,zlib,json,encode value,1000,1000,412.5,0.4125,1,0.0021,476.2,0.4762,');
    expect(lines[5]).toBe('redis,zlib,json,read,1000,,,,0,,,,"no ""server"",\nnot at | all"');
    expect(lines.slice(6)).toEqual(['']);
  });

  test('is JSON', () => {
    expect(JSON.parse(JSON.stringify(table))).toEqual(table.rows);
  });

  test('is Markdown', () => {
    const lines = table.toMarkdown().split('\n');
    expect(lines[0]).toMatch(/^\| Engine \| Encoding \|.*\| MB\/s \| Error \|$/);
    expect(lines[1]).toMatch(/^\| --- \|.*\| ---: \| --- \|$/);
    expect(lines[6]).toBe('| redis | zlib | json | read | 1000 |  |  |  | 0 |  |  |  | no "server", not at \\| all |');
    const cells = lines.slice(0, -1).map((line) => line.split(/(?<!\\)\|/).length);
    expect(new Set(cells).size).toBe(1);
  });

  test('for people has medians, and how far behind the fastest they are', () => {
    expect(`${table}`).toBe(
      [
        'Values of 1,000 bytes as JSON',
        '  engine  encoding  serializer  stored  ratio  encode key  decode key    encode value  decode value  write  read',
        '  file    zlib      json           413   0.41           -           -  2.10 ms ×3,000             -      -     -',
        '  log     zlib      json           413   0.41           -           -   700 ns                    -      -     -',
        '  redis   zlib      json             -      -           -           -               -             -      -     -',
        '  redis zlib json: no "server", not at | all\n',
      ].join('\n'),
    );
  });

  test('of nothing is nothing', () => {
    const none = new Profile([]);
    expect([none.toText(), JSON.stringify(none)]).toEqual(['', '[]']);
    expect(none.toCSV()).toMatch(/^Engine,.*\r\n$/);
  });
});

function expectMeasured({ size, rawSize, storedSize, ratio, time, rate, mbPerSecond, operation }: ProfileRow): void {
  expect(size).toBe(1_000);
  expect(rawSize).toBeGreaterThan(operation.endsWith('key') ? 10 : 999);
  expect(ratio).toBe((storedSize as number) / (rawSize as number));
  expect(time).toBeGreaterThan(0);
  expect((rate as number) * (time as number)).toBeCloseTo(1);
  expect(mbPerSecond).toBeCloseTo(((rawSize as number) * (rate as number)) / 1e6);
}
