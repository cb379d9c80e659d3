/**
 * npm run long -- adopt [--entries 100000,1000000,4000000] [--policy name] [--filter blocked-bloom|none] [--ttl] [--bytes]
 *   [--walk 20000]
 *
 * How long does an owner take to take over the entries of a dead one, under every policy? Small entries, a third of them
 * overwritten in any order, so that neither slots nor places say when an entry was written. `--ttl` gives each a deadline,
 * `--bytes` bounds the shard by bytes alone. `odd` dies in the middle of a change: all slots are asked for those of a stripe.
 *
 * And is anything ever lost? Owners die at any store of walks of so many calls, under every policy, filter and bound.
 */
import { parseArgs } from 'node:util';
import type { FilterName } from '../../src/protocol/filter.ts';
import { reserveShard, type ShardLimits, ShardMemory, STRIPES_AT } from '../../src/protocol/memory.ts';
import type { PolicyName, ShardSpec } from '../../src/protocol/spec.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { filters } from '../../src/worker/filter/index.ts';
import { mend } from '../../src/worker/mend.ts';
import { Shard } from '../../src/worker/shard.ts';
import { Forged } from '../support/forged.ts';
import { MORTAL_LIMITS, MortalWalk } from '../support/mortal-walk.ts';
import { Random, SEED } from '../support/random.ts';

const VALUE_BYTES = 32;
/** Blocks of such entries with their columns, and a tenth. */
const ENTRY_BYTES = 120;
const TTL_MS = 3_600_000;
const RUNS = 3;

export async function adopt(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      entries: { type: 'string', default: '100000,1000000,4000000' },
      policy: { type: 'string' },
      filter: { type: 'string', default: 'blocked-bloom' },
      ttl: { type: 'boolean', default: false },
      bytes: { type: 'boolean', default: false },
      walk: { type: 'string', default: '20000' },
    },
  });
  const chosen = (Object.keys(policies) as PolicyName[]).filter((name) => name === (values.policy ?? name));
  const filter = values.filter !== 'none' && { type: values.filter as FilterName, falsePositiveRate: 0.01 };
  console.log(`ms to adopt, least of ${RUNS}; filter: ${values.filter}, ttl: ${values.ttl}, seed ${SEED}`);
  let isWell = true;
  for (const entries of values.entries.split(',').map(Number)) {
    const limits = {
      bytesMax: entries * ENTRY_BYTES,
      entriesMax: values.bytes ? Number.POSITIVE_INFINITY : entries,
    };
    const memory = fill(entries, limits, filter, values.ttl);
    for (const policy of chosen) {
      const ms = leastOf(() => {
        const shard = new Shard(limits, memory, policies[policy], performance, { filter });
        isWell &&= shard.entries === entries;
      });
      console.log(
        `${entries.toLocaleString('en').padStart(10)} entries  ${policy.padEnd(10)} ${ms.toFixed(0).padStart(6)}`,
      );
    }
    const mended = leastOf(() => {
      (memory.header[STRIPES_AT] as number)++;
      mend(memory);
    });
    console.log(
      `${entries.toLocaleString('en').padStart(10)} entries  ${'odd'.padEnd(10)} ${mended.toFixed(0).padStart(6)}`,
    );
    new Shard(limits, memory, policies.lru, performance, { filter }).check();
  }
  for (const policy of chosen) {
    isWell &&= walk(policy, Number(values.walk));
  }
  return isWell;
}

function walk(policy: PolicyName, operations: number): boolean {
  let deaths = 0;
  for (const type of [false, ...Object.keys(filters)] as (false | FilterName)[]) {
    for (const limits of MORTAL_LIMITS) {
      const filter = type && { type, falsePositiveRate: 0.01 };
      const walk = new MortalWalk({ policy, filter, limits, operations, seed: SEED });
      try {
        walk.run();
      } catch (error) {
        console.error(`${policy}, ${type}, ${JSON.stringify(limits)}`, error);
        return false;
      }
      deaths += walk.deaths;
    }
  }
  console.log(`${policy.padEnd(10)} ${deaths} owners died, nothing was lost`);
  return true;
}

function fill(entries: number, limits: ShardLimits, filter: ShardSpec['filter'], expires: boolean): ShardMemory {
  const memory = new ShardMemory(reserveShard(limits, filter));
  const shard = new Shard(limits, memory, policies.fifo, performance, { filter });
  const forged = new Forged(VALUE_BYTES);
  const random = new Random(SEED);
  forged.record.argument = expires ? TTL_MS : 0;
  for (let i = 0; i < entries * 1.5; i++) {
    forged.about(i < entries ? i : random.below(entries), VALUE_BYTES);
    shard.set(forged.record);
  }
  return memory;
}

function leastOf(run: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < RUNS; i++) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}
