import { describe, expect, test, vi } from 'vitest';
import { ADVISE_HELP, parseAdviseOptions } from '../../src/main/cli/advise-options.ts';
import { UsageError } from '../../src/main/cli/command.ts';
import { parseReplayOptions } from '../../src/main/cli/replay-options.ts';
import { simulatedPolicies } from '../../src/main/simulation.ts';

vi.mock('node:os', async (original) => ({
  ...(await original<typeof import('node:os')>()),
  availableParallelism: () => 6,
}));

describe('the arguments of advise', () => {
  test('have defaults that need no trace', () => {
    expect(parseAdviseOptions([])).toEqual({
      trace: undefined,
      policies: simulatedPolicies,
      capacities: { unit: 'entries', sizes: undefined },
      shards: [1],
      target: undefined,
      limit: Number.MAX_SAFE_INTEGER,
      valueBytes: 100,
      requestsPerSecond: undefined,
      strict: false,
      threads: undefined,
      format: 'text',
    });
  });

  test('are lists without doubles, ratios and percentages', () => {
    const args = ['t', '--policies', 'LRU, sieve,lru,belady', '--shards', '4,1,4', '--target', '80%', '--rate', '1.5'];
    const options = parseAdviseOptions([...args, '--csv', '--sizes', '1%']);
    expect(options).toMatchObject({
      trace: 't',
      policies: ['lru', 'sieve'],
      shards: [1, 4],
      target: 0.8,
      format: 'csv',
    });
    expect(options).toMatchObject({
      requestsPerSecond: 1.5,
      capacities: { unit: 'entries', sizes: [{ share: 0.01 }] },
    });
    expect(parseAdviseOptions(['--target', '0.8', '--policies', 'all'])).toMatchObject({ target: 0.8 });
  });

  test('are all in the help', () => {
    for (const name of [
      'policies',
      'sizes',
      'bytes',
      'shards',
      'target',
      'limit',
      'value-size',
      'rate',
      'strict',
      'threads',
      'json',
      'csv',
    ]) {
      expect(ADVISE_HELP).toContain(`--${name} `);
    }
    expect(Math.max(...ADVISE_HELP.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  test.each<[string[], RegExp]>([
    [['--foo'], /Unknown option '--foo'/],
    [['one', 'two'], /One trace at a time/],
    [['--policies', 'lru,lur'], /--policies takes all, or some of .*, lru, .*, got 'lur'/],
    [['--policies', 'none'], /got 'none'/],
    [['--policies', ''], /got ''/],
    [['--policies', 'belady'], /at least one policy/],
    [['--sizes', ''], /--sizes takes sizes like 1000, 10% or 64mb, got ''/],
    [['--sizes', '1000,'], /got ''/],
    [['--sizes', '-5'], /'--sizes'.*ambiguous|got '-5'/],
    [['--sizes', '0'], /got '0'/],
    [['--sizes', '1.5'], /got '1.5'/],
    [['--sizes', '1e3'], /got '1e3'/],
    [['--sizes', '0%'], /--sizes takes shares above 0% and up to 100%, got '0%'/],
    [['--sizes', '101%'], /up to 100%, got '101%'/],
    [['--sizes', '64mbit'], /got '64mbit'/],
    [['--sizes', '99999999999999999999'], /got '99999999999999999999'/],
    [['--sizes', '1000,64mb'], /'1000' is entries, '64mb' bytes. Or give --bytes/],
    [['--sizes', Array.from({ length: 65 }, (_, i) => i + 1).join()], /at most 64 sizes, got 65/],
    [['--shards', '0'], /--shards takes a whole number from 1 to 256, got '0'/],
    [['--shards', '1,many'], /got 'many'/],
    [['--target', '0'], /--target takes a ratio above 0 and up to 1, or a percentage, got '0'/],
    [['--target', '120%'], /got '120%'/],
    [['--rate', '0'], /--rate takes a positive number/],
    [['--threads', '257'], /--threads takes a whole number from 1 to 256/],
    [['--limit', '0'], /--limit takes a whole number of at least 1/],
    [['--json', '--csv'], /--json or --csv, not both/],
  ])('%j are misuse, told in one line', (args, told) => {
    expectMisuse(() => parseAdviseOptions(args), told);
  });
});

describe('the arguments of replay --compare', () => {
  test('are the one bound of a replay', () => {
    const compare = (...args: string[]) => parseReplayOptions(['--compare', ...args]).comparison;
    expect(compare()).toMatchObject({ capacities: { unit: 'entries', sizes: [{ amount: 100_000 }] }, shards: [5] });
    expect(compare('t', '--max-entries', '600')).toMatchObject({ shards: [2] });
    expect(compare('--shards', '3')).toMatchObject({ shards: [3] });
    expect(compare('t')).toMatchObject({ capacities: { unit: 'bytes', sizes: [{ amount: 256 * 1024 ** 2 }] } });
    expect(compare('t', '--max-bytes', '5000')).toMatchObject({
      capacities: { unit: 'bytes', sizes: [{ amount: 5_000 }] },
    });
    expect(parseReplayOptions(['t']).comparison).toBeUndefined();
  });

  test.each<[string[], RegExp]>([
    [['--eviction', 'lru'], /leave out --eviction/],
    [['--reads', 'owner'], /leave out --reads/],
    [['--concurrency', '1'], /leave out --concurrency/],
    [['--no-ttl'], /leave out --no-ttl/],
    [['--max-entries', '5', '--max-bytes', '1mb'], /--max-entries or --max-bytes, not both/],
    [['--max-bytes', '64mbit'], /--max-bytes takes sizes like .*, got '64mbit'/],
  ])('%j are misuse, told in one line', (args, told) => {
    expectMisuse(() => parseReplayOptions(['--compare', ...args]), told);
  });
});

function expectMisuse(run: () => unknown, told: RegExp): void {
  let error: unknown;
  try {
    run();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(UsageError);
  expect((error as UsageError).message).toMatch(told);
  expect((error as UsageError).message).not.toContain('\n');
}
