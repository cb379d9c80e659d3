import { describe, expect, test } from 'vitest';
import type { EvictionPolicy, SlotOrder } from '../../src/protocol/policy.ts';
import { loadPolicy } from '../../src/worker/custom-policy.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { GuardedPolicy, PolicyFault } from '../../src/worker/guarded-policy.ts';
import { create } from '../support/policy-suite.ts';

const USED = 8;
const LIVE = [5, 1, 3, 7];

/** LRU with four entries in a user's hands, which does something else where it is told to. */
function guarded(wrong: Partial<Record<keyof EvictionPolicy, unknown>>) {
  const real = create(policies.lru);
  for (const slot of LIVE) {
    real.add(slot, slot);
  }
  const live = new Set(LIVE);
  const faults: PolicyFault[] = [];
  const policy = new GuardedPolicy(
    { ...real, ...wrong } as EvictionPolicy,
    (slot) => live.has(slot),
    (fault) => faults.push(fault),
  );
  return { policy, live, faults };
}

/** What an order names, at most so much of it. */
function walk(order: SlotOrder | undefined, most = 100): [slot: number, standing: number][] {
  const named: [number, number][] = [];
  for (let slot = order?.next() ?? -1; slot !== -1 && named.length < most; slot = order?.next() ?? -1) {
    named.push([slot, order?.standing ?? -1]);
  }
  return named;
}

/** An order as users write them: these answers, then the end; what is a function is called. */
function answering(...answers: unknown[]) {
  const left = [...answers];
  return () => ({
    standing: 9,
    next() {
      const answer = left.length === 0 ? -1 : left.shift();
      return typeof answer === 'function' ? answer() : answer;
    },
  });
}

const boom = () => {
  throw new Error('boom');
};

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

test('an order passes as it is, and policies without one have none', () => {
  const { policy, faults } = guarded({});
  expect(walk(policy.order?.(USED)).map(([slot]) => slot)).toEqual(LIVE);
  const none = guarded({ order: undefined, restore: undefined }).policy;
  expect([none.order, none.restore, faults]).toEqual([undefined, undefined, []]);
});

test('standings pass as they are, and are asked of live entries only', () => {
  const order = { slot: -1, left: [5, 1, 3, 7] };
  const { policy, live, faults } = guarded({
    order: () => ({
      next() {
        order.slot = order.left.shift() ?? -1;
        return order.slot;
      },
      get standing() {
        return live.has(order.slot) ? 2 ** 32 - order.slot : boom();
      },
    }),
  });
  live.delete(1);
  expect(walk(policy.order?.(USED))).toEqual([
    [5, 2 ** 32 - 5],
    [1, 0],
    [3, 2 ** 32 - 3],
    [7, 2 ** 32 - 7],
  ]);
  expect(faults).toEqual([]);
});

test('an order that throws whatever is asked of it leaves nobody out', () => {
  const { policy, faults } = guarded({ order: revoked });
  expect(walk(policy.order?.(USED)).map(([slot]) => slot)).toEqual([1, 3, 5, 7]);
  expect(faults.length).toBe(1);
});

test.each<[string, unknown, string]>([
  ['throws', boom, 'threw in `order`: boom'],
  ['returns nothing', () => undefined, 'returned undefined from `order`'],
  ['returns a function', () => () => -1, 'from `order`'],
  ['returns a promise', async () => ({}), 'returned a Promise from `order`'],
])('an order that %s is a fault: whoever asked for it takes another', (_, order, told) => {
  const { policy, faults } = guarded({ order });
  expect(() => policy.order?.(USED)).toThrow(PolicyFault);
  expect(faults.map(({ message }) => message)).toEqual([expect.stringContaining(told)]);
});

