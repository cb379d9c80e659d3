/**
 * One recommendation from a comparison, and its reason: which policy, which size, how many shards.
 *
 * The policy is the one that hits most often on average over all sizes, unless the default is within NEAR of it: that one
 * needs no tuning and its hits cost a byte. The size is the smallest that reaches the target, or without one the knee of
 * the policy's curve: from there on no doubling is worth DOUBLING_GAIN. The knee is looked for from above, because a curve
 * may lie flat below a step: a loop is missed altogether until it fits. The number of shards is the greatest that costs
 * no more than SHARDS_COST.
 */
import { defaultPolicy } from '../simulation.ts';
import { BASELINE, type ComparedPolicy, type Comparison, meanOf, OPTIMUM, ratiosOf } from './comparison.ts';
import { capacity, points, share } from './figures.ts';

/** Half a point: less than from one day of traffic to the next. */
const NEAR = 0.005;
/** A point of hit ratio for twice the memory is a bad bargain. */
const DOUBLING_GAIN = 0.01;
const SHARDS_COST = 0.001;
/** Policies closer than this to each other are told apart by chance. */
const HARDLY = 0.001;

export interface Advice {
  readonly policy: ComparedPolicy;
  readonly size: number;
  readonly shards: number;
  /** At that size and number of shards. */
  readonly hitRatio: number;
  /** Sentences. */
  readonly reasons: readonly string[];
}

export function adviceOn(comparison: Comparison, target: number | undefined): Advice {
  const { policy, reasons: whyPolicy } = choosePolicy(comparison);
  const { index, reason: whySize } = chooseSize(comparison, policy, target);
  const { shards, reason: whyShards } = chooseShards(comparison, policy, index);
  return {
    policy,
    size: comparison.sizes[index] as number,
    shards,
    hitRatio: ratiosOf(comparison, policy, shards)[index] as number,
    reasons: [...whyPolicy, ...exceptionAt(comparison, policy, index), ...whySize, ...whyShards],
  };
}

function choosePolicy(comparison: Comparison): { policy: ComparedPolicy; reasons: string[] } {
  const means = comparison.policies
    .map((policy) => ({ policy, mean: meanOf(ratiosOf(comparison, policy)) }))
    .sort((one, other) => other.mean - one.mean);
  const best = means[0] as (typeof means)[0];
  const standard = means.find(({ policy }) => policy === defaultPolicy);
  const chosen = standard !== undefined && best.mean - standard.mean <= NEAR ? standard : best;
  const { policy } = chosen;
  const over = comparison.sizes.length > 1 ? ' on average over these sizes' : '';
  const worst = means.at(-1) as (typeof means)[0];
  if (means.length > 1 && best.mean - worst.mean <= HARDLY) {
    return {
      policy,
      reasons: [`Here it hardly matters which policy: all are within ${points(HARDLY)} of each other${over}.`],
    };
  }
  if (chosen !== best) {
    const lead = points(best.mean - chosen.mean);
    return {
      policy,
      reasons: [`${policy} is the default, needs no tuning, and is within ${lead} of ${best.policy}, the best${over}.`],
    };
  }
  if (means.length === 1) {
    return { policy, reasons: [] };
  }
  const { policy: next, mean } = means[1] as (typeof means)[0];
  const lead =
    chosen.mean - mean <= HARDLY
      ? `as often as ${next} and more often than any other`
      : `more often than any other${over}: ${points(chosen.mean - mean)} above ${next}`;
  return { policy, reasons: [`${policy} hits ${lead}${gapClosed(comparison, policy)}.`] };
}

/** How much of what lies between the baseline and the optimum a policy gains. */
function gapClosed(comparison: Comparison, policy: string): string {
  const base =
    comparison.policies.includes(BASELINE) && policy !== BASELINE ? meanOf(ratiosOf(comparison, BASELINE)) : undefined;
  const gap = base === undefined ? 0 : meanOf(ratiosOf(comparison, OPTIMUM)) - base;
  if (base === undefined || gap <= HARDLY || comparison.unit === 'bytes') {
    return '';
  }
  const closed = (meanOf(ratiosOf(comparison, policy)) - base) / gap;
  return `, which closes ${share(closed)} of the gap between ${BASELINE} and the optimum`;
}

