/** The eviction policies there are, by name. A new one is one file and one line here. */

import type { PolicyFactory } from '../../protocol/policy.ts';
import type { PolicyName } from '../../protocol/spec.ts';
import { createFifo } from './fifo.ts';
import { createLru } from './lru.ts';
import { createNone } from './none.ts';
import { createRandom } from './random.ts';
import { createSieve } from './sieve.ts';

export const policies = {
  lru: createLru,
  fifo: createFifo,
  random: createRandom,
  sieve: createSieve,
  none: createNone,
} satisfies Record<PolicyName, PolicyFactory>;
