/** What splitting a cache over shards by the hash of keys costs: the hit ratio of shards that share the capacity. */
import type { PolicyFactory } from '../../src/protocol/policy.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { shardOf } from '../../src/worker/simulation/mix.ts';
import { Simulator } from '../../src/worker/simulation/simulator.ts';
import type { Golden } from './golden.ts';
import type { Traffic } from './simulated.ts';

/** Fewer entries a shard than this and the split costs more. */
export const ENTRIES_PER_SHARD_MIN = 256;
/** Points of hit ratio, against one shard. */
export const LOSS_MAX = 0.001;

export function shardedHitRatio({ name, options = {} }: Golden, traffic: Traffic, entries: number, shards: number) {
  const simulators = Array.from({ length: shards }, (_, shard) => {
    const entriesMax = Math.floor(entries / shards) + (shard < entries % shards ? 1 : 0);
    const createPolicy = policies[name] as PolicyFactory;
    return new Simulator({ createPolicy, policyOptions: options, keys: traffic.keys, entriesMax });
  });
  for (const id of traffic.ids) {
    (simulators[shards === 1 ? 0 : shardOf(id, shards)] as Simulator).request(id);
  }
  return simulators.reduce((sum, { hits }) => sum + hits, 0) / traffic.ids.length;
}
