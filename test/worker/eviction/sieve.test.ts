import { describe, expect, test } from 'vitest';
import { createSieve } from '../../../src/worker/eviction/sieve.ts';
import { create } from '../../support/policy-suite.ts';
import { makeShard } from '../../support/shard.ts';

/** Slots 0 to 4, oldest first, all used but the third: asked for a victim, the hand has passed 0 and 1 and stands on 2. */
function handOnTwo() {
  const touched = new Uint8Array(64);
  const policy = create(createSieve, touched);
  for (let slot = 0; slot < 5; slot++) {
    policy.add(slot, slot);
    touched[slot] = slot === 2 ? 0 : 3;
  }
  expect(policy.victim()).toBe(2);
  return { policy, touched };
}

describe('the hand', () => {
  test('clears what it passes, however often that was used, and nothing else', () => {
    expect(Array.from(handOnTwo().touched.subarray(0, 5))).toEqual([0, 0, 0, 3, 3]);
  });

  test('goes on where it was, round by the newest to the oldest', () => {
    const { policy } = handOnTwo();
    const victims = [2, 0, 1, 3, 4].map(() => {
      const victim = policy.victim();
      policy.remove(victim, 'evict');
      return victim;
    });
    expect(victims).toEqual([2, 0, 1, 3, 4]);
  });

  test.each(['evict', 'expire', 'delete'] as const)(
    'moves to the next newer entry when its own leaves by %s',
    (cause) => {
      const { policy, touched } = handOnTwo();
      policy.remove(2, cause);
      expect(policy.victim()).toBe(0);
      expect(touched[3]).toBe(0);
    },
  );

  test('moves to the oldest when the newest leaves under it', () => {
    const { policy, touched } = handOnTwo();
    touched[3] = 3;
    policy.remove(2, 'evict');
    policy.remove(3, 'delete');
    policy.remove(4, 'delete');
    touched[0] = 1;
    policy.add(5, 5);
    expect(policy.victim()).toBe(1);
  });

  test('follows its entry to another slot', () => {
    const { policy, touched } = handOnTwo();
    policy.update(7, 2);
    touched[7] = 0;
    expect(policy.victim()).toBe(7);
    // Slot 2 belongs to another entry now, the newest: the hand has nothing to do with it.
    policy.add(2, 2);
    touched[7] = 1;
    touched[3] = touched[4] = 0;
    expect(policy.victim()).toBe(3);
  });

  test('stays when others leave, come or are overwritten', () => {
    const { policy } = handOnTwo();
    policy.remove(0, 'delete');
    policy.remove(3, 'expire');
    policy.update(9, 1);
    policy.add(0, 0);
    expect(policy.victim()).toBe(2);
  });

  test('starts anew after a clear', () => {
    const { policy, touched } = handOnTwo();
    policy.clear();
    touched.fill(0);
    policy.add(8, 8);
    policy.add(2, 2);
    expect(policy.victim()).toBe(8);
  });

  test('passes at most 4,096 used entries for one victim, and 64 more for each one after it', () => {
    const slots = 5_000;
    const touched = new Uint8Array(slots).fill(1);
    const policy = create(createSieve, touched, 0, slots);
    for (let slot = 0; slot < slots; slot++) {
      policy.add(slot, slot);
    }
    expect(policy.victim()).toBe(4_096);
    expect(policy.victim()).toBe(4_096);
    policy.remove(4_096, 'evict');
    expect(touched[4_097]).toBe(1);
    // It was asked three times.
    expect(policy.victim()).toBe(4_097 + 2 * 64);
  });
});

/** The keys that are left when a, b and c were stored, something happened, and so many more came than there is room. */
function survivors(more: number, act: (target: ReturnType<typeof makeShard>) => void): string {
  const target = makeShard({ entriesMax: 3 }, 'sieve');
  for (const key of ['a', 'b', 'c']) {
    target.set(key, key);
  }
  act(target);
  for (const key of ['d', 'e', 'f'].slice(0, more)) {
    target.set(key, key);
  }
  return ['a', 'b', 'c', 'd', 'e', 'f'].filter((key) => target.has(key)).join('');
}

describe('a shard', () => {
  test.each(['get', 'read'] as const)('keeps an entry that was used, by %s', (how) => {
    expect(survivors(1, (target) => target[how]('a'))).toBe('acd');
    expect(survivors(3, (target) => target[how]('a'))).toBe('aef');
  });

  test.each(['peek', 'has'] as const)('takes no %s for a use', (how) => {
    expect(survivors(1, (target) => target[how]('a'))).toBe('bcd');
  });

  test('takes an overwrite for a use that moves nothing', () => {
    expect(survivors(1, (target) => target.set('a', 'again'))).toBe('acd');
    // Had it become the newest, `a` would be the third to go.
    expect(survivors(3, (target) => target.set('a', 'again'))).toBe('aef');
  });

  test('gives an entry in a slot that was used before no credit for that', () => {
    const target = makeShard({ entriesMax: 2 }, 'sieve');
    target.set('a', '1');
    target.read('a');
    target.delete('a');
    target.set('b', '1');
    target.set('c', '1');
    target.set('d', '1');
    expect(['b', 'c', 'd'].filter((key) => target.has(key))).toEqual(['c', 'd']);
  });
});
