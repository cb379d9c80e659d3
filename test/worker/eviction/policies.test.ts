import { describe, expect, test } from 'vitest';
import { OP_POP_ITEM } from '../../../src/protocol/operations.ts';
import type { PolicyFactory } from '../../../src/protocol/policy.ts';
import type { PolicyName } from '../../../src/protocol/spec.ts';
import { policies } from '../../../src/worker/eviction/index.ts';
import { CacheModel } from '../../support/cache-model.ts';
import { type PolicyException, runPolicySuite } from '../../support/policy-suite.ts';
import { seededRandom } from '../../support/random.ts';
import { makeShard } from '../../support/shard.ts';

const TWICE = { test: 'a touched entry outlives an untouched one', reason: 'a new entry has to be used twice' };
const EXCEPTIONS: Partial<Record<PolicyName, PolicyException[]>> = {
  fifo: [{ test: 'a touched entry outlives an untouched one', reason: 'FIFO ignores touches' }],
  random: [{ test: 'a touched entry outlives an untouched one', reason: 'lots ignore touches' }],
  mfu: [{ test: 'a touched entry outlives an untouched one', reason: 'what is used most goes first' }],
  'as3-fifo': [TWICE],
  's3-fifo': [TWICE],
  none: [
    'a victim is an entry that lives, and asking again changes nothing',
    'every entry becomes the victim once when nothing else happens',
    'after an update the old slot is never named, the new one is',
    'an entry changed in place stays, once, and the others with it',
    'a cleared policy is empty, and takes the same slots again',
    'a touched entry outlives an untouched one',
    'where bytes are the bound, room can be made for any weight',
    'whatever happens, it names a live entry while there is one',
    'whatever happens and whatever entries weigh, it does so where bytes are the bound',
  ].map((test) => ({ test, reason: 'it gives no entry up' })),
};

for (const [name, factory] of Object.entries(policies)) {
  describe(name, () => runPolicySuite(factory as PolicyFactory, EXCEPTIONS[name as PolicyName] ?? []));
}

describe.each(['lru', 'fifo', 'sieve'] as const)('%s is exact', (policy) => {
  test('over 100,000 random sets, overwrites, deletes and hits, by frame and from shared memory', () => {
    const random = seededRandom(`${policy} exact`);
    const entriesMax = 300;
    const target = makeShard({ entriesMax }, policy);
    const model = new CacheModel(policy, entriesMax);
    const { clock } = target;
    for (let step = 0; step < 100_000; step++) {
      // A few keys are asked for often, most seldom: hits, overwrites and victims are all frequent.
      const key = `key ${random.logUniform(1, 2_000)}`;
      const dice = random.below(100);
      if (dice < 40) {
        const ttlMs = random.oneIn(10) ? 1 + random.below(50) : 0;
        target.set(key, `${step}`, ttlMs);
        model.set(key, `${step}`, ttlMs, false, clock.nowMs);
      } else if (dice < 95) {
        const found = dice < 75 ? target.read(key) : target.get(key);
        if (found !== model.get(key, clock.nowMs)) {
          expect.fail(`step ${step}: ${key} is ${found}`);
        }
      } else if (dice < 99) {
        expect(target.delete(key)).toBe(model.delete(key, clock.nowMs));
      } else {
        clock.nowMs += 3;
      }
    }
    target.shard.check();
    expect(target.shard.counts().evictions).toBeGreaterThan(5_000);
    const victims = Array.from(model.entries.keys()).filter((key) => model.peek(key, clock.nowMs) !== undefined);
    expect(victims.every((key) => target.peek(key) === model.peek(key, clock.nowMs))).toBe(true);
  });
});

