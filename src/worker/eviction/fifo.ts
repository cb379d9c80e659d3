/**
 * First in, first out. An overwrite keeps its place; hits change nothing and cost nothing. The order of entries is all
 * there is to know: those of a snapshot are added in it.
 */

import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { ListOrder } from './list-order.ts';
import { SlotLists } from './lists.ts';

export function createFifo({ slots }: PolicyContext): EvictionPolicy {
  const list = new SlotLists(slots);
  return {
    hits: 'none',
    add(slot) {
      list.push(slot);
      return true;
    },
    hit: () => {},
    update: (slot, previous) => list.replace(slot, previous),
    remove: (slot) => list.remove(slot),
    clear: () => list.clear(),
    victim: () => list.oldest(),
    ahead: (into) => list.oldestInto(into),
    order: (used) => new ListOrder(list.copy(used), [{ from: list.oldest(), mark: 0 }]),
  };
}
