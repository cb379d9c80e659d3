/**
 * No eviction: what was stored stays until it is deleted or expires. A set that finds no room is refused with
 * CACHE_FULL. Nothing leaves in any order, so a snapshot has the order of writing.
 */
import type { EvictionPolicy } from '../../protocol/policy.ts';

export function createNone(): EvictionPolicy {
  return {
    hits: 'none',
    add: () => true,
    hit: () => {},
    update: () => {},
    remove: () => {},
    clear: () => {},
    victim: () => -1,
  };
}
