/**
 * A victim by lot, every entry as likely as any other. Hits change nothing and cost nothing.
 *
 * Slots lie in a dense array, in no order that matters, and a column tells the place of each: an entry that leaves is
 * replaced by the last one, so that the array stays dense. Good at loops larger than the cache, where LRU and FIFO hit
 * nothing; worse than both wherever recency says anything.
 *
 *     dense    [ slot | slot | slot | ...  ]     the first `count` are entries
 *     places   [ place of slot 0 | of slot 1 | ... ]
 *
 * The lot for the next victim is drawn beforehand, and a new one whenever an entry leaves. So asking for the victim
 * twice names it twice, and no choice depends on what was asked. No entry is nearer to leaving than another, so a
 * snapshot has the order of writing.
 */

import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { Lots } from './lots.ts';

export function createRandom({ slots, seed }: PolicyContext): EvictionPolicy {
  // Shared only so that pages are handed out when touched, as they are for the shard's own memory.
  const dense = new Int32Array(new SharedArrayBuffer(slots * 4));
  const places = new Int32Array(new SharedArrayBuffer(slots * 4));
  let count = 0;
  const lots = new Lots(seed);

  function put(slot: number, place: number): void {
    dense[place] = slot;
    places[slot] = place;
  }

  return {
    hits: 'none',
    add(slot) {
      put(slot, count++);
      return true;
    },
    hit: () => {},
    update: (slot, previous) => put(slot, places[previous] as number),
    remove(slot) {
      put(dense[--count] as number, places[slot] as number);
      lots.draw();
    },
    clear() {
      count = 0;
    },
    victim: () => (count === 0 ? -1 : (dense[lots.below(count)] as number)),
  };
}
