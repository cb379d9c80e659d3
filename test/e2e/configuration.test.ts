/** Opening a cache: what it says of itself, what it refuses, and what it tells a logger. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { inspect } from 'node:util';
import { type CacheLogger, type CacheOptions, openCache } from 'shardstash';
import { describe, expect, test, vi } from 'vitest';
import { cachesOfOneTest, READS } from '../support/caches.ts';
import { withThreads } from '../support/threads.ts';

const make = cachesOfOneTest();

interface Line {
  readonly level: string;
  readonly message: string;
  readonly details: Record<string, unknown>;
}

function loggerInto(lines: Line[]): CacheLogger {
  const note = (level: string) => (message: string, details?: unknown) =>
    void lines.push({ level, message, details: details as Record<string, unknown> });
  return { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
}

describe('cache.config', () => {
  test('says what is in force, defaults and all', async () => {
    const cache = await make({ shards: 2 });
    expect(cache.config).toEqual({
      shards: 2,
      maxBytes: 268_435_456,
      maxEntries: Number.POSITIVE_INFINITY,
      ttl: Number.POSITIVE_INFINITY,
      sliding: false,
      eviction: 'as3-fifo',
      serializer: 'msgpack',
      filter: { type: 'blocked-bloom', falsePositiveRate: 0.01 },
      reads: 'shared',
      tier: false,
      nearCache: false,
      lane: 'comlink',
      cleanupInterval: 1_000,
      metrics: true,
      advise: false,
      seed: undefined,
      timeout: 30_000,
      leaseTimeout: 30_000,
      stallTimeout: 10_000,
      crashBudget: 10,
      maxPendingCalls: 65_536,
      maxPendingBytes: 67_108_864,
      compute: { threads: expect.any(Number), queue: 1_024, idleTimeout: 10_000 },
      storage: { dir: 'cache_storage', filename: 'cache_data', timestamps: false },
      metricsStorage: { dir: 'cache_storage', filename: 'cache_metrics', timestamps: false, serializer: 'json' },
      autosave: false,
      restore: false,
      unref: true,
    });
  });

  test('says what was asked for, in plain numbers', async () => {
    const cache = await make({
      shards: 2,
      maxBytes: '1mb',
      maxEntries: 1_000,
      ttl: '10m',
      sliding: true,
      eviction: { name: 'fifo' },
      serializer: 'v8',
      filter: false,
      reads: 'owner',
      lane: 'wake',
      cleanupInterval: '2s',
      metrics: false,
      advise: true,
      seed: 7,
      timeout: '5s',
      leaseTimeout: '1m',
      stallTimeout: false,
      crashBudget: Number.POSITIVE_INFINITY,
      maxPendingCalls: 100,
      maxPendingBytes: '1mb',
      compute: { threads: 2, idleTimeout: '1s' },
      unref: false,
    });
    expect(cache.config).toEqual({
      shards: 2,
      maxBytes: 1_048_576,
      maxEntries: 1_000,
      ttl: 600_000,
      sliding: true,
      eviction: 'fifo',
      serializer: 'v8',
      filter: false,
      reads: 'owner',
      tier: false,
      nearCache: false,
      lane: 'wake',
      cleanupInterval: 2_000,
      metrics: false,
      advise: { sampleRate: 1 },
      seed: 7,
      timeout: 5_000,
      leaseTimeout: 60_000,
      stallTimeout: Number.POSITIVE_INFINITY,
      crashBudget: Number.POSITIVE_INFINITY,
      maxPendingCalls: 100,
      maxPendingBytes: 1_048_576,
      compute: { threads: 2, queue: 1_024, idleTimeout: 1_000 },
      storage: { dir: 'cache_storage', filename: 'cache_data', timestamps: false },
      metricsStorage: { dir: 'cache_storage', filename: 'cache_metrics', timestamps: false, serializer: 'json' },
      autosave: false,
      restore: false,
      unref: false,
    });
  });

  test('cannot be changed, nor do options that are changed later', async () => {
    const options: CacheOptions = { shards: 1, filter: { falsePositiveRate: 0.1 } };
    const cache = await make(options);
    options.shards = 5;
    expect(() => Object.assign(cache.config, { shards: 1 })).toThrow(TypeError);
    expect(() => Object.assign(cache.config.filter as object, { falsePositiveRate: 1 })).toThrow(TypeError);
    expect(cache.config).toMatchObject({ shards: 1, filter: { falsePositiveRate: 0.1 } });
  });

  test('can be given again, to open another like it', async () => {
    const first = await make({ maxEntries: 1_000, ttl: '1h', eviction: 'sieve', seed: 3, cleanupInterval: false });
    const second = await make(first.config as unknown as CacheOptions);
    expect(second.config).toEqual(first.config);
  });
});

test('the cache describes itself, also to console.log', async () => {
  const cache = await make({ shards: 2, maxBytes: '1mb', maxEntries: 100, eviction: 'fifo' });
  expect(String(cache)).toBe("<Cache shards=2, maxBytes=1048576, maxEntries=100, eviction='fifo'>");
  expect(inspect([cache], { breakLength: 200 })).toBe(`[ ${cache} ]`);
  expect(String(await make({ shards: 1 }))).toBe("<Cache shards=1, maxBytes=268435456, eviction='as3-fifo'>");
});

describe('openCache', () => {
  test.each<[object, string, string]>([
    [{ maxEntries: 0 }, 'INVALID_CONFIG', 'maxEntries'],
    [{ maxBytes: -1 }, 'INVALID_CONFIG', 'maxBytes'],
    [{ shards: 1.5 }, 'INVALID_CONFIG', 'shards'],
    [{ shards: 4, maxEntries: 3 }, 'INVALID_CONFIG', 'shards'],
    [{ maxEntires: 10 }, 'INVALID_CONFIG', 'maxEntires'],
    [{ eviction: 'nope' }, 'UNKNOWN_PLUGIN', 'eviction'],
    [{ serializer: 'nope' }, 'UNKNOWN_PLUGIN', 'serializer'],
    [{ filter: { type: 'nope' } }, 'UNKNOWN_PLUGIN', 'filter'],
    [{ logger: {} }, 'INVALID_CONFIG', 'logger'],
    [{ clock: { now: () => 0 } }, 'INVALID_CONFIG', 'clock'],
  ])('rejects %o, and starts no thread', async (options, code, option) => {
    const { result, threads } = await withThreads(async () => {
      const opening = openCache(options as CacheOptions);
      expect(opening).toBeInstanceOf(Promise);
      return await opening.catch((error) => error as unknown);
    });
    expect(result).toMatchObject({ name: 'TypeError', code, option });
    expect((result as Error).message).toContain(option);
    expect(threads).toEqual([]);
  });

  test('names every policy there is when it knows none of that name', async () => {
    const error = await openCache({ eviction: 'nope' as 'lru' }).catch((caught) => caught);
    expect(error.available).toEqual(expect.arrayContaining(['lru', 'fifo', 'random', 'sieve', 'none']));
    for (const name of error.available) expect(error.message).toContain(name);
  });

  test('rejects a ttl that is none with INVALID_TTL', async () => {
    for (const ttl of [0, -1, Number.NaN, '5']) {
      await expect(openCache({ ttl: ttl as number })).rejects.toMatchObject({ code: 'INVALID_TTL', ttl });
    }
  });
});

describe('a logger', () => {
  test('hears of opening and closing, and nothing of what works', async () => {
    const lines: Line[] = [];
    const cache = await openCache({ shards: 1, logger: loggerInto(lines) });
    await cache.set('k', 1);
    await cache.get('nobody');
    await cache.getOrThrow('nobody').catch(() => {});
    await cache.close();
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ['debug', "Opened <Cache shards=1, maxBytes=268435456, eviction='as3-fifo'>"],
      ['debug', "Closed <Cache shards=1, maxBytes=268435456, eviction='as3-fifo'>"],
    ]);
    expect(lines[0]?.details).toMatchObject({ cache: String(cache), config: cache.config });
  });

  test('is warned of more shards than cores, and of shards that hold too little', async () => {
    const lines: Line[] = [];
    const shards = availableParallelism() + 1;
    const cache = await make({ shards, maxEntries: shards * 255, logger: loggerInto(lines) });
    expect(await cache.size()).toBe(0);
    const warnings = lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
    expect(warnings).toEqual([
      expect.stringContaining(`${shards} shards share ${shards - 1} cores`),
      expect.stringContaining(`Each of ${shards} shards holds 255 entries`),
    ]);
  });

  test('is not warned without need', async () => {
    const lines: Line[] = [];
    await make({ shards: 1, maxEntries: 10, logger: loggerInto(lines) });
    await make({ shards: availableParallelism(), maxEntries: 256 * availableParallelism(), logger: loggerInto(lines) });
    expect(lines.filter(({ level }) => level !== 'debug')).toEqual([]);
  });

  test('hears of a shard that died, once', async () => {
    const lines: Line[] = [];
    const { result: cache, threads } = await withThreads(() => make({ shards: 2, logger: loggerInto(lines) }));
    await threads[1]?.terminate();
    await expect.poll(() => lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    await cache.close();
    expect(lines.filter(({ level }) => level === 'error')).toMatchObject([{ details: { shard: 1, code: 1 } }]);
  });

  test('that throws stands in nobody’s way', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    try {
      const fail = () => {
        throw new Error('disk full');
      };
      const cache = await openCache({
        shards: 1,
        maxBytes: '64kb',
        logger: { debug: fail, info: fail, warn: fail, error: fail },
      });
      expect(await cache.getOrSet('k', () => Buffer.alloc(100_000))).toHaveLength(100_000);
      await cache.close();
      expect(warned.mock.calls.map(([warning]) => (warning as Error).message)).toEqual(Array(3).fill('disk full'));
    } finally {
      warned.mockRestore();
    }
  });

  test('may be console, or an instance with methods of its own', async () => {
    class Log {
      readonly lines: string[] = [];
      debug(message: string) {
        this.lines.push(message);
      }
      info() {}
      warn() {}
      error() {}
    }
    const log = new Log();
    const cache = await openCache({ shards: 1, logger: log });
    await cache.close();
    expect(log.lines).toHaveLength(2);
    const debug = vi.spyOn(console, 'debug').mockImplementation(() => {});
    await (await openCache({ shards: 1, logger: console })).close();
    expect(debug).toHaveBeenCalledTimes(2);
    debug.mockRestore();
  });
});

test('whoever subscribes to the diagnostics channels hears the same', async () => {
  const heard: [string, unknown][] = [];
  const listeners = ['open', 'close', 'warning', 'shard:down'].map((name) => {
    const listen = (message: unknown) => heard.push([name, message]);
    subscribe(`shardstash:${name}`, listen);
    return () => unsubscribe(`shardstash:${name}`, listen);
  });
  try {
    const { result: cache, threads } = await withThreads(() => openCache({ shards: 1, maxBytes: '64kb' }));
    await cache.getOrSet('k', () => Buffer.alloc(100_000));
    await threads[0]?.terminate();
    await cache.close();
    const name = String(cache);
    expect(heard).toEqual([
      ['open', { cache: name, message: `Opened ${name}`, config: cache.config }],
      ['warning', expect.objectContaining({ cache: name, key: 'k', cause: expect.anything() })],
      ['shard:down', expect.objectContaining({ cache: name, shard: 0 })],
      ['close', { cache: name, message: `Closed ${name}` }],
    ]);
  } finally {
    for (const stop of listeners) stop();
  }
});

test.each(READS)('reads: %s is as the cache was opened, and both answer the same', async (reads) => {
  const cache = await make({ reads });
  await cache.set('k', 1);
  expect([cache.config.reads, await cache.get('k')]).toEqual([reads, 1]);
});

test('the package needs nothing at run time but what it says', async () => {
  const root = new URL('../../', import.meta.url);
  const manifest = JSON.parse(await readFile(new URL('package.json', root), 'utf8'));
  expect(Object.keys(manifest.dependencies).sort()).toEqual(['comlink', 'msgpackr', 'piscina']);
  const peers = Object.keys(manifest.peerDependencies ?? {});
  expect(peers.filter((name) => manifest.peerDependenciesMeta?.[name]?.optional !== true)).toEqual([]);
});

/** Files that a file of the built package imports when it is loaded, and the packages. */
async function loadedFrom(entry: URL): Promise<{ files: Set<string>; packages: Set<string> }> {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = async (file: URL): Promise<void> => {
    if (files.has(file.href)) return;
    files.add(file.href);
    const text = await readFile(file, 'utf8');
    for (const [, module] of text.matchAll(/^(?:import|export)\s[^;]*?from\s*'([^']+)'/gm)) {
      if (module?.startsWith('.')) {
        await visit(new URL(module, file));
      } else if (!module?.startsWith('node:')) {
        packages.add(module as string);
      }
    }
  };
  await visit(entry);
  return { files, packages };
}

test('the core loads no optional package, in any thread', async () => {
  const dist = new URL('../../dist/', import.meta.url);
  for (const entry of ['main/index.js', 'main/testing.js', 'worker/index.js']) {
    const { files, packages } = await loadedFrom(new URL(entry, dist));
    expect(files.size).toBeGreaterThan(2);
    expect([...packages].filter((name) => !['comlink', 'msgpackr'].includes(name))).toEqual([]);
  }
});
