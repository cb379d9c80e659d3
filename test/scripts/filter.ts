/**
 * npm run long -- filter [--operations 10000000] [--slots 100000] [--seed n]
 *
 * Does a membership filter ever rule out a key that is there, and does it keep its rate, through churn of twenty times
 * what the cache holds?
 */
import { parseArgs } from 'node:util';
import type { FilterName } from '../../src/protocol/filter.ts';
import { filters } from '../../src/worker/filter/index.ts';
import { FilterModel, runOperations } from '../support/filter-model.ts';
import { Random, SEED } from '../support/random.ts';

const RATES = [0.1, 0.01, 0.001];
const CHURN = 20;
const SAMPLES = 200;
const PROBES = 200_000;
/** What a sample may exceed the rate by. */
const EXCESS_MAX = 2;

export async function filter(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      operations: { type: 'string', default: '10000000' },
      slots: { type: 'string', default: '100000' },
      seed: { type: 'string', default: `${SEED}` },
    },
  });
  const [operations, slots, seed] = [Number(values.operations), Number(values.slots), Number(values.seed)];
  let isWell = true;
  for (const name of Object.keys(filters) as FilterName[]) {
    console.log(`${name}: ${operations} operations, churn in ${slots} slots, seed ${seed}`);
    isWell = losesNothing(name, operations, slots, seed) && isWell;
    for (const rate of RATES) {
      isWell = keepsRate(name, slots, rate, seed) && isWell;
    }
  }
  return isWell;
}

/** The same number of operations in a tiny, a small and a large cache. */
function losesNothing(name: FilterName, operations: number, slotsMost: number, seed: number): boolean {
  let lost = 0;
  for (const slots of [50, 5_000, slotsMost]) {
    const random = new Random(seed + slots);
    const target = new FilterModel(name, slots, 0.01, random);
    lost += runOperations(target, random, Math.ceil(operations / 3));
    console.log(`  ${slots} slots: ${target.filter.counts().rebuilds} rebuilds, ${lost} live keys ruled out`);
  }
  return lost === 0;
}

function keepsRate(name: FilterName, slots: number, rate: number, seed: number): boolean {
  const target = new FilterModel(name, slots, rate, new Random(seed));
  const adds = CHURN * slots;
  let [worst, sum, samples] = [0, 0, 0];
  for (let i = 1; i <= adds; i++) {
    target.churn();
    if (i % Math.ceil(adds / SAMPLES) === 0) {
      const passed = target.falsePositives(PROBES);
      worst = Math.max(worst, passed);
      sum += passed;
      samples++;
    }
  }
  const { bits, capacity, rebuilds } = target.filter.counts();
  const lost = target.lost();
  const isKept = worst <= EXCESS_MAX * rate && lost === 0;
  console.log(
    `  rate ${rate}: ${percent(worst)} at worst, ${percent(sum / samples)} on average; ${(bits / capacity).toFixed(2)} ` +
      `bits for each of ${capacity} keys; ${rebuilds} rebuilds, ${(target.asked / adds).toFixed(2)} slots scanned an add; ` +
      `${lost} lost: ${isKept ? 'kept' : 'NOT KEPT'}`,
  );
  return isKept;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)} %`;
}
