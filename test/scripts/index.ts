/**
 * npm run long -- NAME [options]: checks that take minutes. `npm test` runs each with a small budget.
 */
import { adopt } from './adopt.ts';
import { clients } from './clients.ts';
import { codecs } from './codecs.ts';
import { events } from './events.ts';
import { filter } from './filter.ts';
import { filterClasses } from './filter-classes.ts';
import { golden } from './golden.ts';
import { goldenShards } from './golden-shards.ts';
import { goldenTtl } from './golden-ttl.ts';
import { keys } from './keys.ts';
import { kills } from './kills.ts';
import { linearizability } from './linearizability.ts';
import { loads } from './loads.ts';
import { logDamage } from './log-damage.ts';
import { memoProcesses } from './memo-processes.ts';
import { model } from './model.ts';
import { near } from './near.ts';
import { occupancy } from './occupancy.ts';
import { sharedTier } from './shared-tier.ts';
import { snapshotFlips } from './snapshot-flips.ts';
import { snapshotKills } from './snapshot-kills.ts';
import { storeKills } from './store-kills.ts';
import { tiers } from './tiers.ts';
import { torture } from './torture.ts';
import { values } from './values.ts';

/** Each resolves to whether all is well. */
const SCRIPTS = {
  adopt,
  clients,
  codecs,
  events,
  kills,
  filter,
  'filter-classes': filterClasses,
  golden,
  'golden-shards': goldenShards,
  'golden-ttl': goldenTtl,
  keys,
  linearizability,
  loads,
  'log-damage': logDamage,
  'memo-processes': memoProcesses,
  model,
  near,
  occupancy,
  'shared-tier': sharedTier,
  'snapshot-kills': snapshotKills,
  'snapshot-flips': snapshotFlips,
  'store-kills': storeKills,
  tiers,
  torture,
  values,
} satisfies Record<string, (args: string[]) => Promise<boolean>>;

const [name = '', ...args] = process.argv.slice(2);
const script = Object.hasOwn(SCRIPTS, name) ? SCRIPTS[name as keyof typeof SCRIPTS] : undefined;
if (script === undefined) {
  console.error(`Unknown check \`${name}\`. Known: ${Object.keys(SCRIPTS).join(', ')}`);
  process.exitCode = 2;
} else if (!(await script(args))) {
  process.exitCode = 1;
}
