/**
 * What a policy with several queues divides between them: entries where their number bounds the shard, else bytes.
 *
 * Shares of a number of entries are shares of those that are there when one is evicted. That is the limit itself, unless
 * bytes ran out first: then it is what fits, which no option says. Bytes are noted by slot, four for an entry, so that
 * moving an entry from queue to queue does not load it.
 */
import type { PolicyContext } from '../../protocol/policy.ts';
import type { SlotLists } from './lists.ts';

export interface Weights {
  /** Of an entry as it was last noted, in the unit that is divided. */
  of(slot: number): number;
  /** Looks what the entry in a slot weighs, and says it. */
  note(slot: number): number;
  /** All there is to divide. */
  readonly capacity: number;
  /** An entry is being evicted while entries of so much weight are there. */
  fill(weight: number): void;
}

export function weightsOf(context: PolicyContext): Weights {
  return context.entriesMax === Number.POSITIVE_INFINITY ? new Bytes(context) : new Entries(context.entriesMax);
}

/** How many slots a list has. Throws when they do not weigh what was counted, or its links disagree. For `check` of policies. */
export function checkWeight(lists: SlotLists, list: number, weights: Weights, counted: number): number {
  // First: a walk along links that disagree may never end.
  const count = lists.count(list);
  let weight = 0;
  for (let at = lists.oldest(list); at !== -1; at = lists.newerThan(at)) {
    weight += weights.of(at);
  }
  if (weight !== counted) {
    throw new Error(`lists: list ${list} weighs ${weight}, counted ${counted}`);
  }
  return count;
}

class Bytes implements Weights {
  capacity: number;
  readonly #context: PolicyContext;
  readonly #weightOf: PolicyContext['weightOf'];
  readonly #noted: Uint32Array;

  constructor(context: PolicyContext) {
    const { slots, bytesMax, weightOf } = context;
    this.#context = context;
    this.capacity = bytesMax;
    this.#weightOf = weightOf;
    // Shared only so that pages are handed out when touched.
    this.#noted = new Uint32Array(new SharedArrayBuffer(slots * 4));
  }

  of(slot: number): number {
    return this.#noted[slot] as number;
  }

  note(slot: number): number {
    this.#noted[slot] = this.#weightOf(slot);
    return this.#noted[slot] as number;
  }

  fill(): void {
    this.capacity = this.#context.bytesMax;
  }
}

class Entries implements Weights {
  capacity: number;

  constructor(entriesMax: number) {
    this.capacity = entriesMax;
  }

  of(): number {
    return 1;
  }

  note(): number {
    return 1;
  }

  fill(weight: number): void {
    this.capacity = weight;
  }
}
