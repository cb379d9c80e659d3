/**
 * Memory outlives its owner: the owner dies between any two stores of a call, another one takes over, which may die of the
 * same, and nothing that was acknowledged is lost.
 */
import { describe, expect, test } from 'vitest';
import { ClientMemory } from '../../src/protocol/client.ts';
import type { FilterName } from '../../src/protocol/filter.ts';
import {
  HEADER_BEAT,
  HEADER_BUCKETS,
  HEADER_SEQ_HIGH,
  HEADER_SEQ_LOW,
  reserveShard,
  ShardMemory,
  STRIPE_MASK,
  STRIPES_AT,
} from '../../src/protocol/memory.ts';
import {
  FLAG_KEEP_TTL,
  FLAG_SLIDING,
  OP_EXPIRE,
  OP_FILL,
  OP_INCREMENT,
  OP_LEASE,
  OP_METRICS,
  OP_POP,
  OP_POP_ITEM,
  OP_RESET_METRICS,
  OP_TTL,
  OP_UPDATE,
  type ShardCounts,
  type StoredEntry,
} from '../../src/protocol/operations.ts';
import { BUSY } from '../../src/protocol/reader.ts';
import { AdvisedEntries } from '../../src/worker/advice/advised-entries.ts';
import { Entries } from '../../src/worker/entries.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { filters } from '../../src/worker/filter/index.ts';
import { mend } from '../../src/worker/mend.ts';
import { Dying, type Scenario } from '../support/deaths.ts';
import {
  HandClock,
  LIMITS,
  makeShard,
  numbers,
  openShard,
  type ShardSetup,
  type ShardUnderTest,
} from '../support/shard.ts';

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

/** Every other block is a hole, and smaller than the one behind it: what is moved there overwrites what it is made of. */
function fillWithHoles(target: ShardUnderTest): void {
  for (let i = 0; i < 24; i++) {
    target.set(`${i}`, 'v'.repeat(i % 2 === 0 ? 4 : 24 + i));
  }
  for (let i = 0; i < 24; i += 2) {
    target.delete(`${i}`);
  }
}

/** An entry that is past its first deadline. */
function livesOn(target: ShardUnderTest): void {
  target.set('key 10', 'slides', 50, FLAG_SLIDING);
  target.clock.nowMs += 40;
  target.read('key 10');
  target.clock.nowMs += 40;
}

/** Every sum has other bits in both words. */
const ADDED = numbers(0.1, 1 / 3);
const counts = (target: ShardUnderTest) => target.ask(OP_INCREMENT, 'key 10', ADDED);
/** A value that may be served for a while after its ttl, as whoever computed it stores it. */
const fills = (target: ShardUnderTest) => {
  const token = target.call(OP_LEASE, 'key 10', numbers(1_000, 90), 50, FLAG_SLIDING) as number;
  target.call(OP_FILL, 'key 10', Buffer.from('computed'), token);
};
const expires = (ttlMs: number) => (target: ShardUnderTest) => target.ask(OP_EXPIRE, 'key 10', '', ttlMs);

/** Thousands of keys with the hash of one stripe would be rare; a thousand and more of any make a table split. */
const MANY = Array.from({ length: 1_030 }, (_, i) => `many ${i}`);

