import { describe, expect, test } from 'vitest';
import { resolveOptions, resolveTimeout, resolveTtl, shareLimits } from '../../src/main/options.ts';

function errorOf(run: () => unknown): Record<string, unknown> {
  try {
    run();
  } catch (error) {
    return error as Record<string, unknown>;
  }
  throw new Error('expected an error');
}

const hostile = (value: unknown) => value as never;

describe('options', () => {
  test('a cache opens without any, and says what is in force', () => {
    const config = resolveOptions();
    expect(config).toMatchObject({
      maxBytes: 256 * 1024 * 1024,
      maxEntries: Number.POSITIVE_INFINITY,
      ttl: Number.POSITIVE_INFINITY,
      eviction: 'lru',
      reads: 'shared',
      timeout: 30_000,
      unref: true,
    });
    expect(config.shards).toBeGreaterThanOrEqual(1);
    expect(config.shards).toBeLessThanOrEqual(8);
    expect(Object.isFrozen(config)).toBe(true);
  });

  test.each([
    ['shards', 0],
    ['shards', -1],
    ['shards', 1.5],
    ['shards', Number.NaN],
    ['shards', '2'],
    ['shards', 257],
    ['maxEntries', 0],
    ['maxEntries', -1],
    ['maxEntries', 1.5],
    ['maxEntries', Number.NaN],
    ['maxEntries', '100'],
    ['maxBytes', 0],
    ['maxBytes', -1],
    ['maxBytes', 1.5],
    ['maxBytes', Number.NaN],
    ['maxBytes', '12'],
    ['maxBytes', '64 parsecs'],
    ['maxBytes', 2 ** 50],
    ['eviction', 7],
    ['eviction', { kind: 'lru' }],
    ['reads', 'both'],
    ['timeout', 0],
    ['timeout', 2 ** 31],
    ['timeout', 'soon'],
    ['maxPendingCalls', 0],
    ['maxPendingBytes', 'many'],
    ['unref', 1],
    ['maxSize', 100],
  ])('`%s: %o` is refused with INVALID_CONFIG and the name of the option', (option, value) => {
    const error = errorOf(() => resolveOptions(hostile({ [option]: value })));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', option });
    expect(error['message']).toContain(`\`${option}\``);
  });

  test.each([null, 7, 'lru'])('options of %o are refused', (options) => {
    expect(errorOf(() => resolveOptions(hostile(options)))).toMatchObject({
      code: 'INVALID_CONFIG',
      option: 'options',
    });
  });

  test('an unknown policy is refused with the names of those there are', () => {
    const error = errorOf(() => resolveOptions({ eviction: hostile('lur') }));
    expect(error).toMatchObject({
      code: 'UNKNOWN_PLUGIN',
      option: 'eviction',
      available: ['lru', 'fifo', 'random', 'sieve', 'none'],
    });
    expect(error['message']).toContain('lru, fifo');
  });

  test('a policy may be written in any case, or as an object', () => {
    expect(resolveOptions({ eviction: hostile('FIFO') }).eviction).toBe('fifo');
    expect(resolveOptions({ eviction: { name: 'fifo' } }).eviction).toBe('fifo');
  });

  test('more shards than entries are refused', () => {
    expect(errorOf(() => resolveOptions({ shards: 4, maxEntries: 3 }))).toMatchObject({ option: 'shards' });
  });

  test('a small cache gets one shard by default, since splitting it would cost hits', () => {
    expect(resolveOptions({ maxEntries: 100 }).shards).toBe(1);
  });

  test('capacity is shared evenly, the remainder to the first shards', () => {
    const limits = shareLimits(resolveOptions({ shards: 3, maxEntries: 10, maxBytes: 3_001 }));
    expect(limits.map(({ entriesMax }) => entriesMax)).toEqual([4, 3, 3]);
    expect(limits.map(({ bytesMax }) => bytesMax)).toEqual([1_001, 1_000, 1_000]);
  });

  test('sizes and durations may be written with a unit', () => {
    expect(resolveOptions({ maxBytes: '64mb' }).maxBytes).toBe(64 * 1024 * 1024);
    expect(resolveOptions({ maxBytes: '1.5 KB' }).maxBytes).toBe(1536);
    expect(resolveOptions({ ttl: '10m' }).ttl).toBe(600_000);
    expect(resolveTimeout('250ms', 0)).toBe(250);
  });
});

describe('ttl', () => {
  test.each([0, -1, Number.NaN, '5', true, Number.NEGATIVE_INFINITY, 2 ** 60, '0s', '-1s', {}, []])(
    '%o is refused with INVALID_TTL',
    (ttl) => {
      expect(errorOf(() => resolveTtl(ttl, 1))).toMatchObject({ code: 'INVALID_TTL', ttl });
      expect(errorOf(() => resolveOptions({ ttl: hostile(ttl) }))).toMatchObject({ code: 'INVALID_TTL' });
    },
  );

  test.each([
    [1.5, 1.5],
    ['30s', 30_000],
    ['25d', 25 * 86_400_000],
    [365 * 86_400_000, 365 * 86_400_000],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [null, Number.POSITIVE_INFINITY],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    [undefined, 77],
  ])('%o is %d ms', (ttl, ms) => {
    expect(resolveTtl(ttl, 77)).toBe(ms);
  });
});
