import { describe, expect, test } from 'vitest';
import { FrameWriter } from '../../src/protocol/frame.ts';
import {
  OP_ADD,
  OP_CLEANUP,
  OP_CLEAR,
  OP_DELETE,
  OP_EXPIRE,
  OP_GET,
  OP_INCREMENT,
  OP_NONE,
  OP_POP,
  OP_POP_ITEM,
  OP_SET,
  OP_SIZE,
  OP_UPDATE,
} from '../../src/protocol/operations.ts';
import type { EvictionPolicy, PolicyFactory } from '../../src/protocol/policy.ts';
import { readReply } from '../../src/protocol/reply-reader.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import type { PolicyFault } from '../../src/worker/guarded-policy.ts';
import { Sweeper } from '../../src/worker/sweeper.ts';
import { seededRandom } from '../support/random.ts';
import { makeShard, numbers } from '../support/shard.ts';

type Hook = Exclude<keyof EvictionPolicy, 'hits'>;

/** What a policy does wrong from now on. */
interface Plan {
  hook?: Hook | undefined;
  /** Instead of doing its work, after it, or by what it answers. */
  how?: 'before' | 'after' | 'answer';
  what?: unknown;
}

/** A built-in policy in a user's hands, with a shard that does not trust it. */
function faultyShard(entriesMax = 3, name: PolicyName = 'lru') {
  const plan: Plan = {};
  const faults: PolicyFault[] = [];
  const factory: PolicyFactory = (context, options) => {
    const make: PolicyFactory = policies[name];
    const real = { arrive() {}, ...make(context, options) } as unknown as Record<Hook, (...args: unknown[]) => unknown>;
    const hooks: Hook[] = ['arrive', 'add', 'hit', 'update', 'remove', 'clear', 'victim', 'ahead'];
    const wrapped = hooks.map((hook) => [
      hook,
      (...args: unknown[]) => {
        const fails = plan.hook === hook;
        if (fails && plan.how === 'before') throw plan.what;
        const answer = real[hook]?.(...args);
        if (fails && plan.how === 'after') throw plan.what;
        return fails ? plan.what : answer;
      },
    ]);
    return { hits: (real as unknown as EvictionPolicy).hits, ...Object.fromEntries(wrapped) } as EvictionPolicy;
  };
  const target = makeShard(
    { entriesMax },
    factory,
    undefined,
    undefined,
    undefined,
    (fault) => void faults.push(fault),
  );
  return {
    target,
    faults,
    breaks(hook: Hook, how: Plan['how'] = 'before', ...what: [unknown?]) {
      Object.assign(plan, { hook, how, what: what.length === 0 ? new Error('boom') : what[0] });
    },
    mends() {
      plan.hook = undefined;
    },
  };
}

function full() {
  const shard = faultyShard();
  for (const key of ['a', 'b', 'c']) {
    shard.target.set(key, key);
  }
  return shard;
}

const refused = (hook: string) =>
  expect.objectContaining({
    code: 'POLICY_ERROR',
    message: expect.stringMatching(new RegExp(`\`${hook}\`: boom\\. `)),
  });

