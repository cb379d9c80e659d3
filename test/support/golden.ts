/** The hit ratio of a policy at one shard: for each request a get, and on a miss a set of 100 bytes. */
import { reserveShard, ShardMemory } from '../../src/protocol/memory.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { Shard } from '../../src/worker/shard.ts';
import { Forged } from './forged.ts';

const VALUE_BYTES = 100;
/** More than an entry of that size costs, so that only their number bounds the shard. */
const ENTRY_BYTES = 256;

/** Policies by their names in golden.csv. */
export const GOLDEN_NAMES = { LRU: 'lru', FIFO: 'fifo' } as const satisfies Record<string, PolicyName>;
/** The table has six decimals. */
export const GOLDEN_DIFFERENCE_MAX = 1e-6;

export function hitRatio(policy: PolicyName, entriesMax: number, keys: Int32Array): number {
  const limits = { entriesMax, bytesMax: 4096 + entriesMax * ENTRY_BYTES };
  const memory = new ShardMemory(reserveShard(limits));
  const shard = new Shard(limits, memory, policies[policy], performance);
  const forged = new Forged(VALUE_BYTES);
  const { record } = forged;
  let hits = 0;
  for (let i = 0; i < keys.length; i++) {
    forged.about(keys[i] as number, VALUE_BYTES);
    if (shard.get(record) !== 0) {
      hits++;
    } else {
      shard.set(record);
    }
  }
  shard.check();
  return hits / keys.length;
}
