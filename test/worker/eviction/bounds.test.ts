/** What one victim may cost, however the entries were used: a walk over them all would hold up every call of the shard. */
import { expect, test } from 'vitest';
import { policies } from '../../../src/worker/eviction/index.ts';
import { create } from '../../support/policy-suite.ts';

const SLOTS = 20_000;
const WALK_MAX = 4_096;
const USES_MAX = 3;

test.each(['clock', 'sieve', 's3-fifo', 'as3-fifo'] as const)(
  '%s names a victim among entries that were all used, after 4,096 of them',
  (name) => {
    const touched = new Uint8Array(SLOTS);
    const policy = create(policies[name], touched, 0, SLOTS);
    for (let slot = 0; slot < SLOTS; slot++) {
      policy.add(slot, slot);
    }
    touched.fill(USES_MAX);
    const victims = new Set<number>();
    for (let left = SLOTS; left > 0; left--) {
      const before = touched.slice();
      const victim = policy.victim();
      const changed = before.reduce((count, uses, slot) => count + (uses === touched[slot] ? 0 : 1), 0);
      expect(changed).toBeLessThanOrEqual(WALK_MAX + 1);
      policy.remove(victim, 'evict');
      victims.add(victim);
      if (victims.size === 50) {
        break;
      }
    }
    expect(victims.size).toBe(50);
    policy.check?.();
  },
);
