/**
 * Most frequently used: of the entries that were used most, the one that is longest among them. For the rare load in which
 * what was used often has been dealt with; a bad choice for any other.
 */
import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { countingUses, FrequencyClasses } from './frequency-classes.ts';

export function createMfu({ slots }: PolicyContext): EvictionPolicy {
  const classes = new FrequencyClasses(slots);
  return {
    ...countingUses(classes),
    victim: () => classes.mostUsed,
    order: (used) => classes.mostUsedFirst(used),
  };
}