describe.each(Object.keys(policies).filter((name) => name !== 'none') as PolicyName[])('%s', (policy) => {
  test('makes room for a few large entries where many small ones were, in a shard bound by entries and by bytes', () => {
    const target = makeShard({ entriesMax: 300, bytesMax: 300_000 }, policy);
    // A loop larger than the shard: what adapts to that has to forget it.
    for (let i = 0; i < 2_000; i++) {
      const key = `small ${i % 390}`;
      if (target.get(key) === undefined) {
        target.set(key, 'x');
      }
    }
    for (let i = 0; i < 40; i++) {
      expect(target.set(`large ${i}`, Buffer.alloc(60_000))).toBeUndefined();
    }
    target.shard.check();
    expect(target.size()).toBeLessThanOrEqual(300);
  });

  test('survives a pop of what it would evict, at any time', () => {
    const target = makeShard({ entriesMax: 20 }, policy);
    const random = seededRandom(`${policy} pops`);
    for (let i = 0; i < 2_000; i++) {
      target.set(`${random.below(60)}`, 'x');
      if (random.oneIn(5)) {
        target.call(OP_POP_ITEM);
      }
    }
    target.shard.check();
  });
});

/** The keys that are left when one more than fits is stored, oldest first. */
function survivors(policy: PolicyName, act: (target: ReturnType<typeof makeShard>) => void): string {
  const target = makeShard({ entriesMax: 3 }, policy);
  for (const key of ['a', 'b', 'c']) {
    target.set(key, key);
  }
  act(target);
  target.set('d', 'd');
  return ['a', 'b', 'c', 'd'].filter((key) => target.has(key)).join('');
}

describe('fifo', () => {
  test('an overwrite keeps its place', () => {
    expect(survivors('fifo', (target) => target.set('a', 'again'))).toBe('bcd');
  });

  test('a hit changes nothing', () => {
    expect(survivors('fifo', (target) => void [target.get('a'), target.read('a')])).toBe('bcd');
  });

  test('an entry that was deleted and stored again is the newest', () => {
    expect(
      survivors('fifo', (target) => {
        target.delete('a');
        target.set('a', 'again');
      }),
    ).toBe('acd');
  });
});

describe('lru', () => {
  test('an overwrite makes an entry the newest', () => {
    expect(survivors('lru', (target) => target.set('a', 'again'))).toBe('acd');
  });

  test.each(['get', 'read'] as const)('a hit by %s makes an entry the newest', (how) => {
    expect(survivors('lru', (target) => target[how]('a'))).toBe('acd');
  });

  test.each(['peek', 'has'] as const)('%s does not', (how) => {
    expect(survivors('lru', (target) => target[how]('a'))).toBe('bcd');
  });

  test('a hit in the ring on an entry that was overwritten since is no hit on the new one', () => {
    const target = makeShard({ entriesMax: 2 });
    target.set('a', '1');
    target.read('a');
    const [slot, seqLow] = [target.reader.slot, target.reader.seqLow];
    target.delete('a');
    target.set('b', '1');
    target.set('c', '1');
    // The slot of `a` belongs to `b` now: the late record must not renew it.
    target.client.push(slot, seqLow);
    target.set('d', '1');
    expect(['b', 'c', 'd'].filter((key) => target.has(key))).toEqual(['c', 'd']);
  });
});

test.each([
  ['-2', () => -2],
  ['a slot without an entry', () => 50],
  ['a slot that there is not', () => 1e9],
  ['no number', () => Number.NaN],
])('a policy that names %s as victim gets POLICY_ERROR, and the shard answers on', (_, victim) => {
  const target = makeShard({ entriesMax: 2 }, 'lru');
  const { policy } = target.shard;
  target.set('a', '1');
  target.set('b', '1');
  const { victim: real } = policy;
  policy.victim = victim;
  expect(target.set('c', '1')).toMatchObject({ code: 'POLICY_ERROR' });
  target.shard.check();
  expect(target.get('a')).toBe('1');
  policy.victim = real;
  expect(target.set('c', '1')).toBeUndefined();
  expect(target.has('b')).toBe(false);
});

test('an entry that a policy refuses is not stored, and the set is acknowledged', () => {
  const target = makeShard({}, 'lru');
  target.shard.policy.add = () => false;
  expect(target.set('a', '1')).toBeUndefined();
  expect(target.has('a')).toBe(false);
  expect(target.size()).toBe(0);
  target.shard.check();
});
