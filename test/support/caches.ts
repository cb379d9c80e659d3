/**
 * Caches of the built package, for tests. A cache costs threads, and those cost more than most tests: tests that need
 * nothing of their own share one, which each of them finds empty and with counts at zero.
 *
 * With SHARDSTASH_TIER=log, or another engine, every cache that does not say otherwise has a tier of its own under it
 * (`npm run long -- tiers` runs all suites so, over each engine): what holds for a cache holds over a tier. Tests of which that is
 * not true say why, with `isOverTier`.
 */
import { type Cache, type CacheOptions, openCache as openBuilt } from 'shardstash';
import { type ManualClock, manualClock } from 'shardstash/testing';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { engineOfThisRun, TIER_VARIABLE, Tiers } from './tiers.ts';

/** Whether this run only shows that a suite holds over each engine: one of several ways to run it will do. */
export const IS_BRIEF = engineOfThisRun() !== undefined && process.env[`${TIER_VARIABLE}_SUITES`] !== 'all';

/** How reads may be answered: whatever holds for one holds for the other. */
export const READS = ['shared', 'owner'] as const;

const engine = engineOfThisRun();
const tiers = engine && new Tiers(engine);
if (tiers !== undefined) {
  afterAll(() => tiers.end());
}

/**
 * Whether the caches of this run have a tier under them, of that engine if one is named, and the test is to be skipped:
 * `test.skipIf(isOverTier('why'))`, of what is true of memory alone.
 */
export function isOverTier(_reason: string, named = engine): boolean {
  return engine !== undefined && engine === named;
}

/** As that of the package, over a tier of its own where this run is over one and the options have none. */
export async function openCache<V = unknown>(options: CacheOptions = {}): Promise<Cache<V>> {
  return await openBuilt<V>(tiers === undefined ? options : { tier: await tiers.fresh(), ...options });
}

export interface SharedCache {
  readonly cache: Cache;
  /** The time of that cache. It is not turned back between tests. */
  readonly clock: ManualClock;
}

/** One cache for all tests of a `describe`, of two shards unless told, and with a clock that stands still. */
export function sharedCache(options: CacheOptions = {}): SharedCache {
  let cache: Cache | undefined;
  const clock = manualClock();
  beforeAll(async () => {
    cache = await openCache({ shards: 2, clock, ...options });
  });
  afterEach(async () => {
    await cache?.clear();
    await cache?.resetMetrics();
  });
  afterAll(() => cache?.close());
  return {
    clock,
    get cache() {
      if (cache === undefined) {
        throw new Error('The cache is there when the first test begins');
      }
      return cache;
    },
  };
}

/** Opens caches for one test, of two shards unless told, and closes them after it. */
export function cachesOfOneTest(): (options?: CacheOptions) => Promise<Cache> {
  const open: Cache[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((cache) => cache.close()));
  });
  return async (options = {}) => {
    const cache = await openCache({ shards: 2, ...options });
    open.push(cache);
    return cache;
  };
}

/** What a call came to, as a test compares it: its value, or the code of its error. */
export async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
}

/** Pairs of `prefix` 0 and up, each with its number. */
export function pairs(count: number, prefix = 'k'): [string, number][] {
  return Array.from({ length: count }, (_, i) => [`${prefix}${i}`, i]);
}

/** Whether memory has a key, whatever lies under it. Counts as a get. */
export function isInMemory(cache: Cache, key: string): boolean {
  return cache.getSync(key) !== undefined;
}
