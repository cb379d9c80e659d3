/** `shardstash/testing`: what a test needs of code that uses a cache, or of an eviction policy. */
import type { CacheKey } from '../protocol/cache-key.ts';
import { type Cache, crashShard as crash } from './cache.ts';
import { ManualClock } from './manual-clock.ts';

export type { ManualClock } from './manual-clock.ts';
export { checkPolicy, type PolicyCheckOptions, type PolicyFact, policyFacts } from './policy-facts.ts';
export type { PolicyMaker } from './policy-rehearsal.ts';

/**
 * A clock for `openCache({ clock })` that stands still until it is told to `advance`.
 *
 * @example
 * const clock = manualClock();
 * const cache = await openCache({ clock });
 * await cache.set('k', 1, { ttl: '10m' });
 * clock.advance('10m');
 * await cache.get('k'); // undefined
 */
export function manualClock(): ManualClock {
  return new ManualClock();
}

/**
 * Ends the thread of a shard of an open cache, as a crash would, to see what a service does then. Resolves when it has
 * ended; the cache replaces it, and loses nothing that was acknowledged.
 *
 * @example
 * await crashShard(cache, 0);
 * await cache.get('k'); // goes on
 */
export function crashShard<V, K extends CacheKey>(cache: Cache<V, K>, shard: number): Promise<void> {
  return crash(cache as unknown as Cache, shard);
}
