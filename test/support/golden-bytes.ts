/** What golden_bytes.csv speaks of, in our words: policies by its names, and the requests that its simulators would store. */
import type { PolicyOptions } from '../../src/protocol/policy.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import type { Traffic } from './simulated.ts';
import { requestsOf } from './traces.ts';

export const BY_BYTES: Record<string, { name: PolicyName; policyOptions: PolicyOptions }> = {
  LRU: { name: 'lru', policyOptions: {} },
  FIFO: { name: 'fifo', policyOptions: {} },
  Clock: { name: 'clock', policyOptions: {} },
  Sieve: { name: 'sieve', policyOptions: {} },
  S3FIFO: { name: 's3-fifo', policyOptions: { smallShare: 0.1 } },
};
export const HITS_ROUNDING = 1e-6;
/** The table has four decimals of byte hit ratios. */
export const BYTES_ROUNDING = 1e-4;

/**
 * The requests that a reference would store. Its S3-FIFO has no room for what is larger than the small queue, and never
 * asks for it again; ours takes what fits the shard, since whoever sets a value expects it to be there.
 */
export function storedBy(policy: string, { ids, keys, sizes }: Traffic, bytes: number): Traffic {
  if (policy !== 'S3FIFO' || sizes === undefined) {
    return { ids, keys, ...(sizes === undefined ? {} : { sizes }) };
  }
  const isStored = (i: number) => (sizes[i] as number) <= Math.floor(bytes * 0.1);
  return { ids: ids.filter((_, i) => isStored(i)), keys, sizes: sizes.filter((_, i) => isStored(i)) };
}

/** A trace as simulations take it; without sizes if it has none. */
export function trafficOf(trace: string): Traffic {
  const { keys: ids, sizes } = requestsOf(trace);
  const keys = ids.reduce((most, id) => Math.max(most, id + 1), 0);
  return { ids, keys, ...(Number.isNaN(sizes[0]) ? {} : { sizes }) };
}