/** Where the policy that is best over all sizes is not at the chosen one. */
function exceptionAt(comparison: Comparison, policy: string, index: number): string[] {
  const own = ratiosOf(comparison, policy)[index] as number;
  const others = comparison.policies
    .map((name) => ({ name, ratio: ratiosOf(comparison, name)[index] as number }))
    .sort((one, other) => other.ratio - one.ratio);
  const best = others[0] as (typeof others)[0];
  return comparison.sizes.length > 1 && best.ratio - own > NEAR
    ? [`At this size alone ${best.name} is ${points(best.ratio - own)} better.`]
    : [];
}

function chooseSize(
  comparison: Comparison,
  policy: ComparedPolicy,
  target: number | undefined,
): { index: number; reason: string[] } {
  const { sizes, unit } = comparison;
  const ratios = ratiosOf(comparison, policy);
  const last = sizes.length - 1;
  const size = (index: number) => capacity(sizes[index] as number, unit);
  if (target !== undefined) {
    const index = ratios.findIndex((ratio) => ratio >= target);
    return index === -1
      ? { index: last, reason: [`No size here reaches ${share(target)}${whyNot(comparison, target)}.`] }
      : { index, reason: [`${size(index)} is the smallest of these sizes that reaches ${share(target)}.`] };
  }
  if (last === 0) {
    return { index: 0, reason: [] };
  }
  let index = last;
  while (index > 0 && gainOf(comparison, ratios, index) < DOUBLING_GAIN) {
    index--;
  }
  if (index < last) {
    return { index, reason: [`Beyond ${size(index)} no doubling gains ${points(DOUBLING_GAIN)}.`] };
  }
  const gain = points(gainOf(comparison, ratios, last));
  const rest = comparison.ceiling - (ratios[last] as number);
  const limit =
    rest > DOUBLING_GAIN ? `, and ${share(comparison.ceiling)} is what a cache of everything would hit` : '';
  return { index, reason: [`At ${size(last)}, the largest size here, a doubling still gains ${gain}${limit}.`] };
}

/** What a doubling gained on the way from the size before to this one. */
function gainOf({ sizes }: Comparison, ratios: readonly number[], index: number): number {
  const doublings = Math.log2((sizes[index] as number) / (sizes[index - 1] as number));
  return ((ratios[index] as number) - (ratios[index - 1] as number)) / doublings;
}

function whyNot(comparison: Comparison, target: number): string {
  if (comparison.ceiling < target) {
    return `, and none can: ${share(1 - comparison.ceiling)} of all requests are the first of their key`;
  }
  const most = Math.max(...comparison.policies.map((policy) => ratiosOf(comparison, policy).at(-1) as number));
  return most >= target ? ' with this policy; another one does' : ', whatever the policy';
}

function chooseShards(comparison: Comparison, policy: string, index: number): { shards: number; reason: string[] } {
  const [first = 1, ...others] = comparison.shards;
  const own = ratiosOf(comparison, policy)[index] as number;
  const costs = others
    .map((shards) => ({ shards, cost: own - (ratiosOf(comparison, policy, shards)[index] as number) }))
    .sort((one, other) => one.shards - other.shards);
  if (costs.length === 0) {
    return { shards: first, reason: [] };
  }
  const free = costs.filter(({ cost, shards }) => cost <= SHARDS_COST && shards > first).at(-1);
  const dear = costs.find(({ cost }) => cost > SHARDS_COST);
  const reason = [
    ...(free === undefined ? [] : [`${free.shards} shards cost no hits here.`]),
    ...(dear === undefined ? [] : [`${dear.shards} shards cost ${points(dear.cost)}.`]),
  ];
  return { shards: free?.shards ?? first, reason };
}
