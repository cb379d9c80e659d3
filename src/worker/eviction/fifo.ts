/**
 * First in, first out. An overwrite keeps its place; hits change nothing and cost nothing.
 */

import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
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
  };
}