describe.each(['before', 'after'] as const)('a hook that throws %s its work', (how) => {
  test.each<[Hook, string, (shard: ReturnType<typeof full>['target']) => unknown, Record<string, string | undefined>]>([
    ['arrive', 'set', (t) => t.set('d', 'd'), { a: 'a', d: undefined }],
    ['victim', 'set', (t) => t.set('d', 'd'), { a: 'a', d: undefined }],
    ['remove', 'set', (t) => t.set('d', 'd'), { a: undefined, d: undefined }],
    ['add', 'set', (t) => t.set('d', 'd'), { a: undefined, d: undefined }],
    ['add', 'add', (t) => t.call(OP_ADD, 'd', Buffer.from('d')), { a: undefined, d: undefined }],
    ['update', 'set', (t) => t.set('a', 'new'), { a: 'new' }],
    ['update', 'update', (t) => t.call(OP_UPDATE, 'a', Buffer.from('new')), { a: 'new' }],
    ['update', 'expire', (t) => t.call(OP_EXPIRE, 'a', undefined, 500), { a: 'a' }],
    ['remove', 'delete', (t) => t.call(OP_DELETE, 'a'), { a: undefined, b: 'b' }],
    ['clear', 'clear', (t) => t.call(OP_CLEAR), { a: undefined, b: undefined }],
  ])('%s: the %s is answered with POLICY_ERROR, and everything else goes on', (hook, _, act, found) => {
    const { target, faults, breaks, mends } = full();
    breaks(hook, how);
    expect(act(target)).toEqual(refused(hook));
    target.shard.check();
    for (const [key, value] of Object.entries(found)) {
      expect(target.peek(key)).toBe(value);
    }
    expect(faults[0]?.cause).toEqual(new Error('boom'));
    // What `ahead` says of a list that is wrong now may be a second one.
    expect(target.shard.counts()).toMatchObject({ policyFaults: faults.length, failures: 1 });
    mends();
    target.clear();
    for (const key of ['a', 'b', 'c', 'd']) {
      expect(target.set(key, key)).toBeUndefined();
    }
    expect(['a', 'b', 'c', 'd'].filter((key) => target.has(key))).toEqual(['b', 'c', 'd']);
    target.shard.check();
  });

  test('an increment that a policy will not hear of was made, once', () => {
    const { target, breaks } = faultyShard();
    expect(target.ask(OP_INCREMENT, 'n', numbers(1, 0))).toBe(1);
    breaks('update', how);
    expect(target.ask(OP_INCREMENT, 'n', numbers(1, 0))).toBe('POLICY_ERROR');
    expect(target.peek('n')).toBe('number 2');
  });

  test('hit: no call is to blame, neither the get nor the set that comes by', () => {
    const { target, faults, breaks } = full();
    breaks('hit', how);
    expect(target.get('a')).toBe('a');
    expect(target.read('b')).toBe('b');
    expect(target.set('a', 'new')).toBeUndefined();
    expect(target.call(OP_NONE)).toBeUndefined();
    expect(faults.map(({ message }) => message)).toEqual(
      Array(2).fill('The eviction policy threw in `hit`: boom. No call was affected'),
    );
    expect(target.shard.counts()).toMatchObject({ hits: 2, policyFaults: 2, failures: 0 });
    target.shard.disconnect(target.client);
    target.shard.check();
  });

  test('ahead: nothing is warmed, and all goes on', () => {
    const { target, faults, breaks } = full();
    breaks('ahead', how);
    for (const key of ['d', 'e', 'f']) {
      expect(target.set(key, key)).toBeUndefined();
    }
    expect(faults.length).toBeGreaterThan(0);
    expect(target.size()).toBe(3);
  });

  test('remove of what has expired: a sweep takes them all, and so does whoever writes to the key', () => {
    const { target, faults, breaks } = faultyShard(100);
    for (let i = 0; i < 50; i++) {
      target.set(`k${i}`, 'v', 10);
    }
    breaks('remove', how);
    target.clock.nowMs += 20;
    expect(target.set('k0', 'new')).toBeUndefined();
    expect(target.call(OP_CLEANUP)).toBe(49);
    expect([target.size(), target.get('k0'), faults.length]).toEqual([1, 'new', 50]);
    target.shard.check();
  });

  test('remove by the timer that sweeps: the thread lives', () => {
    const { target, breaks } = faultyShard(100);
    const sweeper = new Sweeper(target.shard, target.clock, 0);
    target.set('k', 'v', 10);
    breaks('remove', how);
    target.clock.nowMs += 20;
    expect(() => void target.shard.sweep()).not.toThrow();
    sweeper.arm();
    expect(target.size()).toBe(0);
  });

  test.each([
    ['pop', OP_POP],
    ['popItem', OP_POP_ITEM],
  ])('remove by a %s: the value, of which there is no other copy, is given once', (_, op) => {
    const { target, faults, breaks } = full();
    breaks('remove', how);
    const result = target.call(op, 'a') as { bytes?: Buffer; value?: { bytes: Buffer } };
    expect((result.bytes ?? result.value?.bytes)?.toString()).toBe('a');
    expect([target.has('a'), target.size(), faults.length]).toEqual([false, 2, 1]);
    expect(target.shard.counts()).toMatchObject({ deletes: 1, policyFaults: 1, failures: 0 });
    target.shard.check();
  });
});

