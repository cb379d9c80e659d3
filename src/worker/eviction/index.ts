/** The eviction policies there are, by name. A new one is one file and one line here. */
import type { PolicyName } from '../../protocol/spec.ts';
import { createFifo } from './fifo.ts';
import { createLru } from './lru.ts';
import type { PolicyFactory } from './policy.ts';

export const policies = { lru: createLru, fifo: createFifo } satisfies Record<PolicyName, PolicyFactory>;
