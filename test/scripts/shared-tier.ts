/**
 * npm run long -- shared-tier [--cluster] [--ops 1000000] [--kills 5] [--away 1000] [--seed n]
 *
 * Does any of three processes that share one tier on a Redis read what another had overwritten more than 100 ms before; and
 * does anything but memory's hits and errors with codes come of it while the server, or a node of the Cluster, is
 * dead?
 */
import { parseArgs } from 'node:util';
import { SEED } from '../support/random.ts';
import { runSharedTier } from '../support/shared-tier.ts';

/** How old what is read may be, on a machine that is not busy with anything else. */
const STALE_MS = 100;

export async function sharedTier(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      cluster: { type: 'boolean', default: false },
      ops: { type: 'string', default: '1000000' },
      kills: { type: 'string', default: '5' },
      away: { type: 'string', default: '1000' },
      seed: { type: 'string', default: `${SEED}` },
    },
  });
  console.log(`${values.ops} operations, ${values.cluster ? 'a Cluster of three' : 'one server'}, seed ${values.seed}`);
  const report = await runSharedTier({
    cluster: values.cluster,
    operations: Number(values.ops),
    staleMs: STALE_MS,
    kills: Number(values.kills),
    awayMs: Number(values.away),
    seed: Number(values.seed),
  });
  if (report === undefined) {
    console.error('redis-server is not installed. Next: install it, or put it in the PATH');
    return false;
  }
  const { operations, seconds, judged, oldestMs, errors, servedAway, afterwards, staleCount } = report;
  console.log(`operations:       ${operations} in ${seconds.toFixed(1)} s, ${judged} reads judged`);
  console.log(`oldest read:      ${oldestMs.toFixed(1)} ms after it was overwritten`);
  console.log(`latest timer:     ${report.lateMs.toFixed(1)} ms`);
  console.log(`served while away: ${servedAway} reads from memory; ${afterwards} operations afterwards`);
  for (const [code, count] of Object.entries(errors)) console.log(`errors:           ${count} ${code}`);
  for (const example of report.examples) console.log(`  ${example}`);
  for (const tier of report.tiers) console.log(`tier:             ${JSON.stringify(tier)}`);
  console.log(`faults:           ${staleCount} reads older than ${STALE_MS} ms`);
  for (const fault of report.stale.slice(0, 20)) console.error(fault);
  const untyped = Object.keys(errors).filter((code) => !code.startsWith('CacheError: '));
  return staleCount === 0 && untyped.length === 0 && afterwards > 0;
}
