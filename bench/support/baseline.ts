/**
 * Two runs side by side: which figures have moved by more than noise?
 *
 * A figure is the median of its rounds, and its noise is how far those spread: half of what lies between the least and the
 * most of them, over the median, when the outermost of five or more are left out on either side, since one round that
 * somebody else disturbed says nothing. Two figures differ when they are further apart than the noise of both. The rounds
 * of one run share a process, though: the next one compiles and lays out its memory anew, and NOISE_MIN is what two runs
 * of the same build differ by without any round telling: of 25 quick figures of `micro` 7 lay 6 to 13 % apart.
 *
 * A ratio is one of two contenders in the same rounds. On another machine, or beside a busy neighbour, every time is another
 * and ratios stay; so what they say comes first.
 */
import { readFileSync } from 'node:fs';
import type { Report } from './bench.ts';
import { median, type Unit } from './figure.ts';
import type { Machine } from './machine.ts';
import { type Column, formatAmount, renderTable } from './table.ts';

/** Rounds from which on the outermost are left out. */
const TRIMMED_FROM = 5;
/** Of each of the runs: together a tenth. */
const NOISE_MIN = 0.05;

/** What `npm run bench -- --json` prints. */
export interface Run {
  readonly machine: Machine;
  readonly quick: boolean;
  readonly benches: Readonly<Record<string, Report>>;
}

export type Change = 'slower' | 'faster' | 'larger' | 'smaller' | 'as before';

/** A figure, or a ratio, that both runs have. */
export interface Difference {
  readonly bench: string;
  readonly what: string;
  readonly unit: Unit;
  readonly before: number;
  readonly after: number;
  /** After over before. */
  readonly ratio: number;
  /** As shares of the median. */
  readonly noiseBefore: number;
  readonly noiseAfter: number;
  readonly change: Change;
}

