/**
 * npm run long -- snapshot-kills [--kills 1000] [--seed n]
 *
 * When processes are killed at random moments while they save: is what the next one loads ever torn, or older than what was
 * acknowledged, and is anything left behind?
 */
import { parseArgs } from 'node:util';
import { Random, SEED } from '../support/random.ts';
import { runSnapshotKills } from '../support/snapshot-kills.ts';

export async function snapshotKills(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: { kills: { type: 'string', default: '1000' }, seed: { type: 'string', default: `${SEED}` } },
  });
  console.log(`${values.kills} kills, seed ${values.seed}`);
  const report = await runSnapshotKills(Number(values.kills), new Random(Number(values.seed)), (done) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${done} of ${values.kills}`);
  });
  const { deaths, acknowledged, unacknowledged, faults } = report;
  console.log(`\rkills:        ${deaths}, ${acknowledged} saves acknowledged, ${unacknowledged} whole that were not`);
  console.log(`faults:       ${faults.length}`);
  for (const fault of faults.slice(0, 20)) console.error(fault);
  return faults.length === 0;
}
