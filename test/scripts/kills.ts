/**
 * npm run long -- kills [--deaths 1000] [--seed n] [--lane comlink|wake]
 *
 * Is anything lost that was acknowledged, is any value wrong, does any call never settle, and is anything left behind,
 * when the threads of shards die again and again under three clients?
 */
import { parseArgs } from 'node:util';
import { runKills } from '../support/kills.ts';
import { Random, SEED } from '../support/random.ts';

export async function kills(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      deaths: { type: 'string', default: '1000' },
      seed: { type: 'string', default: `${SEED}` },
      lane: { type: 'string', default: 'comlink' },
    },
  });
  const lane = values.lane === 'wake' ? 'wake' : 'comlink';
  const count = Number(values.deaths);
  console.log(`${count} deaths, 3 clients, 2 shards, lane ${lane}, seed ${values.seed}`);
  const onDeath = (done: number) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${done} of ${count}`);
  };
  const report = await runKills(count, new Random(Number(values.seed)), onDeath, lane);
  const { calls, acknowledged, unknown, restarts, slowestMs, left, faults } = report;
  console.log(
    `\rdeaths:   ${Object.entries(report.deaths)
      .map(([way, many]) => `${many} ${way}`)
      .join(', ')}`,
  );
  console.log(`restarts: ${restarts}`);
  console.log(
    `calls:    ${[`${calls} in all`, `${acknowledged} writes acknowledged`, `${unknown} of unknown outcome`].join(', ')}`,
  );
  console.log(`slowest:  ${slowestMs.toFixed(0)} ms, a stall of 400 ms included`);
  console.log(
    `left:     ${left.resources.join(', ') || 'no resources'}, ${(left.rssBytes / 2 ** 20).toFixed(1)} MiB of memory`,
  );
  console.log(`faults:   ${faults.length}`);
  for (const fault of faults.slice(0, 20)) {
    console.error(fault);
  }
  return faults.length === 0;
}
