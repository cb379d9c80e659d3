/**
 * A policy that can be told which entries it will hear of next, and loads what it knows of them: loads made for no other
 * reason do not wait for each other, while those of the calls themselves would. Only of built-in policies, whose shard
 * hands them a frame's worth of overwrites before it makes the first.
 */
import type { EvictionPolicy } from '../../protocol/policy.ts';

export interface WarmingPolicy extends EvictionPolicy {
  /** Loads what `update` of the first `count` slots will need. Any slot may be named. The result means nothing. */
  warm(slots: Int32Array, count: number): number;
}

export function isWarming(policy: EvictionPolicy): policy is WarmingPolicy {
  return 'warm' in policy;
}
