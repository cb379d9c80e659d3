/**
 * Least frequently used: of the entries that were used least, the one that is longest among them. Storing counts as the
 * first use, overwrites and hits as one more.
 *
 * Good where popularity stays what it is. What was popular once never leaves, though, and new entries hardly get a start:
 * with `halfLife` all counts are halved after so many uses. The classes and their cost are told in frequency-classes.ts.
 */
import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { countingUses, FrequencyClasses } from './frequency-classes.ts';

export interface LfuOptions {
  /** Uses after which all counts are halved. Default: never. */
  readonly halfLife?: number;
}

export function createLfu({ slots }: PolicyContext, { halfLife }: LfuOptions = {}): EvictionPolicy {
  const classes = new FrequencyClasses(slots, halfLife);
  return {
    ...countingUses(classes),
    victim: () => classes.leastUsed,
    ahead: (into) => classes.leastUsedInto(into),
    order: (used) => classes.leastUsedFirst(used),
  };
}
