/**
 * One recommendation from a comparison, and its reason: which policy, which size, how many shards.
 *
 * The policies that hit most often on average over all sizes, within NEAR of the best, have a chance: the default first,
 * since it needs no tuning and its hits cost a byte, unless another of them is more than NEAR better at the size. The size
 * is the smallest that reaches the target, or without one the knee of the policy's curve: from there on no doubling is
 * worth DOUBLING_GAIN. The knee is looked for from above, because a curve may lie flat below a step: a loop is missed
 * altogether until it fits. The number of shards is the greatest that costs no more than SHARDS_COST.
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
  const ranking = comparison.policies
    .map((policy) => ({ policy, mean: meanOf(ratiosOf(comparison, policy)) }))
    .sort((one, other) => other.mean - one.mean);
  const chosen = choosePolicy(comparison, ranking, target);
  const { policy } = chosen;
  const { index, reasons: onSize } = chooseSize(comparison, policy, target);
  const { shards, reasons: onShards } = chooseShards(comparison, policy, index);
  const onPolicy = ranking.length === 1 ? [] : whyPolicy(comparison, ranking, chosen, index);
  return {
    policy,
    size: comparison.sizes[index] as number,
    shards,
    hitRatio: ratiosOf(comparison, policy, shards)[index] as number,
    reasons: [...onPolicy, ...onSize, ...onShards],
  };
}

interface Ranked {
  readonly policy: ComparedPolicy;
  /** Of the hit ratios over all sizes. */
  readonly mean: number;
}

function choosePolicy(comparison: Comparison, ranking: readonly Ranked[], target: number | undefined): Ranked {
  const [best] = ranking as [Ranked];
  const near = ranking.filter(({ mean }) => best.mean - mean <= NEAR);
  const standard = near.find(({ policy }) => policy === defaultPolicy) ?? best;
  const { index } = chooseSize(comparison, standard.policy, target);
  const there = bestAt(comparison, near, index);
  return there.lead - leadOf(comparison, standard, index) <= NEAR ? standard : there.ranked;
}

function leadOf(comparison: Comparison, { policy }: Ranked, index: number): number {
  return ratiosOf(comparison, policy)[index] as number;
}

function bestAt(comparison: Comparison, among: readonly Ranked[], index: number): { ranked: Ranked; lead: number } {
  const sorted = among
    .map((ranked) => ({ ranked, lead: leadOf(comparison, ranked, index) }))
    .sort((one, other) => other.lead - one.lead);
  return sorted[0] as (typeof sorted)[0];
}

function whyPolicy(comparison: Comparison, ranking: readonly Ranked[], chosen: Ranked, index: number): string[] {
  const [best, next] = ranking as [Ranked, Ranked];
  const worst = ranking.at(-1) as Ranked;
  const over = comparison.sizes.length > 1 ? ' on average over these sizes' : '';
  if (best.mean - worst.mean <= HARDLY) {
    return [`It hardly matters which policy: all are within ${points(HARDLY)} of each other${over}.`];
  }
  const there = bestAt(comparison, ranking, index);
  const lag = there.lead - leadOf(comparison, chosen, index);
  const exception = lag > NEAR ? [`At this size alone ${there.ranked.policy} is ${points(lag)} better.`] : [];
  if (chosen === best) {
    const lead = chosen.mean - next.mean;
    const told = lead <= HARDLY ? `with ${next.policy} close behind` : `${points(lead)} above ${next.policy}`;
    return [`${chosen.policy} hits most often${over}, ${told}.`, ...gapClosed(comparison, chosen), ...exception];
  }
  const behind = `is only ${points(best.mean - chosen.mean)} behind`;
  const why =
    chosen.policy === defaultPolicy
      ? `${behind}, is the default and needs no tuning`
      : `${behind}, and better at this size`;
  return [
    `${best.policy} hits most often${over}, but ${chosen.policy} ${why}.`,
    ...gapClosed(comparison, chosen),
    ...exception,
  ];
}

/** How much of what lies between the baseline and the optimum a policy gains. */
function gapClosed(comparison: Comparison, { policy, mean }: Ranked): string[] {
  // In bytes the optimum is none.
  if (comparison.unit === 'bytes' || policy === BASELINE || !comparison.policies.includes(BASELINE)) {
    return [];
  }
  const base = meanOf(ratiosOf(comparison, BASELINE));
  const gap = meanOf(ratiosOf(comparison, OPTIMUM)) - base;
  return gap <= HARDLY || mean - base <= HARDLY
    ? []
    : [`It closes ${share((mean - base) / gap)} of the gap between ${BASELINE} and the optimum.`];
}

interface ChosenSize {
  /** Among the sizes of the comparison. */
  readonly index: number;
  readonly reasons: string[];
}

function chooseSize(comparison: Comparison, policy: ComparedPolicy, target: number | undefined): ChosenSize {
  if (target === undefined) {
    return kneeOf(comparison, policy);
  }
  const index = ratiosOf(comparison, policy).findIndex((ratio) => ratio >= target);
  if (index === -1) {
    const { index: knee, reasons } = kneeOf(comparison, policy);
    return {
      index: knee,
      reasons: [`No size here reaches ${share(target)}${whyNot(comparison, target)}.`, ...reasons],
    };
  }
  const size = capacity(comparison.sizes[index] as number, comparison.unit);
  const reasons =
    comparison.sizes.length === 1 ? [] : [`${size} is the smallest of these sizes that reaches ${share(target)}.`];
  return { index, reasons };
}

function kneeOf(comparison: Comparison, policy: ComparedPolicy): ChosenSize {
  const { sizes, unit } = comparison;
  const ratios = ratiosOf(comparison, policy);
  const last = sizes.length - 1;
  let index = last;
  while (index > 0 && gainOf(comparison, ratios, index) < DOUBLING_GAIN) {
    index--;
  }
  const size = capacity(sizes[index] as number, unit);
  if (index < last) {
    return { index, reasons: [`Beyond ${size} no doubling gains ${points(DOUBLING_GAIN)}.`] };
  }
  if (last === 0) {
    return { index, reasons: [] };
  }
  const gain = points(gainOf(comparison, ratios, last));
  const isFar = comparison.ceiling - (ratios[last] as number) > DOUBLING_GAIN;
  const limit = isFar ? [`A cache of everything would hit ${share(comparison.ceiling)}.`] : [];
  return {
    index,
    reasons: [`${size} is the largest size here, and the last doubling still gained ${gain}.`, ...limit],
  };
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

function chooseShards(
  comparison: Comparison,
  policy: string,
  index: number,
): { readonly shards: number; readonly reasons: string[] } {
  const [first = 1, ...others] = comparison.shards;
  const own = ratiosOf(comparison, policy)[index] as number;
  const costs = others.map((shards) => ({
    shards,
    cost: own - (ratiosOf(comparison, policy, shards)[index] as number),
  }));
  const free = costs.filter(({ cost }) => cost <= SHARDS_COST).at(-1);
  const dear = costs.find(({ cost }) => cost > SHARDS_COST);
  const reasons = [
    ...(free === undefined ? [] : [`${free.shards} shards cost no hits here.`]),
    ...(dear === undefined ? [] : [`${dear.shards} shards would cost ${points(dear.cost)}.`]),
  ];
  return { shards: free?.shards ?? first, reasons };
}