describe('of an order that fails midway, the rest follows as it comes, once:', () => {
  test.each<[string, unknown]>([
    ['it throws', boom],
    ['a negative slot', -2],
    ['a slot that was never used', USED],
    ['a fraction', 1.5],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['nothing', undefined],
    ['text', '1'],
    ['a bigint', 1n],
    ['a symbol', Symbol('slot')],
    ['the result of an iterator', { value: 1, done: false }],
    ['a slot that it has named', 7],
    [
      'a promise whose constructor throws',
      () => Object.defineProperty(Promise.resolve(3), 'constructor', { get: boom }),
    ],
    ['a revoked Proxy', () => revoked()],
    ['a function whose name throws', () => Object.defineProperty(() => {}, 'name', { get: boom })],
  ])('%s', (_, answer) => {
    const { policy, faults } = guarded({ order: answering(7, answer, 3) });
    expect(walk(policy.order?.(USED))).toEqual([
      [7, 9],
      [1, 0],
      [3, 0],
      [5, 0],
    ]);
    expect(faults.map(({ message }) => message)).toEqual([
      expect.stringMatching(/`order`.*\. The snapshot has the entries in another order$/),
    ]);
  });

  test('it never ends', () => {
    const { policy, faults } = guarded({ order: () => ({ standing: 0, next: () => 3 }) });
    expect(walk(policy.order?.(USED)).map(([slot]) => slot)).toEqual([3, 1, 5, 7]);
    expect(faults.length).toBe(1);
  });

  test.each([-1, 2 ** 32, 0.5, Number.NaN, undefined, '1', Symbol('standing')])('its standing is %s', (standing) => {
    const left = [7, 3];
    const { policy, faults } = guarded({ order: () => ({ standing, next: () => left.shift() ?? -1 }) });
    expect(walk(policy.order?.(USED))).toEqual([7, 1, 3, 5].map((slot) => [slot, 0]));
    expect(faults.length).toBe(1);
  });

  test('it promises slots, and rejects: nothing ends', async () => {
    const { policy, faults } = guarded({ order: answering(() => Promise.reject(new Error('later'))) });
    expect(walk(policy.order?.(USED)).length).toBe(4);
    await new Promise((resolve) => setImmediate(resolve));
    expect(faults.map(({ message }) => message)).toEqual([
      expect.stringContaining('named a Promise in `order`'),
      expect.stringContaining('rejected in `order`: later'),
    ]);
  });
});

test('entries that an order leaves out follow it, and that is no fault: they may be new', () => {
  const { policy, faults } = guarded({ order: answering(7, 5) });
  expect(walk(policy.order?.(USED)).map(([slot]) => slot)).toEqual([7, 5, 1, 3]);
  expect(faults).toEqual([]);
});

test('a restore hears all it is told, and its answer counts', () => {
  const told: unknown[] = [];
  const answers = [true, false];
  const { policy } = guarded({ restore: (...all: unknown[]) => [told.push(all), answers.shift()][1] });
  expect([policy.restore?.(2, 22, 222), policy.restore?.(4, 44, 444)]).toEqual([true, false]);
  expect(told).toEqual([
    [2, 22, 222],
    [4, 44, 444],
  ]);
});

test('what a module exports is asked for its order, and told what it restores', async () => {
  const module = new URL('../support/policy-modules.mjs', import.meta.url).href;
  const policy = create(await loadPolicy({ module, export: 'orderly', options: {} }));
  const { policy: trusted, faults } = guarded({ order: policy.order, restore: policy.restore });
  expect([trusted.restore?.(3, 10, 1), trusted.restore?.(1, 20, 2)]).toEqual([true, true]);
  expect(walk(trusted.order?.(4))).toEqual([
    [3, 11],
    [1, 22],
  ]);
  expect(faults).toEqual([]);
});

test.each<[string, unknown, string]>([
  ['throws', boom, 'threw in `restore`: boom'],
  ['answers nothing', () => undefined, 'returned undefined from `restore`, where true or false is expected'],
  ['answers a number', () => 1, 'returned 1 (number) from `restore`'],
  ['is late', async () => true, 'returned a Promise from `restore`'],
])('a restore that %s is a fault, as of add', (_, restore, told) => {
  const { policy, faults } = guarded({ restore });
  expect(() => policy.restore?.(2, 22, 222)).toThrow(PolicyFault);
  expect(faults.map(({ message }) => message)).toEqual([
    expect.stringMatching(new RegExp(`${told.replace(/[()]/g, '\\$&')}.*\\. The entry was not loaded$`)),
  ]);
});
