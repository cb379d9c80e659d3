import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Notices } from '../../../src/main/notices.ts';
import { inspectStore, openStore, openStoreAt } from '../../../src/main/stores/index.ts';
import type { Keeper } from '../../../src/main/tier/keeper.ts';
import { refusalOf } from '../../../src/main/tier/keeper-thread.ts';
import { createTierCounts, resetTierMetrics, tierMetricsOf } from '../../../src/main/tier/metrics.ts';
import { OpenedTier, type PreparedTier, prepareTier } from '../../../src/main/tier/open.ts';
import { resolveTier, type TierConfig, type TierOptions } from '../../../src/main/tier/options.ts';
import { diskFiles } from '../../../src/protocol/files.ts';
import { TIER_DOWN, TIER_QUEUED_ENTRIES, TIER_READS } from '../../../src/protocol/tier.ts';
import { LOOPBACK, startRedis } from '../../support/redis-server.ts';

const notices = new Notices(undefined, 'a cache');
const SEED = { low: 0x1234_5678, high: 0x89ab_cdef | 0 };
const OTHER = { low: 1, high: 2 };

const server = await startRedis();
afterAll(async () => await server?.stop());

let root: string;
const held: PreparedTier[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'shardstash-tier-'));
});
afterEach(() => {
  for (const { release } of held.splice(0)) release();
  rmSync(root, { recursive: true, force: true });
});

async function prepare(options: Partial<TierOptions> = {}, serializer = 'msgpack', seed = SEED): Promise<PreparedTier> {
  const tier = await resolveTier({ engine: 'file', root, ...options });
  if (tier === undefined) throw new Error('expected a tier');
  const prepared = await prepareTier(tier, { serializer, seed }, diskFiles, notices);
  held.push(prepared);
  return prepared;
}

function release(): void {
  for (const { release } of held.splice(0)) release();
}

const manifestPath = () => join(root, 'cache', 'manifest.json');

describe('the manifest of a tier', () => {
  test('has the seed of the first cache, which all later ones adopt', async () => {
    const made = await prepare({ compression: 'gzip' });
    expect(made).toMatchObject({ isNew: true, seed: SEED, compression: 'gzip', directory: join(root, 'cache') });
    expect(JSON.parse(readFileSync(manifestPath(), 'utf8'))).toEqual({
      shardstash: 'store',
      version: 1,
      engine: 'file',
      serializer: 'msgpack',
      compression: 'gzip',
      base64: false,
      strict: false,
      appendMode: false,
      tier: { seed: '89abcdef12345678' },
    });
    release();
    expect(await prepare({}, 'msgpack', OTHER)).toMatchObject({ isNew: false, seed: SEED, compression: 'gzip' });
  });

  test.each([null, 5, {}, { seed: 5 }, { seed: '89ABCDEF12345678' }, { seed: '89abcdef1234567' }])(
    'is damaged when its seed is none: %j',
    async (tier) => {
      await prepare();
      release();
      const manifest = JSON.parse(readFileSync(manifestPath(), 'utf8'));
      writeFileSync(manifestPath(), JSON.stringify({ ...manifest, tier }));
      await expect(prepare()).rejects.toMatchObject({ code: 'STORE_CORRUPT', path: manifestPath() });
    },
  );

  test('stands against what is asked for and was not so, and nothing is left locked', async () => {
    await prepare({ compression: 'gzip' });
    release();
    await expect(prepare({}, 'json')).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'serializer' });
    for (const options of [{ compression: false }, { compression: 'zlib' }, { engine: 'sqlite' }] as const) {
      await expect(prepare(options)).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'tier' });
    }
    await expect(prepare({ engine: 'sqlite' })).rejects.toThrow('`tier.engine` to be "file"');
    await prepare();
  });

  test('is nobody’s whose store was made by openStore', async () => {
    await (await openStore({ root, name: 'cache' })).close();
    const error = await prepare().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', option: 'tier' });
    expect(String(error)).toMatch(/made by openStore.*Choose another name/);
    await (await openStore({ root, name: 'cache' })).close();
  });

  test('is not there for an engine that keeps nothing', async () => {
    const options = { engine: 'memory', compression: 'zlib' } as const;
    expect(await prepare(options)).toMatchObject({ directory: '', seed: SEED, compression: 'zlib' });
    expect(await prepare(options, 'json', OTHER)).toMatchObject({ seed: OTHER });
    expect(existsSync(manifestPath())).toBe(false);
  });

  test.skipIf(server === undefined)('lies on the server, where the first is right', async () => {
    const url = `redis://${LOOPBACK}:${server?.port}`;
    const redis = { engine: 'redis', url, name: 'shared' };
    const both = await Promise.all([prepare(redis), prepare(redis, 'msgpack', OTHER)]);
    expect(both[0]?.seed).toEqual(both[1]?.seed);
    await expect(prepare(redis, 'json')).rejects.toMatchObject({ code: 'INVALID_CONFIG', option: 'serializer' });
    await (await openStore({ engine: 'redis', url, name: 'plain' })).close();
    await expect(prepare({ ...redis, name: 'plain' })).rejects.toThrow('made by openStore');
    await expect(prepare({ ...redis, commandTimeout: 1e12 })).rejects.toMatchObject({ option: 'tier' });
  });
});

