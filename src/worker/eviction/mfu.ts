/**
 * Most frequently used: of the entries that were used most, the one that is longest among them. For the rare load in which
 * what was used often has been dealt with; a bad choice for any other.
 */
import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { FrequencyClasses } from './frequency-classes.ts';

export function createMfu({ slots }: PolicyContext): EvictionPolicy {
  const classes = new FrequencyClasses(slots);
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
    victim: () => classes.mostUsed,
    check: () => classes.check(),
  };
}
