/**
 * Ratios: our figure over a contender's, with the ratio to reach and the one to reach after that.
 *
 * The ratio is the median of the rounds' ratios, not the ratio of the medians: both sides of a round met the same
 * machine. Goals are ratios as well. Of times 2 is "at most 2x its time", 1 is "no slower", 1/3 is "3x faster".
 */
import { type Figure, median, type Unit } from './figure.ts';
import { type Column, formatAmount, renderTable } from './table.ts';

export interface Goals {
  readonly reach?: number;
  /** Where it must land in the end. */
  readonly andThen?: number;
}

export type Verdict = 'reach and then' | 'reach' | 'then' | 'not reached' | 'no goal';

export interface Ratio extends Goals {
  readonly what: string;
  readonly against: string;
  readonly unit: Unit;
  readonly ours: number;
  readonly theirs: number;
  /** Ours over theirs: the median of the rounds' ratios. */
  readonly ratio: number;
  readonly rounds: readonly number[];
  readonly verdict: Verdict;
}

export interface Comparison extends Goals {
  readonly what: string;
  /** Defaults to the name of the figure that it is compared with. */
  readonly against?: string;
}

export function compare(ours: Figure, theirs: Figure, { what, against, reach, andThen }: Comparison): Ratio {
  const rounds = ours.rounds.map((each, round) => each / (theirs.rounds[round] ?? Number.NaN));
  const ratio = median(rounds);
  return {
    what,
    against: against ?? theirs.name,
    unit: ours.unit,
    ours: ours.median,
    theirs: theirs.median,
    ratio,
    rounds,
    ...(reach === undefined ? {} : { reach }),
    ...(andThen === undefined ? {} : { andThen }),
    verdict: verdictOf(ratio, reach, andThen),
  };
}

export function hasGoal({ verdict }: Ratio): boolean {
  return verdict !== 'no goal';
}

export function renderRatios(ratios: readonly Ratio[]): string {
  return renderTable(COLUMNS, ratios);
}

/** How a ratio of each unit is said: below 1, above 1, and when that is what must not be. */
const WORDS = {
  'ns an operation': { less: 'faster', more: 'its time', notMore: 'no slower' },
  ns: { less: 'less', more: 'as much', notMore: 'no more' },
  'bytes an entry': { less: 'less', more: 'as much', notMore: 'no more' },
  'times as long': { less: 'less', more: 'as much', notMore: 'no more' },
  'misses a request': { less: 'fewer', more: 'as many', notMore: 'no more' },
} satisfies Record<Unit, { less: string; more: string; notMore: string }>;

const COLUMNS: readonly Column<Ratio>[] = [
  { title: 'what', cell: ({ what }) => what },
  { title: 'against', cell: ({ against }) => against },
  { title: 'ours', cell: ({ ours, unit }) => formatAmount(ours, unit), align: 'right' },
  { title: 'theirs', cell: ({ theirs, unit }) => formatAmount(theirs, unit), align: 'right' },
  { title: 'ratio', cell: ratioText },
  { title: 'reach', cell: ({ reach, unit }) => goalText(reach, unit) },
  { title: 'then', cell: ({ andThen, unit }) => goalText(andThen, unit) },
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

function ratioText({ ratio, unit }: Ratio): string {
  return ratio < 1 ? `${times(1 / ratio)} ${WORDS[unit].less}` : `${times(ratio)} ${WORDS[unit].more}`;
}

function goalText(goal: number | undefined, unit: Unit): string {
  if (goal === undefined) {
    return '';
  }
  const { less, more, notMore } = WORDS[unit];
  if (goal === 1) {
    return notMore;
  }
  return goal > 1 ? `at most ${Number(goal.toPrecision(3))}x ${more}` : `${Number((1 / goal).toPrecision(3))}x ${less}`;
}

function times(ratio: number): string {
  return `${ratio.toFixed(2)}x`;
}
