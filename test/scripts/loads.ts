/**
 * npm run long -- loads
 *
 * How does each policy do on loads of one kind each, which no constant was chosen by? Hit ratios in %, `*` the best.
 */
import type { PolicyFactory } from '../../src/protocol/policy.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { LOAD_ENTRIES, LOADS } from '../support/loads.ts';
import { hitRatioOf, optimum, simulated } from '../support/simulated.ts';

export async function loads(): Promise<boolean> {
  const { none: _, ...others } = policies;
  const names = Object.keys(others) as (keyof typeof others)[];
  console.log([''.padEnd(28), ...names, 'belady'].map((name) => name.padStart(10)).join(''));
  for (const [name, make] of Object.entries(LOADS)) {
    const load = make();
    const capacity = { entriesMax: LOAD_ENTRIES };
    const ratios = names.map((policy) => hitRatioOf(simulated(others[policy] as PolicyFactory, load, capacity)));
    const best = Math.max(...ratios);
    const cells = ratios.map((ratio) => `${(100 * ratio).toFixed(2)}${ratio === best ? '*' : ' '}`);
    const ceiling = `${(100 * hitRatioOf(optimum(load, capacity))).toFixed(2)} `;
    console.log(name.padEnd(28) + [...cells, ceiling].map((cell) => cell.padStart(10)).join(''));
  }
  return true;
}
