/**
 * The size from which on more memory is a bad bargain for a policy: the knee of its curve.
 *
 * It is looked for from above, because a curve may lie flat below a step: a loop is missed altogether until it fits. Above is
 * the largest size, or the first that holds everything there is: beyond that there is nothing to gain, so it is not looked at,
 * and what it has too much counts for no doubling.
 */
import { type Cell, type ComparedPolicy, type Comparison, cellsOf, ratiosOf } from './comparison.ts';
import { capacity, count, isNothing, points, share } from './figures.ts';

/** A point of hit ratio for twice the memory is a bad bargain. */
const DOUBLING_GAIN = 0.01;
/** Sizes that are farther apart, or closer, are not spoken of as doublings: what one would gain is not known. */
const DOUBLINGS_MIN = 0.5;
const DOUBLINGS_MAX = 2;

export interface Knee {
  /** Among the sizes of the comparison. */
  readonly index: number;
  /** Sentences. */
  readonly reasons: readonly string[];
}

export function kneeOf(comparison: Comparison, policy: ComparedPolicy): Knee {
  const { sizes, ceiling } = comparison;
  const cells = cellsOf(comparison, policy);
  const full = cells.findIndex((cell) => holdsAll(cell) || cell.hitRatio >= ceiling);
  const end = full === -1 ? sizes.length - 1 : full;
  const ratios = ratiosOf(comparison, policy);
  let index = end;
  while (index > 0 && gainOf(comparison, ratios, index) < DOUBLING_GAIN) {
    index--;
  }
  if (index < end) {
    return { index, reasons: [beyond(comparison, ratios, index, end)] };
  }
  return {
    index,
    reasons: full === -1 ? largest(comparison, ratios) : [everything(comparison, cells[full] as Cell)],
  };
}

/** Nothing ever had to leave, or to stay out. */
function holdsAll({ evictions, refused, tooLarge }: Cell): boolean {
  return evictions === 0 && refused === 0 && tooLarge === 0;
}

/** What a doubling gained on the way from the size before to this one. */
function gainOf(comparison: Comparison, ratios: readonly number[], index: number): number {
  const { sizes, unit, keys, footprintBytes } = comparison;
  const [from, to] = [sizes[index - 1] as number, sizes[index] as number];
  const all = Math.max(from * 2, unit === 'entries' ? keys : footprintBytes);
  return differenceAt(ratios, index) / Math.log2(Math.min(to, all) / from);
}

function differenceAt(ratios: readonly number[], index: number): number {
  return (ratios[index] as number) - (ratios[index - 1] as number);
}

function isDoubling({ sizes }: Comparison, index: number): boolean {
  const doublings = Math.log2((sizes[index] as number) / (sizes[index - 1] as number));
  return doublings >= DOUBLINGS_MIN && doublings <= DOUBLINGS_MAX;
}

function beyond(comparison: Comparison, ratios: readonly number[], index: number, end: number): string {
  const { sizes, unit } = comparison;
  const steps = sizes.map((_, i) => i).slice(index + 1, end + 1);
  if (steps.every((step) => isDoubling(comparison, step))) {
    return `Beyond ${capacity(sizes[index] as number, unit)} no doubling gains ${points(DOUBLING_GAIN)}.`;
  }
  const [best = end] = steps.toSorted((one, other) => (ratios[other] as number) - (ratios[one] as number));
  const gain = (ratios[best] as number) - (ratios[index] as number);
  return gain < 0 || isNothing(gain)
    ? 'No larger size here gains anything.'
    : `${capacity(sizes[best] as number, unit)} would gain ${points(gain)} more.`;
}

function everything({ unit, keys, footprintBytes }: Comparison, cell: Cell): string {
  const size = capacity(cell.size, unit);
  if (!holdsAll(cell)) {
    return `At ${size} everything that could hit does.`;
  }
  const all = unit === 'entries' ? `${count(keys)} ${keys === 1 ? 'key' : 'keys'}` : capacity(footprintBytes, unit);
  return `A cache of ${size} holds everything there is: ${all}.`;
}

/** Of the largest size, which does not hold everything. */
function largest(comparison: Comparison, ratios: readonly number[]): string[] {
  const { sizes, unit, ceiling } = comparison;
  const last = sizes.length - 1;
  if (last === 0) {
    return [];
  }
  const difference = differenceAt(ratios, last);
  const gain = isDoubling(comparison, last)
    ? `, and the last doubling still gained ${points(gainOf(comparison, ratios, last))}`
    : isNothing(difference)
      ? ''
      : `, ${points(difference)} above ${capacity(sizes[last - 1] as number, unit)}`;
  const isFar = ceiling - (ratios[last] as number) > DOUBLING_GAIN;
  return [
    `${capacity(sizes[last] as number, unit)} is the largest size here${gain}.`,
    ...(isFar ? [`A cache of everything would hit ${share(ceiling)}.`] : []),
  ];
}
