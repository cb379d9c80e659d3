/**
 * npm run long -- linearizability [--histories 10000] [--kill] [--kill-every 50] [--reads owner] [--lane wake]
 *     [--near] [--tier log|lmdb|sqlite|file|redis] [--write behind] [--seed n]
 *
 * Is there, for each of three keys that four threads work on at once, an order of all calls that explains what each of
 * them saw? With --kill the threads of shards die meanwhile. With --tier memory has room for one entry a shard, and each call waits
 * 5 ms before it reaches the engine.
 */
import { parseArgs } from 'node:util';
import { runHistories } from '../support/histories.ts';
import { SEED } from '../support/random.ts';
import { TIER_ENGINES } from '../support/tiers.ts';

const PROGRESS_EVERY = 1_000;

export async function linearizability(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      histories: { type: 'string', default: '10000' },
      kill: { type: 'boolean', default: false },
      'kill-every': { type: 'string', default: '50' },
      near: { type: 'boolean', default: false },
      reads: { type: 'string', default: 'shared' },
      lane: { type: 'string', default: 'comlink' },
      tier: { type: 'string' },
      write: { type: 'string', default: 'through' },
      seed: { type: 'string', default: `${SEED}` },
    },
  });
  const histories = Number(values.histories);
  const crashEveryMs = values.kill ? Number(values['kill-every']) : undefined;
  const reads = values.reads === 'owner' ? 'owner' : 'shared';
  const lane = values.lane === 'wake' ? 'wake' : 'comlink';
  const tier = TIER_ENGINES.find((engine) => engine === values.tier);
  if (values.tier !== undefined && tier === undefined) {
    throw new TypeError(`Expected --tier to be one of ${TIER_ENGINES.join(', ')}, got ${values.tier}`);
  }
  const write = values.write === 'behind' ? 'behind' : 'through';
  const seed = Number(values.seed);
  const kills = crashEveryMs === undefined ? 'no kills' : `a kill every ${crashEveryMs} ms`;
  const near = values.near ? 'near caches' : 'no near cache';
  const under = tier === undefined ? 'no tier' : `${tier} as tier, written ${write}`;
  console.log(`${histories} histories, reads ${reads}, lane ${lane}, ${near}, ${under}, ${kills}, seed ${seed}`);
  const beganMs = performance.now();
  const report = await runHistories({
    histories,
    seed,
    crashEveryMs,
    reads,
    nearCache: values.near,
    lane,
    tier,
    write,
    onBatch: ({ histories, violations }) => {
      if (histories % PROGRESS_EVERY === 0) {
        const seconds = ((performance.now() - beganMs) / 1_000).toFixed(0);
        console.log(`${histories} after ${seconds} s, ${violations} violations`);
      }
    },
  });
  const kinds = Object.entries(report.kinds).map(([kind, count]) => `${count.toLocaleString('en')} ${kind}`);
  console.log(`histories:  ${report.histories.toLocaleString('en')}`);
  console.log(`operations: ${report.operations.toLocaleString('en')} (${kinds.join(', ')})`);
  console.log(`kills:      ${report.crashes}`);
  console.log(`outcomes:   ${report.unknown} unknown, ${report.notSent} not sent`);
  if (tier !== undefined) console.log(`evictions:  ${report.evictions}, ${report.promotions} reads found in the tier`);
  console.log(`violations: ${report.violations}`);
  for (const story of report.stories) {
    console.error(story);
  }
  return report.violations === 0;
}
