/** `shardstash/testing`: what a test of code that uses a cache needs. */
import { ManualClock } from './manual-clock.ts';

export type { ManualClock } from './manual-clock.ts';

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