describe('the lock of a tier', () => {
  test.each(['file', 'sqlite', 'lmdb'] as const)(
    'keeps stores away from a cache, and caches from a store: %s',
    async (engine) => {
      const { directory } = await prepare({ engine });
      const locked = { code: 'LOCKED', path: directory };
      await expect(prepare({ engine })).rejects.toMatchObject(locked);
      await expect(openStore({ root, name: 'cache', engine })).rejects.toMatchObject(locked);
      await expect(openStoreAt(directory)).rejects.toMatchObject(locked);
      release();
      const store = await openStore({ root, name: 'cache' });
      await store.set('a', 1);
      expect(store.config).not.toHaveProperty('tier');
      await expect(prepare({ engine })).rejects.toMatchObject(locked);
      await expect(openStore({ root, name: 'cache' })).rejects.toMatchObject(locked);
      await store.close();
      expect(await inspectStore(directory)).toMatchObject({ entries: 1 });
      await prepare({ engine });
    },
  );

  test('that cannot be given back is told of, unless something was lost as well', async () => {
    const tier = (lost: boolean) => {
      const keeper = { close: async () => (lost ? Promise.reject(new Error('lost')) : undefined) } as unknown as Keeper;
      const release = () => {
        throw new Error('locked');
      };
      const prepared: PreparedTier = { seed: SEED, release, directory: '', compression: false, isNew: false };
      const facts = { counts: createTierCounts(), isShared: false, isEmpty: true };
      return new OpenedTier({} as TierConfig, prepared, keeper, facts);
    };
    await expect(tier(false).close(0)).rejects.toThrow('locked');
    await expect(tier(true).close(0)).rejects.toThrow('lost');
  });

  test('is given back by a store that cannot be opened', async () => {
    const { directory } = await prepare({ engine: 'lmdb' });
    release();
    await expect(openStoreAt(directory, { mapSize: 1 })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    await prepare({ engine: 'lmdb' });
  });
});

describe('what a keeper refuses', () => {
  test('is a mistake in the option `tier` where it names an option, and an error of the world where it does not', () => {
    const wrong = { code: 'INVALID_CONFIG', message: 'Expected `mapSize` to be larger, got 1', option: 'mapSize' };
    expect(refusalOf(wrong)).toBeInstanceOf(TypeError);
    expect(refusalOf(wrong)).toMatchObject({
      code: 'INVALID_CONFIG',
      option: 'tier',
      message: 'Expected `tier.mapSize` to be larger, got 1',
    });
    const vague = refusalOf({ code: 'INVALID_CONFIG', message: 'It will not do' });
    expect(vague).toMatchObject({ name: 'TypeError', option: 'tier', message: 'It will not do' });
    const error = refusalOf({ code: 'STORE_CORRUPT', message: 'The log is damaged', path: '/somewhere' });
    expect(error).toMatchObject({ name: 'CacheError', code: 'STORE_CORRUPT', path: '/somewhere' });
  });
});

describe('the metrics of a tier', () => {
  test('begin at zero again when they are reset, but for what is so now', () => {
    const counts = createTierCounts();
    const cells = new Float64Array(counts);
    cells[TIER_READS] = 5;
    cells[TIER_DOWN] = 1;
    cells[TIER_QUEUED_ENTRIES] = 3;
    expect(tierMetricsOf(counts)).toMatchObject({ reads: 5, down: true, queuedEntries: 3 });
    resetTierMetrics(counts);
    cells[TIER_READS] = 7;
    expect(tierMetricsOf(counts)).toMatchObject({ reads: 2, down: true, queuedEntries: 3 });
    expect(tierMetricsOf(undefined)).toBeUndefined();
  });
});
