/**
 * Memory outlives its owner: the owner dies between any two stores of a call, another one takes over, which may die of the
 * same, and nothing that was acknowledged is lost.
 */
import { describe, expect, test } from 'vitest';
import type { FilterName } from '../../src/protocol/filter.ts';
import { HEADER_BUCKETS } from '../../src/protocol/memory.ts';
import { FLAG_SLIDING, OP_EXPIRE, OP_INCREMENT, OP_POP, OP_UPDATE } from '../../src/protocol/operations.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { filters } from '../../src/worker/filter/index.ts';
import { Dying, type Scenario } from '../support/deaths.ts';
import { numbers, type ShardUnderTest } from '../support/shard.ts';

const KEYS = Array.from({ length: 12 }, (_, i) => `key ${i}`);

function fill(target: ShardUnderTest): void {
  for (const [i, key] of KEYS.slice(0, 10).entries()) {
    target.set(key, `value ${i}`.padEnd(10 + i * 3, '.'));
  }
  target.delete('key 4');
}

/** `fill`, and what `prepare` does then. */
function plain(act: Scenario['act'], prepare?: Scenario['prepare'], limits: Scenario['limits'] = {}): Scenario {
  return {
    limits,
    keys: KEYS,
    prepare(target) {
      fill(target);
      prepare?.(target);
    },
    act,
  };
}

/** Every sum has other bits in both words. */
const ADDED = numbers(0.1, 1 / 3);
const counts = (target: ShardUnderTest) => target.ask(OP_INCREMENT, 'key 10', ADDED);
const expires = (ttlMs: number) => (target: ShardUnderTest) => target.ask(OP_EXPIRE, 'key 10', '', ttlMs);

/** Thousands of keys with the hash of one stripe would be rare; a thousand and more of any make a table split. */
const MANY = Array.from({ length: 1_030 }, (_, i) => `many ${i}`);

const SCENARIOS: Record<string, Scenario> = {
  'an insert': plain((target) => target.set('key 10', 'new')),
  'an overwrite': plain((target) => target.set('key 3', 'another value altogether')),
  'an update that keeps its expiry': plain(
    (target) => target.ask(OP_UPDATE, 'key 10', 'another'),
    (target) => target.set('key 10', 'with a ttl', 500),
  ),
  'a delete': plain((target) => target.delete('key 5')),
  'a pop': plain((target) => target.ask(OP_POP, 'key 6')),
  'a set that evicts two': plain(
    (target) => {
      target.set('key 10', 'new');
      target.set('key 11', 'newer');
    },
    undefined,
    { entriesMax: 9 },
  ),
  'a set that evicts until its bytes fit': plain((target) => target.set('key 10', 'v'.repeat(200)), undefined, {
    bytesMax: 900,
  }),
  'an increment of a number': plain(counts, counts),
  'an increment of nothing': plain(counts),
  'an expiry for what has one': plain(expires(400), (target) => target.set('key 10', 'brief', 50)),
  'an expiry for what slides': plain(expires(400), (target) => target.set('key 10', 'slides', 50, FLAG_SLIDING)),
  'an expiry for what had none': plain(expires(400), (target) => target.set('key 10', 'ever')),
  'an overwrite of what has expired': plain(
    (target) => {
      target.clock.nowMs += 0;
      target.set('key 10', 'new');
    },
    (target) => {
      target.set('key 10', 'expired', 5);
      target.clock.nowMs += 6;
    },
  ),
  'a sweep': plain(
    (target) => target.shard.sweep(),
    (target) => {
      for (const key of ['key 1', 'key 2', 'key 11']) {
        target.set(key, 'brief', 5);
      }
      target.clock.nowMs += 6;
    },
  ),
  'a set for which blocks are moved': {
    limits: { bytesMax: 2_048 },
    keys: [...Array.from({ length: 24 }, (_, i) => `${i}`), 'large'],
    heirsEvery: 19,
    prepare(target) {
      for (let i = 0; i < 24; i++) {
        // Holes are smaller than the blocks that are moved into them: a copy overwrites what it is made of.
        target.set(`${i}`, 'v'.repeat(i % 2 === 0 ? 4 : 24 + i));
      }
      for (let i = 0; i < 24; i += 2) {
        target.delete(`${i}`);
      }
    },
    act(target) {
      target.set('large', 'l'.repeat(700));
      expect(target.shard.moved.blocks).toBeGreaterThan(5);
      expect(target.peek('large')).toHaveLength(700);
      expect(target.shard.entries).toBe(13);
    },
  },
  'an insert that splits a bucket': {
    limits: { bytesMax: 256 * 1024 },
    keys: [...MANY.slice(1_000), 'the last'],
    heirsEvery: 307,
    prepare(target) {
      for (const key of MANY) {
        target.set(key, key);
      }
    },
    act(target) {
      const before = target.memory.header[HEADER_BUCKETS] as number;
      target.set('the last', 'one');
      expect(target.memory.header[HEADER_BUCKETS]).toBe(before + 1);
    },
  },
  'an insert that the policy refuses': {
    ...plain((target) => target.set('key 10', 'refused')),
    eviction: (context) => ({ ...policies.fifo(context), add: (slot) => context.keyOf(slot) !== 'key 10' }),
  },
  'an overwrite whose number in the write sequence wraps': {
    ...plain((target) => target.set('key 3', 'another value altogether')),
    wraps: true,
  },
  'an increment whose number in the write sequence wraps': { ...plain(counts, counts), wraps: true },
  'a clear': { ...plain((target) => target.clear()), ownersEvery: 11, heirsEvery: 41 },
};

describe('an owner that dies at any store of', () => {
  test.each(Object.keys(SCENARIOS))('%s', (name) => {
    const { owners, heirs } = new Dying(SCENARIOS[name] as Scenario).run();
    console.info(`${name}: ${owners} owners and ${heirs} heirs died`);
    expect(owners).toBeGreaterThan(10);
    expect(heirs).toBeGreaterThan(10);
  });

  describe.each(Object.keys(filters) as FilterName[])('with a filter, %s,', (type) => {
    const names = ['an insert', 'an overwrite', 'a delete', 'a set that evicts two', 'a clear'];
    test.each(names)('%s', (name) => {
      const filter = { type, falsePositiveRate: 0.01 };
      const scenario = SCENARIOS[name] as Scenario;
      new Dying({ ...scenario, filter, ownersEvery: 3 * (scenario.ownersEvery ?? 1), heirsEvery: 29 }).run();
    });
  });
});
