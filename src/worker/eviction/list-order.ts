/**
 * The order in which the entries of a policy would leave, for a snapshot: stretches of its lists, one behind the other,
 * walked from their old ends. The links were copied when the snapshot began, so that it costs the shard one copy of
 * memory at once, and the walk takes whatever time it takes while the policy goes on.
 */
import type { SlotOrder } from '../../protocol/policy.ts';
import type { ListCopy } from './lists.ts';

const NONE = -1;

/** Neighbours in one list, older ones first. */
export interface Stretch {
  /** The oldest of them, -1 where there is none. */
  readonly from: number;
  /** The slot before which they end. Left out: they go on to the new end. */
  readonly until?: number;
  /** What is to be said of all of them. */
  readonly mark: number;
}

export class ListOrder implements SlotOrder {
  readonly #links: ListCopy;
  readonly #stretches: readonly Stretch[];
  readonly #standingOf: (slot: number, mark: number) => number;
  #begun = 0;
  #slot = NONE;
  #until = NONE;
  #mark = 0;

  /** `standingOf` is told a slot and the mark of its stretch; left out, the mark is all there is to say. */
  constructor(links: ListCopy, stretches: readonly Stretch[], standingOf = (_slot: number, mark: number) => mark) {
    this.#links = links;
    this.#stretches = stretches;
    this.#standingOf = standingOf;
  }

  get standing(): number {
    return this.#standingOf(this.#slot, this.#mark);
  }

  next(): number {
    let at = this.#slot === NONE ? NONE : this.#links.newerThan(this.#slot);
    while ((at === NONE || at === this.#until) && this.#begun < this.#stretches.length) {
      const { from, until = NONE, mark } = this.#stretches[this.#begun++] as Stretch;
      at = from;
      this.#until = until;
      this.#mark = mark;
    }
    this.#slot = at === this.#until ? NONE : at;
    return this.#slot;
  }
}

/**
 * Two orders in one, for policies that evict from two queues by turns: the first has its share of any stretch of it, so
 * that whoever has no room for the old end begins with both queues in the proportion that they had.
 */
export class BlendedOrder implements SlotOrder {
  readonly #first: SlotOrder;
  readonly #second: SlotOrder;
  readonly #share: number;
  #due = 0;
  #named: SlotOrder;

  /** `share` of the first, between 0 and 1. When one is at its end, the other goes on alone. */
  constructor(first: SlotOrder, second: SlotOrder, share: number) {
    this.#first = first;
    this.#second = second;
    this.#share = share;
    this.#named = second;
  }

  get standing(): number {
    return this.#named.standing;
  }

  next(): number {
    this.#due += this.#share;
    const isFirst = this.#due >= 1;
    if (isFirst) {
      this.#due--;
    }
    this.#named = isFirst ? this.#first : this.#second;
    const slot = this.#named.next();
    if (slot !== NONE) {
      return slot;
    }
    this.#named = isFirst ? this.#second : this.#first;
    return this.#named.next();
  }
}
