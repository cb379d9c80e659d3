/**
 * npm run long -- memo-processes [--rounds 250] [--seed n]
 *
 * Do four processes that share a memo file compute each key once, and all get the same results; with a race, is anything lost
 * or torn; and what if one is killed, or the file is compacted meanwhile?
 */
import { parseArgs } from 'node:util';
import { runMemoRounds } from '../support/memo-processes.ts';
import { Random, SEED } from '../support/random.ts';

export async function memoProcesses(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: 'string', default: '250' }, seed: { type: 'string', default: `${SEED}` } },
  });
  console.log(`${values.rounds} rounds, seed ${values.seed}`);
  const report = await runMemoRounds(Number(values.rounds), new Random(Number(values.seed)), (done) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${done} of ${values.rounds}`);
  });
  console.log(`\rrounds:       ${report.rounds}, ${report.kills} kills, ${report.computed} keys computed`);
  console.log(`faults:       ${report.faults.length}`);
  for (const fault of report.faults.slice(0, 20)) console.error(fault);
  return report.faults.length === 0;
}
