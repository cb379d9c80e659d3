/**
 * Ratios: our time over a contender's, with the figure to reach and the one to reach after that.
 *
 * The ratio is the median of the rounds' ratios, not the ratio of the medians: both sides of a round met the same
 * machine. Goals are ratios of time as well: 2 is "at most 2x its time", 1 is "no slower", 1/3 is "3x faster".
 */

import { median, type Timing } from './rounds.ts';
import { type Column, formatNs, renderTable } from './table.ts';

export interface Goals {
  readonly reach?: number;
  /** Where it must land in the end. */
  readonly andThen?: number;
}

export type Verdict = 'reach and then' | 'reach' | 'then' | 'not reached' | 'no goal';

export interface Ratio extends Goals {
  readonly what: string;
  readonly against: string;
  readonly oursNs: number;
  readonly theirsNs: number;
  /** Our time over theirs. */
  readonly ratio: number;
  readonly verdict: Verdict;
}

export interface Comparison extends Goals {
  readonly what: string;
  /** Defaults to the name of the timing that it is compared with. */
  readonly against?: string;
}

export function compare(ours: Timing, theirs: Timing, { what, against, reach, andThen }: Comparison): Ratio {
  const ratio = median(ours.roundsNs.map((ns, round) => ns / (theirs.roundsNs[round] ?? Number.NaN)));
  return {
    what,
    against: against ?? theirs.name,
    oursNs: ours.nsPerOperation,
    theirsNs: theirs.nsPerOperation,
    ratio,
    ...(reach === undefined ? {} : { reach }),
    ...(andThen === undefined ? {} : { andThen }),
    verdict: verdictOf(ratio, reach, andThen),
  };
}

/** The timing of a name. Throws where a bench asks for one that it did not measure. */
export function pick(timings: readonly Timing[], name: string): Timing {
  const found = timings.find((timing) => timing.name === name);
  if (found === undefined) {
    throw new Error(`No timing is named \`${name}\`. Known: ${timings.map((timing) => timing.name).join(', ')}`);
  }
  return found;
}

export function hasGoal({ verdict }: Ratio): boolean {
  return verdict !== 'no goal';
}

export function renderRatios(ratios: readonly Ratio[]): string {
  return renderTable(COLUMNS, ratios);
}

const COLUMNS: readonly Column<Ratio>[] = [
  { title: 'what', cell: ({ what }) => what },
  { title: 'against', cell: ({ against }) => against },
  { title: 'ours', cell: ({ oursNs }) => formatNs(oursNs), align: 'right' },
  { title: 'theirs', cell: ({ theirsNs }) => formatNs(theirsNs), align: 'right' },
  { title: 'ratio', cell: ({ ratio }) => (ratio < 1 ? `${times(1 / ratio)} faster` : `${times(ratio)} its time`) },
  { title: 'reach', cell: ({ reach }) => goalText(reach) },
  { title: 'then', cell: ({ andThen }) => goalText(andThen) },
  { title: 'reached?', cell: ({ verdict }) => (verdict === 'no goal' ? '' : verdict) },
];

function verdictOf(ratio: number, reach: number | undefined, andThen: number | undefined): Verdict {
  if (reach === undefined && andThen === undefined) {
    return 'no goal';
  }
  const reaches = reach !== undefined && ratio <= reach;
  const goesOn = andThen !== undefined && ratio <= andThen;
  if (goesOn) {
    return reach === undefined ? 'then' : 'reach and then';
  }
  return reaches ? 'reach' : 'not reached';
}

function goalText(goal: number | undefined): string {
  if (goal === undefined) {
    return '';
  }
  if (goal === 1) {
    return 'no slower';
  }
  return goal > 1 ? `at most ${goal}x its time` : `${Number((1 / goal).toPrecision(3))}x faster`;
}

function times(ratio: number): string {
  return `${ratio.toFixed(2)}x`;
}
