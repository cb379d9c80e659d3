/**
 * npm run long -- golden [--trace name] [--policy name]
 *
 * Do our policies at one shard hit as often as two independent simulators, in every cell of golden.csv?
 */
import { parseArgs } from 'node:util';
import { differenceMax, GOLDEN_NAMES, replayCell } from '../support/golden.ts';
import { goldenCells, hasTraces, keysOf, NO_TRACES } from '../support/traces.ts';

export async function golden(args: string[]): Promise<boolean> {
  const { values } = parseArgs({ args, options: { trace: { type: 'string' }, policy: { type: 'string' } } });
  if (!hasTraces()) {
    console.error(NO_TRACES);
    return false;
  }
  const chosen = Object.keys(GOLDEN_NAMES).filter((name) => name === (values.policy ?? name));
  const cells = goldenCells(chosen).filter(({ trace }) => trace === (values.trace ?? trace));
  let wrong = 0;
  console.log(row('policy', 'trace', 'entries', 'ours', 'reference', 'difference'));
  for (const trace of new Set(cells.map((cell) => cell.trace))) {
    const keys = keysOf(trace);
    for (const cell of cells.filter((candidate) => candidate.trace === trace)) {
      const ours = replayCell(cell, keys);
      const difference = ours - cell.hitRatio;
      wrong += Math.abs(difference) > differenceMax(cell, keys.length) ? 1 : 0;
      console.log(
        row(
          cell.policy,
          trace,
          `${cell.entries}`,
          ours.toFixed(6),
          cell.hitRatio.toFixed(6),
          difference.toExponential(1),
        ),
      );
    }
  }
  console.log(`${cells.length} cells, ${wrong} differ by more than they may`);
  return cells.length > 0 && wrong === 0;
}

function row(policy: string, trace: string, ...numbers: string[]): string {
  return `${policy.padEnd(6)} ${trace.padEnd(14)} ${numbers.map((number) => number.padStart(11)).join(' ')}`;
}
