/** Why an advice is for a policy, in sentences that hold at the size that was chosen in the end. */
import { defaultPolicy } from '../simulation.ts';
import { BASELINE, type Comparison, meanOf, OPTIMUM, ratiosOf } from './comparison.ts';
import { given, isNothing, points, share } from './figures.ts';
import { bestAt, NEAR, type Ranked, ratioAt, reaches } from './ranking.ts';

/** Policies closer than this to each other are told apart by chance. */
const HARDLY = 0.001;
/** More than these are counted, not named. */
const NAMED_MAX = 3;

/** What was chosen before the shards. */
export interface Choice {
  readonly chosen: Ranked;
  /** Among the sizes of the comparison. */
  readonly index: number;
  /** The target, if it is reached here. */
  readonly goal: number | undefined;
  /** Why this size. */
  readonly reasons: readonly string[];
}

export function whyPolicy(comparison: Comparison, ranking: readonly Ranked[], choice: Choice): string[] {
  const { chosen, index } = choice;
  if (ranking.length === 1) {
    return [];
  }
  const over = comparison.sizes.length > 1 ? ' on average over these sizes' : '';
  const there = bestAt(comparison, ranking, index);
  const lag = ratioAt(comparison, there, index) - ratioAt(comparison, chosen, index);
  if (isEven(comparison, ranking, choice) && lag <= NEAR) {
    return [`It hardly matters which policy: all are within ${points(HARDLY)} of each other${over}.`];
  }
  return [
    rank(comparison, ranking, choice, over),
    ...gapClosed(comparison, chosen),
    ...(lag > NEAR ? [`At this size alone ${there.policy} is ${points(lag)} better.`] : []),
  ];
}

function isEven(comparison: Comparison, ranking: readonly Ranked[], { index, goal }: Choice): boolean {
  const [best, worst] = [ranking[0] as Ranked, ranking.at(-1) as Ranked];
  const allReach = goal === undefined || ranking.every(({ policy }) => reaches(comparison, policy, index, goal));
  return best.mean - worst.mean <= HARDLY && allReach;
}

/** Where the policy stands among the others. */
function rank(comparison: Comparison, ranking: readonly Ranked[], choice: Choice, over: string): string {
  const { chosen } = choice;
  const [best] = ranking as [Ranked];
  const tied = ranking.filter(({ mean }) => isNothing(best.mean - mean));
  const others = tied.filter((each) => each !== chosen);
  if (!tied.includes(chosen)) {
    const verb = tied.length === 1 ? 'hits' : 'hit';
    return `${listed(tied)} ${verb} most often${over}, but ${chosen.policy} ${inSpite(comparison, best, choice)}.`;
  }
  if (others.length > 0) {
    const standing = chosen.policy === defaultPolicy ? `; ${defaultPolicy} is the default and needs no tuning` : '';
    return `${listed([chosen, ...others])} hit most often${over}${standing}.`;
  }
  const next = ranking.find((each) => each !== chosen) as Ranked;
  const lead = chosen.mean - next.mean;
  const told = lead <= HARDLY ? `with ${next.policy} close behind` : `${points(lead)} above ${next.policy}`;
  return `${chosen.policy} hits most often${over}, ${told}.`;
}

/** Why not the best. */
function inSpite(comparison: Comparison, best: Ranked, { chosen, index, goal }: Choice): string {
  const lag = best.mean - chosen.mean;
  const behind = `is ${lag <= NEAR ? 'only ' : ''}${points(lag)} behind`;
  if (goal !== undefined && !reaches(comparison, best.policy, index, goal)) {
    return `${behind}, and reaches ${given(goal)} at this size`;
  }
  return chosen.policy === defaultPolicy
    ? `${behind}, is the default and needs no tuning`
    : `${behind}, and better at this size`;
}

function listed(ranked: readonly Ranked[]): string {
  const names = ranked.map(({ policy }) => policy as string);
  const named = names.length > NAMED_MAX ? [...names.slice(0, 1), `${names.length - 1} others`] : names;
  return [named.slice(0, -1).join(', '), named.at(-1)].filter((each) => each !== '').join(' and ');
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