const SCENARIOS: Record<string, Scenario> = {
  'an insert': plain((target) => target.set('key 10', 'new')),
  'an overwrite': plain((target) => target.set('key 3', 'another value altogether')),
  'an overwrite of what lives on because it was read': plain(
    (target) => target.set('key 10', 'slides on', 30, FLAG_SLIDING),
    livesOn,
  ),
  'an overwrite of what slides by what does not': plain((target) => target.set('key 10', 'brief', 30), livesOn),
  'an overwrite of what lives for ever by what slides': plain(
    (target) => target.set('key 3', 'slides', 30, FLAG_SLIDING),
    livesOn,
  ),
  'an overwrite for which its old entry is moved': {
    limits: { bytesMax: 2_048 },
    keys: Array.from({ length: 24 }, (_, i) => `${i}`),
    heirsEvery: 29,
    prepare: fillWithHoles,
    act(target) {
      target.set('21', 'l'.repeat(700));
      expect(target.shard.contents.moved.blocks).toBeGreaterThan(5);
      expect(target.peek('21')).toHaveLength(700);
      expect(target.shard.entries).toBe(12);
    },
  },
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
  'an expiry for what has grace': plain(expires(400), (target) => fills(target)),
  'a value that was computed': plain((target) => fills(target)),
  'an update that keeps a grace': plain(
    (target) => target.ask(OP_UPDATE, 'key 10', 'another', 0, FLAG_KEEP_TTL),
    (target) => fills(target),
  ),
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
    heirsEvery: 29,
    prepare: fillWithHoles,
    act(target) {
      target.set('large', 'l'.repeat(700));
      expect(target.shard.contents.moved.blocks).toBeGreaterThan(5);
      expect(target.peek('large')).toHaveLength(700);
      expect(target.shard.entries).toBe(13);
    },
  },
  'an insert that splits a bucket': {
    limits: { bytesMax: 256 * 1024 },
    keys: [...MANY.slice(1_000), 'the last'],
    heirsEvery: 997,
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
  'a clear': { ...plain((target) => target.clear()), ownersEvery: 17, heirsEvery: 67 },
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

describe('an owner that takes over', () => {
  const LIMITS_OF_TEN = { bytesMax: 64 * 1024, entriesMax: 10 };
  /** The next owner of a shard's memory. */
  function heirOf(dead: ShardUnderTest, setup: Partial<ShardSetup> = {}): ShardUnderTest {
    const { memory, clock, client } = dead;
    const heir = openShard(memory, { limits: LIMITS_OF_TEN, clock, client, ...setup });
    heir.shard.check();
    return heir;
  }
  const victimsOf = (target: ShardUnderTest) =>
    Array.from({ length: 10 }, () => (target.call(OP_POP_ITEM) as StoredEntry).key.toString());
  const writeTen = (target: ShardUnderTest) => {
    for (let i = 0; i < 10; i++) {
      target.set(`${i}`, `value ${i}`);
    }
    for (const i of [3, 0, 7]) {
      target.set(`${i}`, 'again');
    }
  };
  const BY_AGE = ['1', '2', '4', '5', '6', '8', '9', '3', '0', '7'];

  test.each(['fifo', 'lru', 'sieve', 'clock', 's3-fifo', 'as3-fifo', 'arc', 'lfu', 'mfu'] as const)(
    'lets %s begin with the entries in the order in which they were written',
    (policy) => {
      const dead = makeShard(LIMITS_OF_TEN, policy);
      writeTen(dead);
      dead.memory.touched.fill(0);
      expect(victimsOf(heirOf(dead, { eviction: policy }))).toEqual(BY_AGE);
    },
  );

  test('knows the order of entries whose numbers in the write sequence lie far apart', () => {
    const memory = new ShardMemory(reserveShard(LIMITS_OF_TEN));
    let target = openShard(memory, { limits: LIMITS_OF_TEN, filter: false });
    for (const [i, [high, low]] of [
      [0, 5],
      [0, -5],
      [1, 3],
      [1, 4],
      [40, 4],
      [0x1f_ffff, -9],
    ].entries()) {
      memory.header[HEADER_SEQ_HIGH] = high as number;
      memory.header[HEADER_SEQ_LOW] = low as number;
      target = heirOf(target, { filter: false });
      // An old slot for a new entry, so that slots tell nothing.
      target.set('first', 'one');
      target.set(`${i}`, 'value');
      target.delete('first');
    }
    target = heirOf(target, { filter: false });
    expect(Array.from({ length: 6 }, () => (target.call(OP_POP_ITEM) as StoredEntry).key.toString())).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
      '5',
    ]);
  });

  test('serves what has expired for as long as the dead one would have', () => {
    const dead = makeShard();
    fills(dead);
    const { memory, clock } = dead;
    clock.nowMs += 50;
    const heir = openShard(memory, { limits: LIMITS, clock });
    const serve = () => heir.ask(OP_LEASE, 'key 10', numbers(1_000, 90), 50);
    expect([heir.get('key 10'), serve()]).toEqual([undefined, 'computed']);
    clock.nowMs += 90;
    expect([heir.shard.sweep(), heir.shard.entries]).toEqual([1, 0]);
    expect(serve()).toBeLessThan(0);
  });

  test('finds what readers have told of the entries: their bytes, and when they last read what slides', () => {
    const dead = makeShard(LIMITS_OF_TEN, 'clock');
    writeTen(dead);
    dead.memory.touched.fill(0);
    dead.read('1');
    dead.read('2');
    dead.set('9', 'slides', 100, FLAG_SLIDING);
    dead.memory.touched.fill(0, 9);
    dead.clock.nowMs += 60;
    dead.read('9');
    const heir = heirOf(dead, { eviction: 'clock' });
    heir.clock.nowMs += 60;
    expect(heir.peek('9')).toBe('slides');
    expect(heir.ask(OP_TTL, '9')).toBe(40);
    expect((heir.call(OP_POP_ITEM) as StoredEntry).key.toString()).toBe('4');
    heir.clock.nowMs += 41;
    expect(heir.shard.sweep()).toBe(1);
  });

  test('hears of hits that nobody has taken in, but not of those of entries that were written again', () => {
    const dead = makeShard(LIMITS_OF_TEN, 'lru');
    writeTen(dead);
    dead.read('1');
    dead.read('4');
    dead.shard.contents.hits.drain();
    dead.read('2');
    dead.client.push(dead.reader.slot, dead.reader.seqLow - 1);
    expect(victimsOf(heirOf(dead))).toEqual(['1', '4', '5', '6', '8', '9', '3', '0', '7', '2']);
  });

  test('goes on counting, and knows how many there were before', () => {
    const dead = makeShard(LIMITS_OF_TEN, 'lru');
    writeTen(dead);
    dead.set('eleventh', 'value');
    dead.get('9');
    dead.get('absent');
    dead.read('8');
    dead.delete('9');
    const before = dead.call(OP_METRICS) as ShardCounts;
    expect([dead.shard.contents.epoch, before.restarts]).toEqual([1, 0]);
    const heir = heirOf(dead);
    expect(heir.shard.contents.epoch).toBe(2);
    const { frames, calls } = before;
    expect(heir.call(OP_METRICS)).toEqual({ ...before, restarts: 1, frames: frames + 1, calls: calls + 1 });
    heir.call(OP_RESET_METRICS);
    heir.set('8', 'value');
    const counts = heirOf(heir).call(OP_METRICS) as ShardCounts;
    expect(counts).toMatchObject({
      restarts: 1,
      sets: 1,
      hits: 0,
      misses: 0,
      evictions: 0,
      entries: 9,
      entriesPeak: 9,
    });
  });

  test('lets go of whoever the policy refuses, or fails at, and tells of its faults', () => {
    const dead = makeShard(LIMITS_OF_TEN, 'fifo');
    writeTen(dead);
    const faults: string[] = [];
    const heir = heirOf(dead, {
      eviction: (context) => ({
        ...policies.fifo(context),
        add(slot) {
          if (context.keyOf(slot) === '5') throw new Error('not five');
          return context.keyOf(slot) !== '3';
        },
        remove() {},
      }),
      onPolicyFault: ({ message }) => faults.push(message),
    });
    expect(heir.scan(100).sort()).toEqual(['0', '1', '2', '4', '6', '7', '8', '9']);
    expect(faults).toEqual([expect.stringContaining('not five')]);
    expect(heir.shard.counts()).toMatchObject({ entries: 8, evictions: 2, policyFaults: 1, restarts: 1 });
  });

  test('finds nothing in memory that was never used, and counts nobody before it', () => {
    const first = makeShard(LIMITS_OF_TEN);
    expect([first.shard.entries, first.shard.contents.epoch, first.shard.counts().restarts]).toEqual([0, 1, 0]);
    const heir = heirOf(first);
    expect([heir.shard.entries, heir.shard.contents.epoch, heir.shard.counts().restarts]).toEqual([0, 2, 1]);
  });
});

