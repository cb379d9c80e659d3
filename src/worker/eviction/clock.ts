/**
 * CLOCK, or second chance: Corbató, "A paging experiment with the Multics system", 1968. FIFO with a bit an entry that
 * says whether it was used: the oldest entry goes, unless it was used, then it loses the bit and is newest again.
 *
 * A hit is one byte that readers store themselves, in `touched`: any count but zero is the bit. An overwrite keeps its
 * place and counts as a use. Close to LRU wherever that is good or bad, at a cheaper hit. A snapshot has the queue and
 * the bits.
 */
import { TOUCHED_MAX } from '../../protocol/memory.ts';
import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { ListOrder } from './list-order.ts';
import { SlotLists } from './lists.ts';

/**
 * Second chances that one victim may cost at most; then it goes, used or not. Without a bound the first eviction of ten
 * million entries, all of them used, would walk them all while every call waits. No cell of golden.csv needs so many.
 */
const CHANCES_MAX = 4_096;
/** What each victim adds to the chances that are left to it and the next ones: so a thousand cost little more. */
const CHANCES_PER_VICTIM = 64;

export function createClock({ slots, touched }: PolicyContext): EvictionPolicy {
  const list = new SlotLists(slots);
  let chances = CHANCES_MAX;
  return {
    hits: 'byte',
    add(slot) {
      list.push(slot);
      return true;
    },
    hit: () => {},
    update(slot, previous) {
      list.replace(slot, previous);
      touched[slot] = 1;
    },
    remove: (slot) => list.remove(slot),
    clear: () => list.clear(),
    victim() {
      let at = list.oldest();
      chances = Math.min(CHANCES_MAX, chances + CHANCES_PER_VICTIM);
      for (; chances > 0 && at !== -1 && touched[at] !== 0; chances--) {
        touched[at] = 0;
        list.refresh(at);
        at = list.oldest();
      }
      if (at !== -1) {
        touched[at] = 0;
      }
      return at;
    },
    ahead: (into) => list.oldestInto(into),
    order(used) {
      const uses = touched.slice(0, used);
      return new ListOrder(list.copy(used), [{ from: list.oldest(), mark: 0 }], (slot) => uses[slot] as number);
    },
    restore(slot, _hash, standing) {
      touched[slot] = Math.min(TOUCHED_MAX, standing);
      list.push(slot);
      return true;
    },
  };
}
