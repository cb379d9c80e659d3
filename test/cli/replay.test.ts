import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReplayResult } from '../../src/main/cli/result.ts';
import { runCommand, TraceFolder } from './run-command.ts';

const folder = new TraceFolder();
afterAll(() => folder.remove());

/** Half hits when nothing is evicted. */
const LINES = Array.from({ length: 20_000 }, (_, i) => `key:${i % 10_000}\n`).join('');
const LONG = 'x'.repeat(10 * 1024 * 1024);
const MANIFEST = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

describe('the command line', () => {
  test.each<[string[], number, RegExp]>([
    [['--version'], 0, new RegExp(`^${MANIFEST.version}\n$`)],
    [['--help'], 0, /Usage: shardstash <command>[\s\S]*replay/],
    [['replay', '--help'], 0, /Usage: shardstash replay \[options\] \[trace\][\s\S]*--concurrency/],
    [[], 2, /Usage: shardstash <command>/],
  ])('%j prints what it is asked for', async (args, code, told) => {
    const outcome = await runCommand(args);
    expect(outcome).toMatchObject({ code, stderr: '' });
    expect(outcome.stdout).toMatch(told);
  });

  test.each<[string[], RegExp]>([
    [['reply'], /unknown command 'reply'/],
    [['--foo'], /unknown option '--foo'/],
    [['toString'], /unknown command 'toString'/],
    [['replay', '--foo'], /Unknown option '--foo'/],
    [['replay', '--json=yes'], /--json' does not take an argument/],
    [['replay', '--limit'], /--limit <value>' argument missing/],
    [['replay', '--limit', '0'], /--limit takes a whole number of at least 1, got '0'/],
    [['replay', '--concurrency', 'many'], /--concurrency takes a whole number from 1 to 65536, got 'many'/],
    [['replay', '--value-size', '1.5'], /--value-size takes a whole number/],
    [['replay', '--shards', '1000'], /Expected --shards to be an integer from 1 to 256/],
    [['replay', '--max-bytes', '64mbit'], /Expected --max-bytes to be/],
    [['replay', '--max-entries', '-'], /--max-entries/],
    [['replay', '--eviction', 'lur'], /Expected --eviction to be one of as3-fifo, s3-fifo, w-tinylfu, /],
    [['replay', '--reads', 'both'], /Expected --reads to be 'shared' or 'owner'/],
    [['replay', 'one', 'two'], /One trace at a time/],
    [['replay', ''], /name of the trace is empty/],
  ])('%j is misuse: one line, exit code 2', async (args, told) => {
    const { code, stdout, stderr } = await runCommand(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(told);
    expect(stderr.match(/\n/g)).toHaveLength(1);
  });
});

describe('a replay', () => {
  let plain: string;
  beforeAll(() => {
    plain = folder.write('plain.txt', LINES);
  });

  test('--json prints one object with every figure', async () => {
    const { code, stdout, stderr } = await runCommand(['replay', plain, '--json', '--shards', '2']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const any = expect.any(Number);
    const percentiles = { p50: any, p99: any, p999: any, max: any };
    const shard = { hits: any, misses: any, evictions: 0, expirations: 0, entries: any, bytes: any };
    const result = JSON.parse(stdout, (_, value) => (value === null ? Number.NaN : value));
    expect(result).toEqual({
      requests: 20_000,
      hits: 10_000,
      misses: 10_000,
      hitRatio: 0.5,
      requestsPerSecond: any,
      latencyUs: { get: percentiles, set: percentiles },
      loopDelayMs: { p99: any, max: any },
      evictions: 0,
      expirations: 0,
      entries: 10_000,
      bytes: any,
      overheadBytesPerEntry: any,
      rssBytes: any,
      shards: [
        { shard: 0, ...shard },
        { shard: 1, ...shard },
      ],
      badLines: 0,
      failed: 0,
    });
    expect(numbersIn(result).every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
    expect(result.shards[0].entries + result.shards[1].entries).toBe(10_000);
    expect(result.latencyUs.get.max).toBeGreaterThanOrEqual(result.latencyUs.get.p999);
  });

  test('tells people in columns, without escapes where nobody sees colours', async () => {
    const { code, stdout, stderr } = await runCommand(['replay', plain, '--max-entries', '5000', '--eviction', 'FIFO']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(plain);
    expect(stdout).toMatch(/fifo · \d+ shards? · 5,000 entries and 256\.0 MiB · shared reads · 64 at once/);
    expect(stdout).toMatch(/hit ratio +0\.00 % {2}0 of 20,000 requests/);
    expect(stdout).toMatch(/15,000 evicted, 0 expired/);
    expect(stdout).not.toContain('\x1b');
  });

  test.each(['shared', 'owner'])(
    'a key that is asked for twice in a row hits the second time: reads %s',
    async (reads) => {
      const twice = folder.write('twice.txt', Array.from({ length: 20_000 }, (_, i) => `key:${i >> 1}\n`).join(''));
      const args = [twice, '--reads', reads, '--max-entries', '1000', '--concurrency', '64'];
      expect(await replayed(args)).toMatchObject({ requests: 20_000, hits: 10_000, misses: 10_000 });
    },
  );

  test('asks the owner where it is told to, and finds the same', async () => {
    expect(await replayed([plain, '--reads', 'owner'])).toMatchObject({ requests: 20_000, hits: 10_000 });
  });

  test('stops at --limit', async () => {
    expect(await replayed([plain, '--limit', '10001'])).toMatchObject({ requests: 10_001, hits: 1 });
  });

  test('without a trace makes up the same requests every time', async () => {
    const args = ['--limit', '30000', '--shards', '1', '--concurrency', '1'];
    const one = await replayed(args);
    expect(one).toMatchObject({ requests: 30_000, evictions: 0 });
    expect(await replayed(args)).toMatchObject({ hits: one.hits });
  });

  test('reads standard input, and stops reading at --limit', async () => {
    expect(await replayed(['-'], LINES)).toMatchObject({ requests: 20_000, hits: 10_000 });
    expect(await replayed(['-', '--limit', '5'], LINES)).toMatchObject({ requests: 5 });
  });

  test('unzips a file by its name and a pipe by its first byte', async () => {
    const zipped = gzipSync(LINES);
    expect(await replayed([folder.write('plain.txt.gz', zipped)])).toMatchObject({ requests: 20_000 });
    expect(await replayed(['-'], zipped)).toMatchObject({ requests: 20_000 });
  });

  test('stores values of the sizes and TTLs of the trace', async () => {
    const lines = Array.from({ length: 1_000 }, (_, i) => `${i} ${i} 0.001\n`).join('');
    const path = folder.write('sizes.txt', `${lines}${lines}`);
    // A key is a hit again only when its TTL, one millisecond, is ignored.
    const kept = await replayed([path, '--no-ttl', '--max-bytes', '16mb']);
    expect(kept).toMatchObject({ hits: 1_000, entries: 1_000 });
    expect(kept.bytes).toBeGreaterThan((999 * 1_000) / 2);
    const expired = await replayed([path, '--concurrency', '1']);
    expect(expired.hits).toBeLessThan(1_000);
  });

  test('counts values that no shard can hold and goes on', async () => {
    const path = folder.write('large.txt', 'a 2000000\nb 99999999999999\nc 0\nc 0\n');
    expect(await replayed([path, '--max-bytes', '1mb'])).toMatchObject({
      requests: 4,
      hits: 1,
      failed: 2,
      badLines: 0,
    });
  });

  test('waits for shards whose queue is full of large values', async () => {
    const lines = Array.from({ length: 12 }, (_, i) => `${i} 20000000\n`).join('');
    const path = folder.write('queue.txt', lines);
    expect(await replayed([path, '--shards', '1'])).toMatchObject({ requests: 12, misses: 12, failed: 0 });
  });

  test('of a trace that goes silent can be interrupted: it reports what was done, exit code 130', async () => {
    const { code, stdout, stderr } = await runCommand(['replay', '-', '--json'], {
      stdin: `${LINES}a bad line\n`,
      interruptedAtFirstMessage: true,
    });
    expect({ code, stderr }).toEqual({
      code: 130,
      stderr: "Line 20,001 is bad: the size is not a whole number of bytes: 'a bad line'\n",
    });
    expect(JSON.parse(stdout)).toMatchObject({ badLines: 1 });
  });

  test('whose reader has seen enough ends quietly', async () => {
    const { code, stderr } = await runCommand(['replay', plain], { closesStdout: true });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('bad input', () => {
  const BAD = 'good\nb x\n\nc 5 0\nd 1 2 3\ne\x1b[2J 3\nf 7\n\xff 1\ng -1\n';

  test('bad lines are counted, and the first five named with number and harmless text', async () => {
    const path = folder.write('bad.txt', Buffer.from(BAD + LINES, 'latin1'));
    const { code, stdout, stderr } = await runCommand(['replay', path, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ requests: 20_002, badLines: 7 });
    expect(stderr).toBe(
      [
        "Line 2 is bad: the size is not a whole number of bytes: 'b x'",
        "Line 3 is bad: no key: ''",
        "Line 4 is bad: the TTL is not a positive number of seconds: 'c 5 0'",
        "Line 5 is bad: more than three columns: 'd 1 2 3'",
        "Line 6 is bad: control bytes: 'e\\x1b[2J 3'",
        '',
      ].join('\n'),
    );
  });

  test('--strict stops at the first bad line, exit code 2', async () => {
    const path = folder.write('strict.txt', BAD);
    const { code, stdout, stderr } = await runCommand(['replay', path, '--strict', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ requests: 1, badLines: 1 });
    expect(stderr).toMatch(/^Line 2 is bad: .*\n.*Stopped at line 2, as --strict asks\n$/);
  });

  test('a gzip that is cut short fails, after what could be read', async () => {
    const whole = gzipSync(LINES);
    const path = folder.write('cut.txt.gz', whole.subarray(0, whole.length / 2));
    const { code, stdout, stderr } = await runCommand(['replay', path, '--json']);
    expect(code).toBe(1);
    expect(stderr).toBe(`shardstash replay: ${path} is truncated: its gzip data ends in the middle\n`);
    expect(JSON.parse(stdout).requests).toBeGreaterThan(0);
  });

  test('bytes after the end of a gzip fail, after all that comes before them', async () => {
    const junk = Buffer.from('junk\n');
    for (const text of ['a\na', LINES]) {
      const path = folder.write('trailing.txt.gz', Buffer.concat([gzipSync(text), junk]));
      const { code, stdout, stderr } = await runCommand(['replay', path, '--json']);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: `shardstash replay: ${path} goes on after the end of its gzip data: what follows was left out\n`,
      });
      expect(JSON.parse(stdout)).toMatchObject({ requests: text === LINES ? 20_000 : 2 });
    }
  });

  test('a line of 10 MB is named and passed over, and the replay fails', async () => {
    const path = folder.write('long.txt', `a\n${LONG}\na\n`);
    const { code, stdout, stderr } = await runCommand(['replay', path, '--json']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Line 2 is bad: longer than 65,535 bytes: 'x{60}\.\.\.'\n.*is it a trace\?\n$/);
    expect(JSON.parse(stdout)).toMatchObject({ requests: 2, hits: 1, badLines: 1 });
  });

  test('more bad lines than good ones are no trace', async () => {
    const path = folder.write('noise.bin', Buffer.from('a\n\x00\n\x01\n'.repeat(10), 'latin1'));
    const { code, stdout, stderr } = await runCommand(['replay', path, '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ requests: 10, badLines: 20 });
    expect(stderr).toMatch(/20 of the 30 lines of .*noise\.bin are bad: is it a trace\?\n$/);
  });

  test.each<[string, () => string, RegExp]>([
    ['a missing file', () => folder.path('missing.txt'), /There is no file .*missing\.txt\n$/],
    ['a folder', () => folder.path('.'), /is a directory, not a trace\n$/],
    ['an empty file', () => folder.write('empty.txt', ''), /it is empty\n$/],
    ['an empty gzip', () => folder.write('empty.txt.gz', gzipSync('')), /it is empty\n$/],
    ['a file of blank lines', () => folder.write('blank.txt', '\n \n\t\n'), /all its 3 lines are bad\n$/],
    ['a file of zeros', () => folder.write('zeros.bin', Buffer.alloc(1_000_000)), /its only line is bad\n$/],
    ['one line of 10 MB', () => folder.write('one.txt', LONG), /its only line is bad\n$/],
    ['a .gz that is none', () => folder.write('text.gz', LINES), /is damaged or not gzip: incorrect header check\n$/],
    ['a .gz of nothing', () => folder.write('none.gz', ''), /is truncated: its gzip data ends in the middle\n$/],
  ])('%s fails with a message and no report', async (_, make, told) => {
    const { code, stdout, stderr } = await runCommand(['replay', make(), '--json']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(told);
  });
});

async function replayed(args: string[], stdin: string | Buffer = ''): Promise<ReplayResult> {
  const { code, stdout, stderr } = await runCommand(['replay', ...args, '--json'], { stdin });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

function numbersIn(value: unknown): number[] {
  return typeof value === 'number' ? [value] : Object.values(value as object).flatMap(numbersIn);
}
