import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import {
  resolveClock,
  resolveLogger,
  resolveOptions,
  resolveTimeout,
  resolveTtl,
  shareLimits,
  warningsOf,
} from '../../src/main/options.ts';

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
      eviction: 'as3-fifo',
      reads: 'shared',
      lane: 'comlink',
      timeout: 30_000,
      leaseTimeout: 30_000,
      stallTimeout: 10_000,
      crashBudget: 10,
      storage: { dir: 'cache_storage', filename: 'cache_data', timestamps: false },
      metricsStorage: { dir: 'cache_storage', filename: 'cache_metrics', timestamps: false, serializer: 'json' },
      autosave: false,
      restore: false,
      unref: true,
    });
    expect(config.shards).toBeGreaterThanOrEqual(1);
    expect(config.shards).toBeLessThanOrEqual(8);
    expect(Object.isFrozen(config)).toBe(true);
  });

  test('compute has a thread less than there are cores, and takes durations', () => {
    expect(resolveOptions().compute).toEqual({
      threads: Math.max(1, availableParallelism() - 1),
      queue: 1_024,
      idleTimeout: 10_000,
    });
    const compute = { threads: 3, queue: 0, idleTimeout: '1m' };
    expect(resolveOptions({ compute }).compute).toEqual({ threads: 3, queue: 0, idleTimeout: 60_000 });
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
    ['nearCache', 'yes'],
    ['nearCache', { copy: 'steal' }],
    ['lane', 'port'],
    ['timeout', 0],
    ['timeout', 2 ** 31],
    ['timeout', 'soon'],
    ['maxPendingCalls', 0],
    ['maxPendingBytes', 'many'],
    ['timeout', Number.NaN],
    ['leaseTimeout', 0],
    ['leaseTimeout', null],
    ['leaseTimeout', 'later'],
    ['stallTimeout', 99],
    ['stallTimeout', true],
    ['stallTimeout', 2 ** 31],
    ['crashBudget', -1],
    ['crashBudget', 1.5],
    ['crashBudget', false],
    ['maxPendingCalls', '10'],
    ['maxPendingBytes', 0],
    ['compute', 2],
    ['compute', { threads: 0 }],
    ['compute', { threads: 1.5 }],
    ['compute', { threads: 257 }],
    ['compute', { queue: -1 }],
    ['compute', { queue: Number.POSITIVE_INFINITY }],
    ['compute', { idleTimeout: 0 }],
    ['compute', { idleTimeout: 'soon' }],
    ['compute', { idleTimeout: 2 ** 31 }],
    ['compute', { workers: 1 }],
    ['storage', 'here'],
    ['storage', { dir: '' }],
    ['storage', { dir: 5 }],
    ['storage', { filename: '' }],
    ['storage', { filename: 'a/b' }],
    ['storage', { filename: '..' }],
    ['storage', { timestamps: 1 }],
    ['storage', { serializer: 'json' }],
    ['metricsStorage', 5],
    ['metricsStorage', { serializer: 'xml' }],
    ['autosave', '5m'],
    ['autosave', { everyMs: 99 }],
    ['autosave', { everyMs: '25d' }],
    ['autosave', { onClose: 1 }],
    ['autosave', { every: 1_000 }],
    ['restore', 1],
    ['unref', 1],
    ['unref', 'yes'],
    ['sliding', 1],
    ['sliding', 'true'],
    ['serializer', 5],
    ['serializer', {}],
    ['serializer', { name: 'mine', encode: 1, decode: 2 }],
    ['serializer', { module: './relative.mjs' }],
    ['serializer', () => {}],
    ['filter', 1],
    ['filter', 'blocked-bloom'],
    ['filter', { falsePositiveRate: 0 }],
    ['filter', { falsePositiveRate: 1 }],
    ['filter', { falsePositiveRate: Number.NaN }],
    ['filter', { falsePositiveRate: '0.01' }],
    ['filter', { falsePositives: 0.1 }],
    ['cleanupInterval', 0],
    ['cleanupInterval', -1],
    ['cleanupInterval', 9],
    ['cleanupInterval', Number.NaN],
    ['cleanupInterval', '5ms'],
    ['cleanupInterval', 'often'],
    ['cleanupInterval', true],
    ['cleanupInterval', 2 ** 31],
    ['metrics', 'on'],
    ['metrics', 0],
    ['advise', 'on'],
    ['advise', { sampleRate: 0 }],
    ['advise', { sampleRate: 1.5 }],
    ['advise', { rate: 0.1 }],
    ['seed', -1],
    ['seed', 1.5],
    ['seed', '7'],
    ['seed', 2 ** 32],
    ['seed', Number.NaN],
    ['maxSize', 100],
  ])('`%s: %o` is refused with INVALID_CONFIG and the name of the option', (option, value) => {
    const error = errorOf(() => resolveOptions(hostile({ [option]: value })));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', option });
    expect(error['message']).toMatch(new RegExp(`\`${option}[\`.]`));
  });

  test.each([
    ['logger', {}],
    ['logger', console.log],
    ['logger', null],
    ['logger', { debug() {}, info() {}, warn() {} }],
    ['logger', { debug() {}, info() {}, warn() {}, error: 'no function' }],
    ['clock', {}],
    ['clock', Date],
    ['clock', { now: () => 0, advance() {} }],
  ])('`%s: %o` is refused when it is looked at', (option, value) => {
    const error = errorOf(() => (option === 'logger' ? resolveLogger(value) : resolveClock(value)));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', option });
  });

  test('none is taken that is not named here, so that a new one gets its row', () => {
    const message = String(errorOf(() => resolveOptions(hostile({ typo: 1 })))['message']);
    expect(message).toBe(
      'Unknown option `typo`. Known: shards, maxBytes, maxEntries, ttl, sliding, eviction, serializer, filter, ' +
        'reads, tier, nearCache, lane, cleanupInterval, metrics, advise, logger, seed, clock, timeout, leaseTimeout, stallTimeout, crashBudget, maxPendingCalls, maxPendingBytes, compute, storage, metricsStorage, autosave, restore, unref',
    );
  });

  test('what is refused says what was expected and what came', () => {
    const refused: object[] = [
      { shards: 0 },
      { maxEntries: '100' },
      { maxBytes: '64 parsecs' },
      { shards: 1, maxBytes: 2 ** 40 },
      { shards: 4, maxEntries: 3 },
      { ttl: -1 },
      { sliding: 'yes' },
      { eviction: 'lur' },
      { eviction: {} },
      { serializer: 'pickle' },
      { serializer: { name: 'mine' } },
      { serializer: { module: './mine.js' } },
      { filter: 'bloom' },
      { filter: { type: 'counting' } },
      { filter: { type: 'xor' } },
      { filter: { falsePositiveRate: 2 } },
      { filter: { rate: 0.1 } },
      { reads: 'both' },
      { nearCache: 'yes' },
      { lane: 'port' },
      { cleanupInterval: 0 },
      { metrics: null, timeout: 'soon' },
      { metrics: 'off' },
      { seed: 1.5 },
      { unref: 'no' },
    ];
    expect(refused.map((options) => errorOf(() => resolveOptions(hostile(options)))['message'])).toMatchInlineSnapshot(`
      [
        "Expected \`shards\` to be an integer from 1 to 256, got 0 (number)",
        "Expected \`maxEntries\` to be an integer of at least 1, got '100' (string)",
        "Expected \`maxBytes\` to be a whole number of bytes of at least 1, or a size like '64mb', got '64 parsecs' (string)",
        "Expected \`maxBytes\` to be at most 4 GiB a shard: 256 shards or more, got 1099511627776 (number)",
        "Expected \`shards\` to be at most one shard for each of the 3 entries, got 4 (number)",
        "Expected \`ttl\` to be a positive number of milliseconds, a duration like '30s', or null, got -1 (number)",
        "Expected \`sliding\` to be true or false, got 'yes' (string)",
        "Expected \`eviction\` to be one of as3-fifo, s3-fifo, w-tinylfu, arc, sieve, clock, lru, lfu, mfu, fifo, random, none, got 'lur' (string)",
        "Expected \`eviction\` to be the name of a policy, an object with \`name\`, or one with \`module\`, got {}",
        "Expected \`serializer\` to be one of msgpack, json, v8, raw, got 'pickle' (string)",
        "Expected the \`encode\` of \`serializer\` to be a function, got undefined",
        "Expected \`serializer.module\` to be a URL or an absolute path, such as \`new URL("./it.js", import.meta.url)\` or \`import.meta.resolve("it")\`, got './mine.js' (string)",
        "Expected \`filter\` to be true, false, or an object with \`type\` and \`falsePositiveRate\`, got 'bloom' (string)",
        "Expected \`filter.type\` to be one of blocked-bloom, bloom, cuckoo, got 'counting' (string)",
        "Expected \`filter.type\` to be one of blocked-bloom, bloom, cuckoo, which follow entries as they come and go; 'xor' is for keys that do not change, which is \`XorFilter.from(keys)\` of 'shardstash/filters', got 'xor' (string)",
        "Expected \`filter\` to be an object whose \`falsePositiveRate\` lies between 0 and 1, got 2 (number)",
        "Expected \`filter\` to be an object of \`type\` and \`falsePositiveRate\`, got 'rate' (string)",
        "Expected \`reads\` to be 'shared' or 'owner', got 'both' (string)",
        "Expected \`nearCache\` to be true, false, or an object with \`maxEntries\`, \`maxBytes\` and \`copy\`, got 'yes' (string)",
        "Expected \`lane\` to be 'comlink' or 'wake', got 'port' (string)",
        "Expected \`cleanupInterval\` to be false, or 10 ms or more, or a duration like '1s', got 0 (number)",
        "Expected \`timeout\` to be a positive number of milliseconds up to 2^31 - 1, or a duration like '30s', got 'soon' (string)",
        "Expected \`metrics\` to be true or false, got 'off' (string)",
        "Expected \`seed\` to be an integer from 0 to 4294967295, got 1.5 (number)",
        "Expected \`unref\` to be true or false, got 'no' (string)",
      ]
    `);
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
      available: [
        'as3-fifo',
        's3-fifo',
        'w-tinylfu',
        'arc',
        'sieve',
        'clock',
        'lru',
        'lfu',
        'mfu',
        'fifo',
        'random',
        'none',
      ],
    });
    expect(error['message']).toContain('lru, lfu');
  });

  test('an unknown filter is refused with the names of those there are', () => {
    const available = ['blocked-bloom', 'bloom', 'cuckoo'];
    for (const type of ['counting', '', 'toString', null, 7]) {
      const error = errorOf(() => resolveOptions({ filter: { type: hostile(type) } }));
      expect(error).toMatchObject({ code: 'UNKNOWN_PLUGIN', option: 'filter', available });
    }
    for (const type of available) {
      expect(resolveOptions({ filter: { type: hostile(type) } }).filter).toMatchObject({ type });
    }
  });

  test.each([
    ['xor', 'XorFilter'],
    ['binary-fuse', 'BinaryFuseFilter'],
  ])('the filter %s is refused, and %s named for what does not change', (type, name) => {
    const error = errorOf(() => resolveOptions({ filter: { type: hostile(type) } }));
    expect(error).toMatchObject({ code: 'UNKNOWN_PLUGIN', option: 'filter' });
    expect(error['message']).toContain(`\`${name}.from(keys)\` of 'shardstash/filters'`);
  });

  test('an unknown serializer is refused with the names of those there are', () => {
    const error = errorOf(() => resolveOptions({ serializer: hostile('pickle') }));
    expect(error).toMatchObject({
      code: 'UNKNOWN_PLUGIN',
      option: 'serializer',
      available: ['msgpack', 'json', 'v8', 'raw'],
    });
  });

  test('a cache that is split too far, or over more threads than cores, is warned of', () => {
    const warnings = (options: object) => warningsOf(resolveOptions(options));
    expect(warnings({ shards: 1, maxEntries: 10 })).toEqual([]);
    expect(warnings({ shards: 1 })).toEqual([]);
    expect(warnings({ shards: 2, maxEntries: 511 })).toContainEqual(expect.stringContaining('255 entries'));
    expect(warnings({ shards: 2, maxEntries: 512 })).not.toContainEqual(expect.stringContaining('entries'));
    expect(warnings({ shards: 256 })).toEqual([expect.stringContaining('256 shards share')]);
  });

  test('a policy may be written in any case, or as an object', () => {
    expect(resolveOptions({ eviction: hostile('FIFO') }).eviction).toBe('fifo');
    expect(resolveOptions({ eviction: { name: 'fifo' } }).eviction).toBe('fifo');
  });

  test('more shards than entries are refused', () => {
    expect(errorOf(() => resolveOptions({ shards: 4, maxEntries: 3 }))).toMatchObject({ option: 'shards' });
  });

  test('a small cache gets one shard by default, since splitting it would cost hits', () => {
    expect(resolveOptions({ maxEntries: 1 }).shards).toBe(1);
    expect(resolveOptions({ maxEntries: 511 }).shards).toBe(1);
    expect(resolveOptions({ maxEntries: 1_000_000 }).shards).toBe(resolveOptions().shards);
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
