import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AdviceResult } from '../../src/main/cli/advice-result.ts';
import { simulatedPolicies } from '../../src/main/simulation.ts';
import { runCommand, TraceFolder } from './run-command.ts';

const folder = new TraceFolder();
afterAll(() => folder.remove());

/** A few keys are wanted often, and every other request is for one that never comes again. */
const LINES = Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? `hot:${(i * i) % 97}\n` : `cold:${i}\n`)).join(
  '',
);
const LONG = 'x'.repeat(10 * 1024 * 1024);

describe('an advice', () => {
  let plain: string;
  beforeAll(() => {
    plain = folder.write('plain.txt', LINES);
  });

  test('--json prints one object with every cell and one recommendation among them', async () => {
    const result = await advised([plain, '--sizes', '10,50,100,1000', '--shards', '1,2', '--threads', '2']);
    expect(result).toMatchObject({ trace: plain, unit: 'entries', requests: 20_000, sizes: [10, 50, 100, 1_000] });
    expect(result).toMatchObject({ shards: [1, 2], policies: simulatedPolicies, optimumIsBound: true, threads: 2 });
    expect(result.cells).toHaveLength((simulatedPolicies.length + 1) * 4 * 2);
    for (const cell of result.cells) {
      const best = result.cells.find(({ policy, size, shards }) => {
        return policy === 'belady' && size === cell.size && shards === cell.shards;
      });
      expect(cell.hits + cell.misses).toBe(20_000);
      expect(cell.hitRatio).toBe(cell.hits / 20_000);
      expect(cell.hitRatio).toBeLessThanOrEqual((best as typeof cell).hitRatio);
      expect(cell.hitRatio).toBeLessThanOrEqual(result.ceiling);
      expect(cell.entries).toBeLessThanOrEqual(cell.size);
    }
    const lru = result.cells.filter(({ policy, shards }) => policy === 'lru' && shards === 1);
    expect(lru.map(({ hits }) => hits)).toEqual(lru.map(({ hits }) => hits).sort((one, other) => one - other));
    const { policy, size, shards, hitRatio } = result.recommendation;
    expect(result.cells).toContainEqual(expect.objectContaining({ policy, size, shards, hitRatio }));
  });

  test('spreads sizes over the keys of the trace when it is told none', async () => {
    const { sizes, keys } = await advised([plain, '--policies', 'lru']);
    expect(sizes).toHaveLength(8);
    expect(sizes[0]).toBe(10);
    expect(sizes.at(-1)).toBe(Number((keys / 2).toPrecision(2)));
  });

  test('counts bytes as the cache does', async () => {
    const path = folder.write('sizes.txt', 'a 1000\nb 1000\nc 1000\na 1000\nb 1000\nc 1000\n');
    // Key, value, header and columns: 1,064 bytes an entry.
    const sizes = ['--sizes', '2127b,2128b,3192b'];
    const result = await advised([path, '--policies', 'fifo', ...sizes]);
    expect(result).toMatchObject({ unit: 'bytes', footprintBytes: 3_192, optimumIsBound: false });
    expect(result.cells.map(({ policy, entries, hits }) => [policy, entries, hits])).toEqual([
      ...[
        ['fifo', 1, 0],
        ['fifo', 2, 0],
        ['fifo', 3, 3],
      ],
      ...[
        ['belady', 1, 0],
        ['belady', 2, 2],
        ['belady', 3, 3],
      ],
    ]);
    expect(result.notes.join()).toMatch(/belady is a heuristic/);
    const all = await advised([path, '--policies', 'fifo', '--bytes', '--sizes', '100%,3192']);
    expect(all.sizes).toEqual([3_192]);
  });

  test('says where entries are larger than a shard', async () => {
    const path = folder.write('large.txt', 'a 5000\nb 10\na 5000\nb 0\n');
    const { cells, notes } = await advised([path, '--bytes', '--sizes', '1kb', '--policies', 'lru']);
    expect(cells[0]).toMatchObject({ tooLarge: 2, hits: 1, entries: 1 });
    expect(notes.join('\n')).toMatch(/^At 1 KiB, 50\.00 % of the requests are for entries that no shard can hold\.$/m);
  });

  test('lets entries expire where it is told how fast requests come', async () => {
    const path = folder.write('ttl.txt', 'a 1 2\nb 1\na 1 2\nb 1\na 1 2\na 1 2\n');
    const hits = async (...more: string[]) =>
      (await advised([path, '--sizes', '10', '--policies', 'lru', ...more])).cells[0]?.hits;
    expect([await hits(), await hits('--rate', '1'), await hits('--rate', '0.5')]).toEqual([4, 2, 1]);
  });

  test('says that no request has a TTL, instead of what expiry would do', async () => {
    const path = folder.write('no-ttl.txt', 'a 1\nb 1\na 1\n');
    const args = [path, '--sizes', '2', '--policies', 'lru', '--rate', '10'];
    const { notes, optimumIsBound } = await advised(args);
    expect({ notes, optimumIsBound }).toEqual({
      notes: ['No request has a TTL: --rate changes nothing.'],
      optimumIsBound: true,
    });
  });

  test('goes on over a line of the largest size that there is, and sizes are spread over the others', async () => {
    const path = folder.write('huge.txt', `a 1000\nb 1000\nhuge ${Number.MAX_SAFE_INTEGER}\na 1000\nb 1000\n`);
    const { footprintBytes, cells, notes } = await advised([path, '--bytes', '--policies', 'lru']);
    expect(footprintBytes).toBe(2_128);
    expect(cells[0]).toMatchObject({ requests: 5, tooLarge: 1 });
    expect(notes.join()).toMatch(/20\.00 % of the requests are for entries that no shard can hold/);
  });

  test('of a size that is hardly any is refused', async () => {
    const { code, stderr } = await runCommand(['advise', plain, '--sizes', '1b']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/^shardstash advise: Nothing fits into 1 B: the smallest request takes 1\d\d B\./),
    });
  });

  test('shows a name that would steer a terminal, and does not obey it', async () => {
    const path = folder.write('e\x1b]0;PWNED\x07\u202eé.txt', LINES);
    for (const args of [
      ['advise', path, '--sizes', '10'],
      ['replay', path, '--limit', '10'],
      ['advise', `${path}?`],
    ]) {
      const { stdout, stderr } = await runCommand(args);
      expect(stdout + stderr).toContain('e\\x1b]0;PWNED\\x07\\u{202e}é.txt');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
      expect(stdout + stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
    }
    expect((await runCommand(['advise', path, `${path}?`])).stderr).not.toContain('\x1b');
  });

  test('--csv prints rows like those of references', async () => {
    const args = ['advise', plain, '--csv', '--policies', 'lru', '--sizes', '1000,1%'];
    const { code, stdout, stderr } = await runCommand(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [head, ...rows] = stdout.trim().split('\n');
    expect(head).toBe('trace,policy,shards,cache_size_objects,hit_ratio');
    expect(rows.map((row) => row.replace(/0\.\d{6}$/, 'ratio'))).toEqual(
      ['lru,1,100', 'lru,1,1000', 'belady,1,100', 'belady,1,1000'].map((cell) => `${plain},${cell},ratio`),
    );
    const inBytes = await runCommand([...args.slice(0, 3), '--policies', 'lru', '--sizes', '1mb']);
    expect(inBytes.stdout).toMatch(/^trace,policy,shards,capacity_bytes,object_hit_ratio,byte_hit_ratio\n/);
    expect(inBytes.stdout).toMatch(/lru,1,1048576,0\.\d{6},0\.\d{6}\n/);
  });

  test('tells people in a table, a chart and one recommendation, without escapes where nobody sees colours', async () => {
    const { code, stdout, stderr } = await runCommand(['advise', plain, '--target', '40%']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/20,000 requests · 10,049 keys, 1\.6 MiB in a cache · 49\.76 % could hit/);
    expect(stdout).toMatch(/^ {2}lru +\d/m);
    expect(stdout).toMatch(/^ {2}belady +\d/m);
    expect(stdout).toMatch(/[\u2801-\u28ff]/);
    expect(stdout.match(/Recommended/g)).toHaveLength(1);
    expect(stdout).toMatch(/smallest of these sizes that reaches 40 %/);
    expect(stdout).not.toContain('\x1b');
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('reads standard input, stops at --limit, and makes up requests where there is no trace', async () => {
    const few = ['--sizes', '10', '--policies', 'lru'];
    expect(await advised(['-', ...few], LINES)).toMatchObject({ requests: 20_000 });
    expect(await advised(['-', '--limit', '5', ...few], LINES)).toMatchObject({ requests: 5, keys: 5 });
    const made = await advised(['--limit', '30000', ...few]);
    expect(made).toMatchObject({ requests: 30_000 });
    expect(await advised(['--limit', '30000', ...few])).toMatchObject({ cells: made.cells });
  });

  test.each([
    ['while it waits for requests', ['-']],
    [
      'while it simulates',
      ['-', '--limit', '20000', '--sizes', '1%,2%,3%,4%,5%,6%,7%,8%,9%', '--shards', '1,2,3,4,5,6'],
    ],
  ])('can be interrupted %s: exit code 130', async (_, args) => {
    const stdin = `a bad line\n${LINES}`;
    const { code, stdout, stderr } = await runCommand(['advise', ...args], { stdin, interruptedAtFirstMessage: true });
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toMatch(/^Line 1 is bad: .*\n$/);
  });

  test('whose reader has seen enough ends quietly', async () => {
    const { code, stderr } = await runCommand(['advise', plain], { closesStdout: true });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('replay --compare is the same at one size', async () => {
    const { code, stdout } = await runCommand(['replay', plain, '--compare', '--max-entries', '50', '--json']);
    expect(code).toBe(0);
    const { cells } = await advised([plain, '--sizes', '50']);
    expect(JSON.parse(stdout).cells).toEqual(cells.map((cell) => expect.objectContaining(cell)));
    const inBytes = await runCommand(['replay', plain, '--compare', '--max-bytes', '64kb', '--shards', '2', '--json']);
    expect(JSON.parse(inBytes.stdout)).toMatchObject({ unit: 'bytes', sizes: [65_536], shards: [2] });
  });
});

describe('wrong usage', () => {
  test.each([
    [['advise', '--foo'], /shardstash advise: Unknown option '--foo'\. See shardstash advise --help\n$/],
    [['advise', 'trace', '--policies', 'lru,lur'], /--policies takes all, or some of .*, lru, .*, got 'lur'/],
    [['replay', '--compare', '--eviction', 'lru'], /shardstash replay: .*leave out --eviction/],
  ])('%j is told in one line, exit code 2', async (args, told) => {
    await expectMisuse(args, told);
  });

  test('more shards than entries, and more bytes than a shard may have, are told once the trace is read', async () => {
    const path = folder.write('few.txt', 'a\nb\na\n');
    await expectMisuse(['advise', path, '--shards', '1,4', '--sizes', '2'], /4 shards need at least 4 entries/);
    await expectMisuse(['advise', path, '--sizes', '5gb'], /--max-bytes to be at most 4 GiB a shard/);
  });
});

describe('traces that are hardly any', () => {
  test('of one key, one request, or keys of 65,535 bytes have an advice, too', async () => {
    const long = 'k'.repeat(65_535);
    for (const [text, requests, keys] of [
      ['a\n', 1, 1],
      ['a\na\na\n', 3, 1],
      [`${long}\n${long}\n`, 2, 1],
    ] as const) {
      const path = folder.write('odd.txt', text);
      expect(await advised([path, '--bytes', '--shards', '1,2'])).toMatchObject({ requests, keys });
      expect((await runCommand(['advise', path])).stdout).toContain('Recommended');
    }
  });

  test.each<[string, () => string, number, RegExp]>([
    ['a missing file', () => folder.path('missing.txt'), 1, /There is no file .*missing\.txt\n$/],
    ['an empty file', () => folder.write('empty.txt', ''), 1, /it is empty\n$/],
    ['a file of blank lines', () => folder.write('blank.txt', '\n \n\t\n'), 1, /all its 3 lines are bad\n$/],
    ['one line of 10 MB', () => folder.write('one.txt', LONG), 1, /its only line is bad\n$/],
  ])('%s fails with a message and no report', async (_, make, code, told) => {
    const outcome = await runCommand(['advise', make(), '--json']);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toMatch(told);
  });

  test('bad lines are named and left out, --strict stops at the first', async () => {
    const path = folder.write('bad.txt', `a\nb x\na\n${LONG}\n`);
    const args = ['advise', path, '--sizes', '2', '--policies', 'lru', '--json'];
    const lenient = await runCommand(args);
    expect(lenient.code).toBe(1);
    expect(lenient.stderr).toMatch(
      /^Line 2 is bad: .*\nLine 4 is bad: longer than 65,535 bytes.*\n.*is it a trace\?\n$/,
    );
    expect(JSON.parse(lenient.stdout)).toMatchObject({
      requests: 2,
      badLines: 2,
      notes: ['2 bad lines were left out.'],
    });
    const strict = await runCommand([...args, '--strict']);
    expect(strict.code).toBe(2);
    expect(strict.stderr).toMatch(/Stopped at line 2, as --strict asks\n$/);
    expect(JSON.parse(strict.stdout)).toMatchObject({ requests: 1, badLines: 1 });
  });
});

async function advised(args: string[], stdin = ''): Promise<AdviceResult> {
  const { code, stdout, stderr } = await runCommand(['advise', ...args, '--json'], { stdin });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

async function expectMisuse(args: string[], told: RegExp): Promise<void> {
  const { code, stdout, stderr } = await runCommand(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(told);
  expect(stderr.match(/\n/g)).toHaveLength(1);
}
