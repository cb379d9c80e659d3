/**
 * Measures contenders in turns. Every round measures each of them once, for a short slice, and starts with another one;
 * the first round only warms up. So what disturbs the machine for seconds disturbs all of them, and the median over the
 * rounds forgets what disturbed one.
 */
import { type Figure, figure } from './figure.ts';

export interface Pace {
  readonly rounds: number;
  /** How long one contender is measured at a time. */
  readonly sliceMs: number;
}

/** Full runs give every contender about a second, in slices short enough to fit between two disturbances. */
const FULL: Pace = { rounds: 7, sliceMs: 200 };
const QUICK: Pace = { rounds: 3, sliceMs: 60 };

export function paceOf({ quick }: { readonly quick: boolean }): Pace {
  return quick ? QUICK : FULL;
}

/** `measure` runs a contender for a slice and returns the nanoseconds of one operation. */
export async function measureInRounds<Contender extends { readonly name: string }>(
  contenders: readonly Contender[],
  rounds: number,
  measure: (contender: Contender) => Promise<number>,
): Promise<Figure[]> {
  const figures = contenders.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (turn + round) % contenders.length;
      const ns = await measure(contenders[index] as Contender);
      if (round > 0) {
        (figures[index] as number[]).push(ns);
      }
    }
  }
  return contenders.map(({ name }, i) => figure(name, 'ns an operation', figures[i] as number[]));
}
