/** The policies that a cache is told about beside its own: the default, the one for loops and scans, and what everybody knows. */
import type { PolicyFactory } from '../../protocol/policy.ts';
import type { EvictionSpec } from '../../protocol/spec.ts';
import { policies } from '../eviction/index.ts';

const COMPARED = ['as3-fifo', 'w-tinylfu', 'lru'] as const;

export function comparedWith(eviction: EvictionSpec): Record<string, PolicyFactory> {
  const own = 'name' in eviction ? eviction.name : undefined;
  return Object.fromEntries(COMPARED.filter((name) => name !== own).map((name) => [name, policies[name]]));
}
