/**
 * Does each policy hit as often as two independent simulators say, on real traces?
 *
 * Every get of a trace, and on a miss a set of 100 bytes, at one shard. Of each policy the cell is reported in which it is
 * furthest from the reference; the six decimals of the reference are compared. Policies that draw lots, or find settings of
 * their own, have no exact reference: `npm run long -- golden` judges those.
 */
import { GOLDEN, type Golden, replayCell } from '../test/support/golden.ts';
import { goldenCells, hasTraces, keysOf, NO_TRACES } from '../test/support/traces.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, figure } from './support/figure.ts';
import { compare, type Ratio } from './support/ratio.ts';

const UNIT = 'misses a request';
const DECIMALS = 6;
/** A quick run plays one short trace. */
const QUICK_TRACES: readonly string[] = ['lirs_gli'];

export const hitRatio: Bench = {
  question: 'Does each policy hit as often as two independent simulators say, on real traces?',

  async run({ quick, progress }: RunOptions): Promise<Report> {
    if (!hasTraces()) {
      return { setup: {}, figures: [], ratios: [], notes: [`Skipped: ${NO_TRACES}.`] };
    }
    const exact = Object.entries(GOLDEN).filter(([name, { margins }]) => margins === undefined && name !== 'Random');
    const figures: Figure[] = [];
    const ratios: Ratio[] = [];
    let cells = 0;
    for (const [name, golden] of exact) {
      progress(`playing ${name}`);
      const played = playAll(golden, quick);
      cells += played.length;
      const worst = played.reduce((a, b) => (distance(b) > distance(a) ? b : a));
      const ours = figure(`${name}, ${worst.where}`, UNIT, [worst.ours]);
      const theirs = figure(`reference of ${name}, ${worst.where}`, UNIT, [worst.theirs]);
      figures.push(ours, theirs);
      const what = `hit ratio of ${name}, worst of ${played.length} cells: ${worst.where}`;
      ratios.push(compare(ours, theirs, { what, against: 'golden.csv', reach: 1 }));
    }
    return { setup: { policies: exact.length, cells }, figures, ratios, notes: [] };
  },
};

interface Played {
  readonly where: string;
  /** Misses a request. */
  readonly ours: number;
  readonly theirs: number;
}

function playAll(golden: Golden, quick: boolean): Played[] {
  const cells = goldenCells([golden.reference]).filter(({ trace }) => !quick || QUICK_TRACES.includes(trace));
  return cells.map(({ trace, entries, hitRatio }) => ({
    where: `${trace} at ${entries}`,
    ours: rounded(1 - replayCell(golden, entries, keysOf(trace))),
    theirs: rounded(1 - hitRatio),
  }));
}

function distance({ ours, theirs }: Played): number {
  return Math.abs(ours - theirs);
}

function rounded(share: number): number {
  return Number(share.toFixed(DECIMALS));
}
