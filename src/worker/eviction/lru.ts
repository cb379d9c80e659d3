/**
 * Least recently used. A hit, an overwrite and an insert make an entry newest; the oldest goes.
 *
 * Exact for what one client does in sequence. The order of entries is all there is to know: those of a snapshot are
 * added in it. Good where recency is all there is (corda), bad at loops a little larger than the cache, where it hits
 * nothing.
 */

import type { PolicyContext } from '../../protocol/policy.ts';
import { ListOrder } from './list-order.ts';
import { SlotLists } from './lists.ts';
import type { WarmingPolicy } from './warming.ts';

export function createLru({ slots }: PolicyContext): WarmingPolicy {
  const list = new SlotLists(slots);
  return {
    hits: 'ring',
    add(slot) {
      list.push(slot);
      return true;
    },
    hit: (slot) => list.refresh(slot),
    update(slot, previous) {
      list.remove(previous);
      list.push(slot);
    },
    remove: (slot) => list.remove(slot),
    clear: () => list.clear(),
    victim: () => list.oldest(),
    warm: (slots, count) => list.warm(slots, count),
    ahead: (into) => list.oldestInto(into),
    order: (used) => new ListOrder(list.copy(used), [{ from: list.oldest(), mark: 0 }]),
  };
}
