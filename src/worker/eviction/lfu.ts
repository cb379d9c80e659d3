/**
 * Least frequently used: of the entries that were used least, the one that is longest among them. Storing counts as the
 * first use, overwrites and hits as one more.
 *
 * Good where popularity stays what it is. What was popular once never leaves, though, and new entries hardly get a start:
 * with `halfLife` all counts are halved after so many uses. The classes and their cost are told in frequency-classes.ts.
 */
import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { FrequencyClasses } from './frequency-classes.ts';

export interface LfuOptions {
  /** Uses after which all counts are halved. Default: never. */
  readonly halfLife?: number;
}

export function createLfu({ slots }: PolicyContext, { halfLife }: LfuOptions = {}): EvictionPolicy {
  const classes = new FrequencyClasses(slots, halfLife);
  return {
    hits: 'ring',
    add(slot) {
      classes.add(slot);
      return true;
    },
    hit: (slot) => classes.use(slot),
    update(slot, previous) {
      classes.move(slot, previous);
      classes.use(slot);
    },
    remove: (slot) => classes.remove(slot),
    clear: () => classes.clear(),
    victim: () => classes.leastUsed,
    ahead: (into) => classes.leastUsedInto(into),
    check: () => classes.check(),
  };
}
