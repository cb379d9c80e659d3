/** One thing that was measured, several times: of a contender, or of a contender under one condition. */
export interface Figure {
  readonly name: string;
  readonly unit: Unit;
  /** Median over the rounds. */
  readonly median: number;
  /** One figure a round, in the order of the rounds. */
  readonly rounds: readonly number[];
}

/** Less is better, in all of them. */
export type Unit = 'ns an operation' | 'ns' | 'bytes an entry' | 'times as long' | 'misses a request';

export function figure(name: string, unit: Unit, rounds: readonly number[]): Figure {
  return { name, unit, median: median(rounds), rounds };
}

/** The figure of a name. Throws where a bench asks for one that it did not measure. */
export function pick(figures: readonly Figure[], name: string): Figure {
  const found = figures.find((each) => each.name === name);
  if (found === undefined) {
    throw new Error(`No figure is named \`${name}\`. Known: ${figures.map((each) => each.name).join(', ')}`);
  }
  return found;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
