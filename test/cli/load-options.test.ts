import { describe, expect, test, vi } from 'vitest';
import { UsageError } from '../../src/main/cli/command.ts';
import { LOAD_HELP, parseLoadOptions } from '../../src/main/cli/load-options.ts';

vi.mock('node:os', async (original) => ({
  ...(await original<typeof import('node:os')>()),
  availableParallelism: () => 6,
}));

describe('the arguments of load', () => {
  test('have defaults', () => {
    expect(parseLoadOptions([])).toEqual({
      cache: { seed: 42 },
      threads: 6,
      operations: 1_000_000,
      readShare: 0.9,
      exponent: 0.99,
      keys: 100_000,
      valueLength: 100,
      rate: undefined,
      killEveryMs: undefined,
      fills: true,
      sync: false,
      seed: 42,
      json: false,
    });
  });

  test('are numbers, ratios, durations and sizes', () => {
    const args = '--threads 2 --ops 1e6 --read 0.5 --zipf 1.2 --keys 1e4 --value-size 64 --rate 2e3 --kill-every 1.5s';
    const cache = '--shards 3 --max-bytes 64mb --max-entries 9 --eviction lru --reads owner --seed 7';
    expect(parseLoadOptions([...args.split(' '), ...cache.split(' '), '--no-fill', '--sync', '--json'])).toEqual({
      cache: {
        shards: 3,
        maxBytes: '64mb',
        maxEntries: 9,
        eviction: 'lru',
        reads: 'owner',
        crashBudget: Infinity,
        seed: 7,
      },
      threads: 2,
      operations: 1_000_000,
      readShare: 0.5,
      exponent: 1.2,
      keys: 10_000,
      valueLength: 64,
      rate: 2_000,
      killEveryMs: 1_500,
      fills: false,
      sync: true,
      seed: 7,
      json: true,
    });
    expect(parseLoadOptions(['--read', '0', '--zipf', '0', '--kill-every', '500'])).toMatchObject({
      readShare: 0,
      exponent: 0,
      killEveryMs: 500,
    });
  });

  test('are all in the help', () => {
    const names =
      'threads ops read zipf keys value-size rate kill-every sync no-fill seed shards max-bytes max-entries';
    for (const name of [...names.split(' '), 'eviction', 'reads', 'json']) {
      expect(LOAD_HELP).toContain(`--${name} `);
    }
    expect(Math.max(...LOAD_HELP.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  test.each<[string[], RegExp]>([
    [['--foo'], /Unknown option '--foo'/],
    [['trace.txt'], /A load takes options alone, got 'trace.txt'/],
    [['--threads', '0'], /--threads takes a whole number from 1 to 256, got '0'/],
    [['--threads', 'NaN'], /--threads takes a whole number from 1 to 256, got 'NaN'/],
    [['--threads', '257'], /got '257'/],
    [['--threads'], /argument missing/],
    [['--ops', '0'], /--ops takes a whole number of at least 1, got '0'/],
    [['--ops', '1.5'], /got '1.5'/],
    [['--read', '1.1'], /--read takes a ratio from 0 to 1, got '1.1'/],
    [['--read', '90%'], /got '90%'/],
    [['--read', 'NaN'], /got 'NaN'/],
    [['--zipf', '11'], /--zipf takes an exponent from 0 to 10, got '11'/],
    [['--zipf', ''], /got ''/],
    [['--keys', '0'], /--keys takes a whole number from 1 to 2147483647/],
    [['--value-size', '31'], /--value-size takes a whole number from 32 to/],
    [['--rate', '0'], /--rate takes a positive number of calls a second, got '0'/],
    [['--rate', 'Infinity'], /got 'Infinity'/],
    [['--kill-every', '2h'], /--kill-every takes a duration like 2s or 500ms, from 100 ms, got '2h'/],
    [['--kill-every', '99'], /got '99'/],
    [['--seed', '4294967296'], /--seed takes a whole number from 0 to 4294967295/],
    [['--shards', '0'], /--shards takes a whole number of at least 1/],
  ])('%j are misuse, told in one line', (args, told) => {
    let error: unknown;
    try {
      parseLoadOptions(args);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toMatch(told);
    expect((error as UsageError).message).not.toContain('\n');
  });
});
