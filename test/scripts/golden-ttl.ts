/**
 * npm run long -- golden-ttl
 *
 * With entries that expire, do we hit as often as a simulator that removes each at its deadline? Once with a sweep before
 * each request and once without any, where expired entries leave when room is needed: by golden_ttl.csv.
 */
import { replayTtlCell, TTL_DIFFERENCE_MAX, TTL_EXPIRIES } from '../support/golden-ttl.ts';
import { goldenTtlCells, hasTraces, NO_TRACES, requestsOf } from '../support/traces.ts';

export async function goldenTtl(): Promise<boolean> {
  if (!hasTraces()) {
    console.error(NO_TRACES);
    return false;
  }
  const cells = goldenTtlCells().filter(({ expiry }) => TTL_EXPIRIES.includes(expiry));
  let figures = 0;
  let wrong = 0;
  console.log(row('trace', 'policy', 'entries', 'expiry', 'swept', 'ours', 'reference', 'difference'));
  for (const trace of new Set(cells.map((cell) => cell.trace))) {
    const requests = requestsOf(trace);
    for (const cell of cells.filter((candidate) => candidate.trace === trace)) {
      for (const sweeps of cell.expiry === 'none' ? [false] : [true, false]) {
        const ours = replayTtlCell(cell, requests, sweeps);
        const difference = ours - cell.hitRatio;
        figures++;
        wrong += Math.abs(difference) > TTL_DIFFERENCE_MAX ? 1 : 0;
        const compared = [ours.toFixed(6), cell.hitRatio.toFixed(6), difference.toExponential(1)];
        console.log(row(trace, cell.policy, `${cell.entries}`, cell.expiry, sweeps ? 'yes' : 'no', ...compared));
      }
    }
  }
  console.log(`${figures} figures, ${wrong} differ by more than ${TTL_DIFFERENCE_MAX}`);
  return figures > 0 && wrong === 0;
}

function row(trace: string, policy: string, ...rest: string[]): string {
  return `${trace.padEnd(14)} ${policy.padEnd(9)} ${rest.map((each) => each.padStart(16)).join(' ')}`;
}
