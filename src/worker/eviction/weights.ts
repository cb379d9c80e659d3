/**
 * What a policy with several queues divides between them: entries where their number bounds the shard, else bytes.
 *
 * Shares of a number of entries are shares of those that are there when one has to go. That is the limit itself, unless
 * bytes ran out first: then it is what fits, which no option says.
 */
import type { PolicyContext } from '../../protocol/policy.ts';

export interface Weights {
  /** Of an entry, in the unit that is divided. */
  of(slot: number): number;
  /** All there is to divide. */
  readonly capacity: number;
  /** Room is needed while entries of so much weight are there. */
  fill(weight: number): void;
}

export function weightsOf({ entriesMax, bytesMax, weightOf }: PolicyContext): Weights {
  return entriesMax === Number.POSITIVE_INFINITY
    ? { of: weightOf, capacity: bytesMax, fill: () => {} }
    : {
        of: () => 1,
        capacity: entriesMax,
        fill(weight) {
          (this as { capacity: number }).capacity = weight;
        },
      };
}