describe('a victim that is none', () => {
  test.each<[string, unknown]>([
    ['a free slot', 3],
    ['a slot that there is not', 1e9],
    ['a negative number', -2],
    ['a fraction', 0.5],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['nothing', undefined],
    ['null', null],
    ['text', '0'],
    ['a bigint', 0n],
    ['true', true],
    ['a symbol', Symbol('slot')],
    ['an object', { valueOf: () => 0 }],
    ['a list', [0]],
  ])('%s: the set is answered with POLICY_ERROR, nothing is lost, and reads go on', (_, victim) => {
    const { target, breaks, mends } = full();
    breaks('victim', 'answer', victim);
    for (let i = 0; i < 3; i++) {
      expect(target.set('d', 'd')).toMatchObject({ code: 'POLICY_ERROR', message: expect.stringContaining('victim') });
      target.shard.check();
    }
    expect(['a', 'b', 'c', 'd'].map((key) => target.get(key))).toEqual(['a', 'b', 'c', undefined]);
    expect(target.set('a', 'same size')).toBeUndefined();
    mends();
    expect(target.set('d', 'd')).toBeUndefined();
  });

  test('-1 is an answer: the shard is full', () => {
    const { target, faults, breaks } = full();
    breaks('victim', 'answer', -1);
    expect(target.set('d', 'd')).toMatchObject({ code: 'CACHE_FULL' });
    expect(faults).toEqual([]);
  });
});

test.each([undefined, 0, 1, 'yes', null])('an `add` that answers %o stores nothing and says so', (answer) => {
  const { target, breaks } = faultyShard();
  breaks('add', 'answer', answer);
  expect(target.set('k', 'v')).toMatchObject({
    code: 'POLICY_ERROR',
    message: expect.stringContaining('true or false'),
  });
  expect(target.size()).toBe(0);
  target.shard.check();
});

test.each([-1, 65, 0.5, Number.NaN, undefined, '1', 2 ** 31])(
  'an `ahead` that answers %o is not followed',
  (answer) => {
    const { target, faults, breaks } = full();
    breaks('ahead', 'answer', answer);
    target.set('d', 'd');
    target.set('e', 'e');
    expect(faults[0]?.message).toContain('`ahead`');
    target.shard.check();
  },
);

test('a hook that returns a promise is a fault, and one that rejects ends nothing', async () => {
  const { target, faults, breaks } = full();
  breaks('hit', 'answer', Promise.reject(new Error('later')));
  expect(target.get('a')).toBe('a');
  await new Promise((resolve) => setImmediate(resolve));
  expect(faults.map(({ message }) => message)).toEqual([
    'The eviction policy returned a Promise from `hit`, which must answer at once. No call was affected',
    'The eviction policy rejected in `hit`: later. No call was affected',
  ]);
});

