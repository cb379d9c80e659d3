/** `shardstash/testing`: what a test needs of code that uses a cache, or of an eviction policy. */
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
