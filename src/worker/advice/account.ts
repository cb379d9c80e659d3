/**
 * Which gets the miniatures can speak for: those that came while somebody was followed, without those that were followed
 * and never heard of. What was found out about them is taken for all others, too.
 */
import type { Difference } from '../../protocol/advice.ts';
import { FOLLOW_RANGE } from '../../protocol/samples.ts';
import { GROUPS } from './miniatures.ts';

export class Account {
  /** Gets in the time that is accounted for, up to the last bound, and those among them that stand for nothing. */
  #covered = 0;
  #lost = 0;
  #gets = 0;
  #dropped = 0;

  /** Since the last time readers went by the bound `below`; now there were so many gets, and so many that rings dropped. */
  settle(below: number, gets: number, dropped: number): void {
    if (below > 0) {
      this.#covered += gets - this.#gets;
      this.#lost += (((dropped - this.#dropped) | 0) * FOLLOW_RANGE) / below;
    }
    this.#gets = gets;
    this.#dropped = dropped;
  }

  /** Other rings are counted from now on. */
  recount(dropped: number): void {
    this.#dropped = dropped;
  }

  /** A get that was followed while the bound was `below` was heard of and left out. */
  lose(below: number): void {
    this.#lost += FOLLOW_RANGE / below;
  }

  clear(): void {
    this.#covered = 0;
    this.#lost = 0;
  }

  /** What each get that is spoken for stands for, of so many. */
  scaleFor(requests: number): number {
    const heard = this.#covered - this.#lost;
    return heard <= 0 ? 0 : requests / heard;
  }
}

/**
 * By how many hits one model differs from another, both by group. `share` is the share of the keys that is followed: where
 * that is all of them nothing is left to chance.
 */
export function differenceOf(hits: Float64Array, others: Float64Array, scale: number, share: number): Difference {
  const byGroup = hits.map((each, group) => each - (others[group] as number));
  const total = sum(byGroup);
  const mean = total / GROUPS;
  const spread = byGroup.reduce((squares, each) => squares + (each - mean) ** 2, 0) * (GROUPS / (GROUPS - 1));
  return { hits: scale * total, variance: scale * scale * spread * (1 - share) };
}

export function sum(numbers: Float64Array): number {
  return numbers.reduce((total, each) => total + each, 0);
}
