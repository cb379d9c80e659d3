/** The policies of a comparison from the one that hits most often on average, and how they stand at one size. */
import { type ComparedPolicy, type Comparison, meanOf, ratiosOf } from './comparison.ts';

/** Half a point: less than from one day of traffic to the next. */
export const NEAR = 0.005;
/** What a division of a percentage by a hundred may be off. */
const ROUNDING = 1e-12;

export interface Ranked {
  readonly policy: ComparedPolicy;
  /** Of the hit ratios over all sizes. */
  readonly mean: number;
}

export function rankingOf(comparison: Comparison): Ranked[] {
  return comparison.policies
    .map((policy) => ({ policy, mean: meanOf(ratiosOf(comparison, policy)) }))
    .sort((one, other) => other.mean - one.mean);
}

/** Whether a policy has that hit ratio at that size, with any number of shards. */
export function reaches(comparison: Comparison, policy: ComparedPolicy, index: number, target: number): boolean {
  return comparison.shards.some((shards) => isReached(ratiosOf(comparison, policy, shards)[index] as number, target));
}

export function ratioAt(comparison: Comparison, { policy }: Ranked, index: number): number {
  return ratiosOf(comparison, policy)[index] as number;
}

/** The first of those that hit most often at a size. */
export function bestAt(comparison: Comparison, among: readonly Ranked[], index: number): Ranked {
  const ratio = (ranked: Ranked) => ratioAt(comparison, ranked, index);
  return among.toSorted((one, other) => ratio(other) - ratio(one))[0] as Ranked;
}

export function isReached(ratio: number, target: number): boolean {
  return ratio >= target - ROUNDING;
}
