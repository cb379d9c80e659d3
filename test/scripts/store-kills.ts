/**
 * npm run long -- store-kills [--kills 1000] [--points 2000] [--seed n]
 *
 * Is anything lost that was acknowledged, or is a store anything but whole, when the processes that write to stores are
 * killed at random moments; when a process ends at any one call of the file
 * system; and, with `sync: true`, when the machine does and the disk forgets what was not synced?
 */
import { parseArgs } from 'node:util';
import { callsOf, crashAt, MORTALS, type Mortal } from '../support/crash-points.ts';
import { losePowerOften, SYNCED } from '../support/power-loss.ts';
import { Random, SEED } from '../support/random.ts';
import { runStoreKills } from '../support/store-kills.ts';

/** Crash points of one walk before another is drawn. */
const POINTS_PER_WALK = 100;

export async function storeKills(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      kills: { type: 'string', default: '1000' },
      points: { type: 'string', default: '2000' },
      seed: { type: 'string', default: `${SEED}` },
    },
  });
  const random = new Random(Number(values.seed));
  console.log(`${values.kills} kills, ${values.points} crash points for each engine, seed ${values.seed}`);
  const faults: string[] = [];
  for (const [name, mortal] of Object.entries(MORTALS)) {
    const found = await crashEverywhere(mortal, Number(values.points), random);
    console.log(`${name.padEnd(12)} ${values.points} crash points, ${found.length} faults`);
    faults.push(...found.map((fault) => `${name}: ${fault}`));
  }
  for (const [name, mortal] of Object.entries(SYNCED)) {
    const found = await losePowerOften(mortal, Number(values.points), random);
    console.log(`${name.padEnd(12)} ${values.points} losses of power, ${found.length} faults`);
    faults.push(...found.map((fault) => `${name}: ${fault}`));
  }
  const report = await runStoreKills(Number(values.kills), random, undefined, (done) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${done} of ${values.kills}`);
  });
  faults.push(...report.faults);
  const { deaths, acknowledged, unacknowledged } = report;
  console.log(`\rkills:        ${deaths}, ${acknowledged} writes acknowledged, ${unacknowledged} there that were not`);
  console.log(`faults:       ${faults.length}`);
  for (const fault of faults.slice(0, 20)) console.error(fault);
  return faults.length === 0;
}

async function crashEverywhere(mortal: Mortal, points: number, random: Random): Promise<string[]> {
  const faults: string[] = [];
  for (let done = 0; done < points; done += POINTS_PER_WALK) {
    const seed = random.word();
    const calls = await callsOf(mortal, seed);
    for (let point = 0; point < POINTS_PER_WALK; point++) {
      faults.push(...(await crashAt(mortal, seed, random.below(calls))).faults);
    }
  }
  return faults;
}
