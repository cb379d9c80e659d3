/** Figures that were asked for, as something that a figure is compared with, round by round. */
import { type Figure, figure } from './figure.ts';
import { formatCount } from './table.ts';

const NS_PER_SECOND = 1e9;
const NS_PER_MS = 1e6;

export function askedRate(perSecond: number, ours: Figure): Figure {
  return asked(`${formatCount(perSecond)} a second`, NS_PER_SECOND / perSecond, ours);
}

export function askedTime(ms: number, ours: Figure): Figure {
  return asked(`${formatCount(ms)} ms`, ms * NS_PER_MS, ours);
}

function asked(name: string, amount: number, { unit, rounds }: Figure): Figure {
  return figure(
    name,
    unit,
    rounds.map(() => amount),
  );
}