test.each<[string, () => unknown, string]>([
  ['an error of a kind', () => new RangeError('too far'), 'RangeError: too far'],
  ['an error without a word', () => new Error(''), 'an Error without a message'],
  ['a very long one', () => new Error('x'.repeat(1e6)), `${'x'.repeat(200)}...`],
  ['half a surrogate pair', () => new Error('\ud800'), '\ufffd'],
  ['a string', () => 'why', "'why' (string)"],
  ['nothing', () => undefined, 'undefined'],
  ['a Proxy', () => new Proxy(new Error('x'), {}), 'a Proxy'],
  [
    'an error whose message is code',
    () => Object.defineProperty(new Error(), 'message', { get: fail }),
    'an Error without',
  ],
  [
    'an object whose class is code',
    () =>
      Object.create({
        get constructor() {
          return fail();
        },
      }),
    'an object',
  ],
  [
    'an error whose class is code',
    () =>
      Object.setPrototypeOf(new Error('x'), {
        get constructor() {
          return fail();
        },
      }),
    ': x. There',
  ],
])('%s that is thrown is told, within bounds', (_, thrown, told) => {
  const { target, breaks } = full();
  breaks('victim', 'before', thrown());
  const error = target.set('d', 'd') as unknown as Error;
  expect(error.message).toContain(told);
  expect(error.message.length).toBeLessThan(400);
});

function fail(): never {
  throw new Error('code ran');
}

test('a frame in which calls fail has one result for each', () => {
  const { target, breaks } = full();
  breaks('remove', 'after');
  const writer = new FrameWriter();
  const calls: [number, string][] = [
    [OP_DELETE, 'a'],
    [OP_POP, 'b'],
    [OP_SET, 'd'],
    [OP_POP_ITEM, ''],
    [OP_GET, 'd'],
    [OP_DELETE, 'd'],
    [OP_SIZE, ''],
  ];
  for (const [op, key] of calls) {
    target.key.encode(key);
    writer.add(op, target.key, 5, 0, Buffer.from('v'), 1);
  }
  expect(readReply(target.dispatch.call(writer.seal()))).toEqual([
    expect.objectContaining({ code: 'POLICY_ERROR' }),
    { tag: 0, bytes: Buffer.from('b') },
    undefined,
    expect.objectContaining({ key: Buffer.from('c') }),
    { tag: 5, bytes: Buffer.from('v') },
    expect.objectContaining({ code: 'POLICY_ERROR' }),
    0,
  ]);
});

describe.each(['lru', 'sieve', 'random', 'fifo'] as const)('%s, failing at random', (name) => {
  test('never breaks its shard, however much it loses track, and is sound again after a clear', () => {
    const random = seededRandom(`${name} failing`);
    const { target, breaks, mends } = faultyShard(40, name);
    const hooks: Hook[] = ['arrive', 'add', 'hit', 'update', 'remove', 'clear', 'victim', 'ahead'];
    const answers = [undefined, -1, 0, 7, 1e9, Number.NaN, '3', true, false];
    const step = (i: number): void => {
      const key = `k${random.below(80)}`;
      const value = Buffer.from('v'.repeat(random.below(100)));
      const op = [OP_SET, OP_SET, OP_SET, OP_UPDATE, OP_DELETE, OP_GET, OP_POP, OP_EXPIRE, OP_POP_ITEM, OP_CLEANUP];
      const ttlMs = random.oneIn(3) ? 1 + random.below(30) : 0;
      const result = target.ask(op[random.below(op.length)] as number, key, value, ttlMs);
      expect(result).not.toBe('PROTOCOL_ERROR');
      target.read(`k${random.below(80)}`);
      target.clock.nowMs += random.below(3);
      if (i % 20 === 0) target.shard.check();
      if (random.oneIn(500)) target.call(OP_CLEAR);
    };
    for (let i = 0; i < 20_000; i++) {
      if (random.oneIn(10)) {
        const how = (['before', 'after', 'answer'] as const)[random.below(3)] as Plan['how'];
        breaks(hooks[random.below(hooks.length)] as Hook, how, how === 'answer' ? answers[random.below(9)] : 'boom');
      } else {
        mends();
      }
      step(i);
    }
    expect(target.shard.counts().policyFaults).toBeGreaterThan(100);
    mends();
    target.clear();
    const before = target.shard.counts().policyFaults;
    for (let i = 0; i < 5_000; i++) {
      step(i);
    }
    expect(target.shard.counts().policyFaults).toBe(before);
  });
});
