/**
 * One recommendation from a comparison, and its reason: which policy, which size, how many shards.
 *
 * The policies that hit most often on average over all sizes, within NEAR of the best, have a chance: the default first,
 * since it needs no tuning and its hits cost a byte, unless another of them is more than NEAR better at the size. Without a
 * target the size is the knee of the policy's curve. With one it comes first: the smallest at which any policy that has a
 * chance reaches the target, else any policy at all; then a policy among those that reach it there. The number of shards is
 * the greatest that costs no more than SHARDS_COST, and never the target. Sentences are about what was chosen in the end.
 */
import { defaultPolicy } from '../simulation.ts';
import { type ComparedPolicy, type Comparison, ratiosOf } from './comparison.ts';
import { capacity, given, points, share } from './figures.ts';
import { kneeOf } from './knee.ts';
import { type Choice, whyPolicy } from './policy-reasons.ts';
import { bestAt, isReached, NEAR, type Ranked, rankingOf, ratioAt, reaches } from './ranking.ts';

/** A tenth of a point. */
const SHARDS_COST = 0.001;

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
  const ranking = rankingOf(comparison);
  const [best] = ranking as [Ranked];
  const near = ranking.filter(({ mean }) => best.mean - mean <= NEAR);
  const standard = near.find(({ policy }) => policy === defaultPolicy) ?? best;
  if (comparison.ceiling === 0) {
    return nothing(comparison, standard);
  }
  const choice =
    target === undefined
      ? byKnee(comparison, near, standard)
      : (byTarget(comparison, near, ranking, standard, target) ?? missed(comparison, near, standard, target));
  const { index, goal, chosen, reasons } = choice;
  const { policy } = chosen;
  const { shards, reasons: onShards } = chooseShards(comparison, policy, index, goal);
  return {
    policy,
    size: comparison.sizes[index] as number,
    shards,
    hitRatio: ratiosOf(comparison, policy, shards)[index] as number,
    reasons: [...whyPolicy(comparison, ranking, choice), ...reasons, ...onShards],
  };
}

function nothing({ sizes, shards }: Comparison, { policy }: Ranked): Advice {
  const reasons = ['Nothing can hit: every request is the first of its key.'];
  return { policy, size: sizes[0] as number, shards: shards[0] ?? 1, hitRatio: 0, reasons };
}

/** Another policy than the standard has to be better at its own size, too: there it would be used. */
function byKnee(comparison: Comparison, near: readonly Ranked[], standard: Ranked): Choice {
  const usual = kneeOf(comparison, standard.policy);
  const rival = bestAt(comparison, near, usual.index);
  const leads = (index: number) => ratioAt(comparison, rival, index) - ratioAt(comparison, standard, index) > NEAR;
  const own = kneeOf(comparison, rival.policy);
  const wins = leads(usual.index) && leads(own.index) && bestAt(comparison, near, own.index) === rival;
  return { chosen: wins ? rival : standard, goal: undefined, ...(wins ? own : usual) };
}

function byTarget(
  comparison: Comparison,
  near: readonly Ranked[],
  ranking: readonly Ranked[],
  standard: Ranked,
  target: number,
): Choice | undefined {
  const firstOf = (among: readonly Ranked[]) =>
    comparison.sizes.findIndex((_, i) => among.some(({ policy }) => reaches(comparison, policy, i, target)));
  const among = firstOf(near) === -1 ? ranking : near;
  const index = firstOf(among);
  if (index === -1) {
    return undefined;
  }
  const reaching = among.filter(({ policy }) => reaches(comparison, policy, index, target));
  const best = bestAt(comparison, reaching, index);
  const isBetter = ratioAt(comparison, best, index) - ratioAt(comparison, standard, index) > NEAR;
  const chosen = reaching.includes(standard) && !isBetter ? standard : best;
  const size = capacity(comparison.sizes[index] as number, comparison.unit);
  const least = firstOf(ranking);
  const reasons =
    least < index
      ? [
          `${size} is the smallest of these sizes at which it reaches ${given(target)}.`,
          earlier(comparison, ranking, least, target),
        ]
      : comparison.sizes.length === 1
        ? []
        : [`${size} is the smallest of these sizes that reaches ${given(target)}.`];
  return { chosen, index, goal: target, reasons };
}

/** A policy that is no good at other sizes may be the first there. */
function earlier(comparison: Comparison, ranking: readonly Ranked[], index: number, target: number): string {
  const [best] = ranking as [Ranked];
  const early = ranking.find(({ policy }) => reaches(comparison, policy, index, target)) as Ranked;
  const where = capacity(comparison.sizes[index] as number, comparison.unit);
  return `${early.policy} does with ${where}, but is ${points(best.mean - early.mean)} behind on average.`;
}

function missed(comparison: Comparison, near: readonly Ranked[], standard: Ranked, target: number): Choice {
  const why =
    comparison.ceiling < target
      ? `, and none can: ${share(1 - comparison.ceiling)} of all requests are the first of their key`
      : ', whatever the policy';
  const choice = byKnee(comparison, near, standard);
  return { ...choice, reasons: [`No size here reaches ${given(target)}${why}.`, ...choice.reasons] };
}

function chooseShards(
  comparison: Comparison,
  policy: ComparedPolicy,
  index: number,
  goal: number | undefined,
): { readonly shards: number; readonly reasons: string[] } {
  const own = ratiosOf(comparison, policy)[index] as number;
  const splits = comparison.shards.map((shards) => {
    const ratio = ratiosOf(comparison, policy, shards)[index] as number;
    return { shards, cost: own - ratio, misses: goal !== undefined && !isReached(ratio, goal) };
  });
  const at = splits.findLastIndex(({ cost, misses }) => cost <= SHARDS_COST && !misses);
  const { shards = 1, cost = 0 } = splits[at] ?? {};
  const next = splits[at + 1];
  const price = cost <= 0 ? 'no hits' : `at most ${points(SHARDS_COST)}`;
  const loss = next !== undefined && next.cost > SHARDS_COST ? `cost ${points(next.cost)}` : `miss ${given(goal ?? 0)}`;
  const reasons = [
    ...(at > 0 ? [`${shards} shards cost ${price} here.`] : []),
    ...(next === undefined ? [] : [`${next.shards} shards would ${loss}.`]),
  ];
  return { shards, reasons };
}
