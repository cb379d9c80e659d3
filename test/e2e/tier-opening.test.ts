/** A cache that opens a tier: who holds its directory when, what is told, and what becomes of a keeper that dies. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cache, type CacheLogger, openCache, type TierOptions } from 'shardstash';
import { openStore } from 'shardstash/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { outcomeOf, pairs } from '../support/caches.ts';

const DYING = new URL('../support/dying-engine.mjs', import.meta.url);

let root: string;
const open: Cache[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'shardstash-tier-'));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()));
  rmSync(root, { recursive: true, force: true });
});

async function make(tier: TierOptions, options: Parameters<typeof openCache>[0] = {}): Promise<Cache> {
  const cache = await openCache({ shards: 1, ...options, tier: { root, ...tier } });
  open.push(cache);
  return cache;
}

function locks(name = 'cache'): string[] {
  return readdirSync(join(root, name)).filter((entry) => entry.startsWith('.lock'));
}

describe('a cache with a tier', () => {
  test.each(['log', 'lmdb'])('holds it alone until it is closed: %s', async (engine) => {
    const cache = await make({ engine });
    expect(cache.config.tier).toMatchObject({ engine, name: 'cache', root, write: 'through', compression: false });
    expect(locks().length).toBe(1);
    expect(await outcomeOf(openCache({ shards: 1, tier: { engine, root } }))).toBe('LOCKED');
    expect(await outcomeOf(openStore({ root, name: 'cache', engine }))).toBe('LOCKED');
    await cache.close();
    expect(locks()).toEqual([]);
    const store = await openStore({ root, name: 'cache' });
    expect(await outcomeOf(openCache({ shards: 1, tier: { engine, root } }))).toBe('LOCKED');
    await store.close();
    expect(locks()).toEqual([]);
  });

  test('says so in its metrics, and is the same when it is opened as it says it is', async () => {
    const first = await make({ engine: 'file', write: 'behind' }, { shards: 2 });
    await first.setMany(pairs(20));
    expect((await first.metrics()).tier).toMatchObject({ reads: 0, failures: 0, down: false });
    await first.close();
    const second = await make(first.config.tier as TierOptions, { shards: 2 });
    expect(second.config).toEqual(first.config);
    expect(await second.getMany(pairs(20).map(([key]) => key))).toEqual(new Map(pairs(20)));
    const { tier } = await second.metrics();
    expect(tier).toMatchObject({ readHits: 20, writes: 0 });
    await second.resetMetrics();
    expect((await second.metrics()).tier).toMatchObject({ reads: 0, readHits: 0 });
  });

  test('and one without tell apart what they have', async () => {
    const cache = await openCache({ shards: 1 });
    open.push(cache);
    expect([cache.config.tier, (await cache.metrics()).tier]).toEqual([false, undefined]);
  });

  test('that fails to open gives the directory back, and takes back what was never used', async () => {
    const wrong = { code: 'INVALID_CONFIG', option: 'tier', message: expect.stringContaining('`tier.refuses` to be') };
    await expect(make({ engine: { module: DYING }, refuses: 1 })).rejects.toMatchObject(wrong);
    expect(readdirSync(root)).toEqual([]);
    const eviction = { module: DYING, export: 'none' };
    await expect(make({ engine: 'sqlite' }, { eviction })).rejects.toMatchObject({ option: 'eviction' });
    expect(locks()).toEqual([]);
    await make({ engine: 'sqlite' });
  });
});

test('a keeper that dies is followed by another, and what went with it is told', async () => {
  const told: string[] = [];
  let up: () => void = () => {};
  const isUp = new Promise<void>((resolve) => {
    up = resolve;
  });
  const note = (message: string) => {
    told.push(message);
    if (message.endsWith('has a new thread')) up();
  };
  const logger: CacheLogger = { debug: () => {}, info: note, warn: note, error: note };
  const tier = { engine: { module: DYING }, root, write: 'behind', flushInterval: '1h' } as const;
  const cache = await openCache({ shards: 1, logger, filter: false, tier });
  await cache.set('a', 1);
  await outcomeOf(cache.get('die'));
  await isUp;
  await cache.set('b', 2);
  expect([await cache.get('a'), await cache.get('b'), await cache.get('c')]).toEqual([1, 2, undefined]);
  const lost = { name: 'CacheError', code: 'ENGINE_ERROR', message: expect.stringContaining('without 1 entry') };
  await expect(cache.close()).rejects.toMatchObject(lost);
  expect(locks()).toEqual([]);
  expect(told.filter((message) => message.startsWith('It is opened in'))).toHaveLength(2);
  const down =
    /^The thread of the tier .* ended with code 1, and with it 1 entry that waited to be written. It is started again$/;
  expect(told).toContainEqual(expect.stringMatching(down));
});