test('an advisor hears of no gets that came before its owner', () => {
  const limits = { bytesMax: 64 * 1024, entriesMax: 10 };
  const memory = new ShardMemory(reserveShard(limits));
  const open = () => new Entries({ limits, memory, createPolicy: policies.lru, clock: new HandClock() });
  const client = new ClientMemory();
  const dead = open();
  dead.hits.connect(client, dead.tally.read);
  client.countHit();
  dead.tally.read.misses++;
  expect(new AdvisedEntries(dead).gets()).toBe(1);
  const heir = open();
  const advised = new AdvisedEntries(heir);
  heir.hits.connect(client, heir.tally.read);
  expect([advised.gets(), heir.tally.gets(heir.hits.clients)]).toEqual([0, 2]);
  client.countMiss();
  heir.hits.disconnect(client, heir.tally.read);
  expect(advised.gets()).toBe(1);
});

test('mended memory is read as ever, and mending it again changes nothing', () => {
  const target = makeShard({ entriesMax: 10 });
  target.set('there', 'value');
  target.key.encode('there');
  const { header } = target.memory;
  const stripe = STRIPES_AT + (target.key.hashLow & STRIPE_MASK);
  (header[stripe] as number)++;
  target.memory.heads.fill(0);
  expect(target.reader.read(target.key)).toBe(BUSY);
  mend(target.memory);
  expect(target.look('there')).toBe('value');
  const mended = [...header];
  mend(target.memory);
  expect([...header]).toEqual(mended);
});

test('an owner shows that it gets on: once in so many calls, and with every sweep', () => {
  const target = makeShard({ entriesMax: 10 });
  const beats = () => target.memory.header[HEADER_BEAT] as number;
  const before = beats();
  target.set('key', 'value');
  expect(beats()).toBe(before + 1);
  target.shard.sweep();
  expect(beats()).toBe(before + 2);
});
