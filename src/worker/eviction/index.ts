/** The eviction policies there are, by name. A new one is one file and one line here. */
import type { PolicyName } from '../../protocol/spec.ts';
import { createArc } from './arc.ts';
import { createAs3Fifo } from './as3-fifo.ts';
import { createClock } from './clock.ts';
import { createFifo } from './fifo.ts';
import { createLfu } from './lfu.ts';
import { createLru } from './lru.ts';
import { createMfu } from './mfu.ts';
import { createNone } from './none.ts';
import { createRandom } from './random.ts';
import { createS3Fifo } from './s3-fifo.ts';
import { createSieve } from './sieve.ts';
import { createWTinyLfu } from './w-tinylfu.ts';

export const policies = {
  'as3-fifo': createAs3Fifo,
  's3-fifo': createS3Fifo,
  'w-tinylfu': createWTinyLfu,
  arc: createArc,
  sieve: createSieve,
  clock: createClock,
  lru: createLru,
  lfu: createLfu,
  mfu: createMfu,
  fifo: createFifo,
  random: createRandom,
  none: createNone,
} satisfies Record<PolicyName, unknown>;
