/**
 * npm run long -- golden [--trace name] [--policy name]
 *
 * Do our policies at one shard hit as often as two independent simulators, in every cell of golden.csv? And those that have
 * no such reference: do they keep their margins to what has?
 */
import { parseArgs } from 'node:util';
import { broken, differenceMax, GOLDEN, type Golden, gapClosed, type Outcome, replayCell } from '../support/golden.ts';
import { goldenCells, hasTraces, keysOf, NO_TRACES } from '../support/traces.ts';

export async function golden(args: string[]): Promise<boolean> {
  const { values } = parseArgs({ args, options: { trace: { type: 'string' }, policy: { type: 'string' } } });
  if (!hasTraces()) {
    console.error(NO_TRACES);
    return false;
  }
  const names = Object.keys(GOLDEN).filter((name) => name === (values.policy ?? name));
  const outcomes = new Map<string, Outcome[]>(names.map((name) => [name, []]));
  let wrong = 0;
  console.log(row('policy', 'trace', 'entries', 'ours', 'reference', 'difference'));
  const lru = goldenCells(['LRU']);
  for (const trace of new Set(lru.map((cell) => cell.trace).filter((name) => name === (values.trace ?? name)))) {
    const keys = keysOf(trace);
    for (const name of names) {
      const policy = GOLDEN[name] as Golden;
      for (const cell of goldenCells([policy.reference]).filter((candidate) => candidate.trace === trace)) {
        const ours = replayCell(policy, cell.entries, keys);
        const difference = ours - cell.hitRatio;
        outcomes.get(name)?.push({ cell, ours });
        wrong += Math.abs(difference) > differenceMax(policy, cell.entries, keys.length) ? 1 : 0;
        const numbers = [ours.toFixed(6), cell.hitRatio.toFixed(6), difference.toExponential(1)];
        console.log(row(name, trace, `${cell.entries}`, ...numbers));
      }
    }
  }
  const belady = goldenCells(['Belady']);
  for (const [name, its] of outcomes) {
    const closed = (100 * gapClosed(its, lru, belady)).toFixed(1);
    console.log(`${name.padEnd(12)} closes ${closed.padStart(6)} % of the gap between LRU and Belady`);
    for (const sentence of broken(name, its, lru)) {
      console.log(sentence);
      wrong++;
    }
  }
  const cells = [...outcomes.values()].reduce((sum, its) => sum + its.length, 0);
  console.log(`${cells} cells, ${wrong} bars broken`);
  return cells > 0 && wrong === 0;
}

function row(policy: string, trace: string, ...numbers: string[]): string {
  return `${policy.padEnd(12)} ${trace.padEnd(14)} ${numbers.map((number) => number.padStart(11)).join(' ')}`;
}