export interface RunComparison {
  /** What else is not the same, as sentences: machine, Node, sizes, settings. */
  readonly conditions: readonly string[];
  readonly figures: readonly Difference[];
  /** Between contenders of one run, then and now. */
  readonly ratios: readonly Difference[];
  /** What only one of the runs has measured. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
}

/** Reads a run that was saved. Throws with a sentence when the file cannot be read, or holds none. */
export function readBaseline(file: string): Run {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Error(`Expected --baseline to be a file that can be read: ${(cause as Error).message}`, { cause });
  }
  let run: unknown;
  try {
    // npm says what it runs before that says anything itself, unless it is told to be --silent.
    run = JSON.parse(text.slice(Math.max(0, text.search(/^\{/m))));
  } catch (cause) {
    throw new Error(`Expected --baseline to be a run that --json has printed, and ${file} is no JSON`, { cause });
  }
  if (!isRun(run)) {
    throw new Error(`Expected --baseline to be a run that --json has printed, and ${file} holds other JSON`);
  }
  return run;
}

export function compareRuns(before: Run, after: Run): RunComparison {
  const [figures, figuresNow] = [amountsOf(before, figuresOf), amountsOf(after, figuresOf)];
  const [ratios, ratiosNow] = [amountsOf(before, ratiosOf), amountsOf(after, ratiosOf)];
  return {
    conditions: conditionsOf(before, after),
    figures: differences(figures, figuresNow),
    ratios: differences(ratios, ratiosNow),
    onlyBefore: [...missing(figures, figuresNow), ...missing(ratios, ratiosNow)],
    onlyAfter: [...missing(figuresNow, figures), ...missing(ratiosNow, ratios)],
  };
}

export function renderComparison({ conditions, figures, ratios, onlyBefore, onlyAfter }: RunComparison): string {
  const sections = [
    ['== Beside the baseline', ...conditions].join('\n'),
    ratios.length === 0 ? '' : renderTable(RATIO_COLUMNS, ratios),
    figures.length === 0 ? '' : renderTable(FIGURE_COLUMNS, figures),
    [
      verdictOn('ratios', ratios),
      verdictOn('figures', figures),
      ...(onlyBefore.length === 0 ? [] : [`Only in the baseline: ${onlyBefore.join('; ')}`]),
      ...(onlyAfter.length === 0 ? [] : [`Not in the baseline: ${onlyAfter.join('; ')}`]),
    ].join('\n'),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

/** How far rounds spread, as a share of their median: 0 where all are the same, be they zero, NaN of none. */
export function noiseOf(rounds: readonly number[]): number {
  const sorted = [...rounds].sort((a, b) => a - b);
  const left = sorted.length >= TRIMMED_FROM ? 1 : 0;
  const least = sorted[left] ?? Number.NaN;
  const most = sorted[sorted.length - 1 - left] ?? Number.NaN;
  return most === least ? 0 : (most - least) / 2 / median(sorted);
}

/** What can be compared: a figure or a ratio, with its rounds where they were saved. */
interface Amount {
  readonly bench: string;
  readonly what: string;
  readonly unit: Unit;
  readonly median: number;
  readonly rounds: readonly number[] | undefined;
}

type AmountsOf = (report: Report) => readonly Omit<Amount, 'bench'>[];

const figuresOf: AmountsOf = ({ figures }) => figures.map((each) => ({ ...each, what: each.name }));

const ratiosOf: AmountsOf = ({ ratios }) =>
  ratios.map(({ what, against, unit, ratio, rounds }) => ({
    what: `${what}, against ${against}`,
    unit,
    median: ratio,
    rounds,
  }));

/** By bench and name: no bench gives two the same. */
function amountsOf({ benches }: Run, select: AmountsOf): Map<string, Amount> {
  const all = Object.entries(benches).flatMap(([bench, report]) => select(report).map((each) => ({ ...each, bench })));
  return new Map(all.map((each) => [`${each.bench}: ${each.what}`, each]));
}

function differences(before: ReadonlyMap<string, Amount>, after: ReadonlyMap<string, Amount>): Difference[] {
  return Array.from(after).flatMap(([name, now]) => {
    const past = before.get(name);
    return past === undefined || past.unit !== now.unit ? [] : [differenceOf(past, now)];
  });
}

function differenceOf(before: Amount, after: Amount): Difference {
  const { bench, what, unit } = after;
  // Earlier versions saved no rounds of ratios: those are taken to have been as noisy as now.
  const noiseBefore = noiseOf(before.rounds ?? after.rounds ?? []);
  const noiseAfter = noiseOf(after.rounds ?? []);
  const ratio = after.median / before.median;
  const change = changeOf(ratio, (1 + Math.max(NOISE_MIN, noiseBefore)) * (1 + Math.max(NOISE_MIN, noiseAfter)), unit);
  return { bench, what, unit, before: before.median, after: after.median, ratio, noiseBefore, noiseAfter, change };
}

/** Within a factor of `margin` nothing has changed. Less is better, in all units. */
function changeOf(ratio: number, margin: number, unit: Unit): Change {
  const isTime = unit === 'ns' || unit === 'ns an operation';
  if (ratio > margin) {
    return isTime ? 'slower' : 'larger';
  }
  if (ratio < 1 / margin) {
    return isTime ? 'faster' : 'smaller';
  }
  return 'as before';
}

function missing(all: ReadonlyMap<string, Amount>, others: ReadonlyMap<string, Amount>): string[] {
  return Array.from(all)
    .filter(([name, { unit }]) => others.get(name)?.unit !== unit)
    .map(([name]) => name);
}

function conditionsOf(before: Run, after: Run): string[] {
  const machine = (Object.keys(after.machine) as (keyof Machine)[])
    .filter((fact) => fact !== 'loadBefore')
    .map((fact) => unlike(`machine, ${fact}`, before.machine[fact], after.machine[fact]));
  const settings = Object.entries(after.benches).flatMap(([bench, { setup }]) => {
    const past = before.benches[bench]?.setup;
    const names = past === undefined ? [] : Object.keys({ ...past, ...setup });
    return names.map((name) => unlike(`${bench}, ${name}`, past?.[name], setup[name]));
  });
  const size = (quick: boolean) => (quick ? 'quick' : 'full');
  return [...machine, unlike('run', size(before.quick), size(after.quick)), ...settings].filter((each) => each !== '');
}

/** Empty where it is the same. */
function unlike(what: string, before: unknown, after: unknown): string {
  return before === after ? '' : `Not the same: ${what}: ${before ?? 'none'} then, ${after ?? 'none'} now.`;
}

function verdictOn(kind: string, differences: readonly Difference[]): string {
  const named = (...changes: Change[]) => differences.filter(({ change }) => changes.includes(change));
  const worse = named('slower', 'larger');
  const better = named('faster', 'smaller').length;
  const names = worse.map(({ bench, what, change }) => `\n  ${change}: ${bench}: ${what}`).join('');
  return `${kind}: ${worse.length} of ${differences.length} got slower or larger by more than noise, ${better} faster or smaller${names}`;
}

const FIGURE_COLUMNS = columns('measured', (amount, unit) => formatAmount(amount, unit));
const RATIO_COLUMNS = columns('ratio of', (amount) => formatAmount(amount, 'times as long'));

function columns(title: string, format: (amount: number, unit: Unit) => string): readonly Column<Difference>[] {
  return [
    { title: 'bench', cell: ({ bench }) => bench },
    { title, cell: ({ what }) => what },
    { title: 'then', cell: ({ before, unit }) => format(before, unit), align: 'right' },
    { title: 'now', cell: ({ after, unit }) => format(after, unit), align: 'right' },
    { title: 'now / then', cell: ({ ratio }) => ratio.toFixed(2), align: 'right' },
    { title: 'noise then', cell: ({ noiseBefore }) => percent(noiseBefore), align: 'right' },
    { title: 'noise now', cell: ({ noiseAfter }) => percent(noiseAfter), align: 'right' },
    { title: '', cell: ({ change }) => (change === 'as before' ? '' : change) },
  ];
}

function percent(share: number): string {
  return Number.isNaN(share) ? '?' : `${(share * 100).toFixed(0)} %`;
}

function isRun(value: unknown): value is Run {
  if (!isObject(value) || !isObject(value['machine']) || !isObject(value['benches'])) {
    return false;
  }
  return Object.values(value['benches']).every(isReport);
}

function isReport(report: unknown): boolean {
  return (
    isObject(report) &&
    isObject(report['setup']) &&
    isListOf(report['figures'], ({ name, unit, median, rounds }) => isNamed(name, unit, median) && isNumbers(rounds)) &&
    isListOf(report['ratios'], ({ what, unit, ratio }) => isNamed(what, unit, ratio))
  );
}

function isNamed(name: unknown, unit: unknown, amount: unknown): boolean {
  return typeof name === 'string' && typeof unit === 'string' && typeof amount === 'number';
}

function isNumbers(list: unknown): boolean {
  return Array.isArray(list) && list.every((each) => typeof each === 'number');
}

function isListOf(list: unknown, holds: (item: Record<string, unknown>) => boolean): boolean {
  return Array.isArray(list) && list.every((item) => isObject(item) && holds(item));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
