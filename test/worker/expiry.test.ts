/**
 * Expiry in a shard: masses that die at once, deadlines of any length, clocks that jump or stand, deadlines that move.
 */
import { describe, expect, test } from 'vitest';
import {
  FLAG_KEEP_TTL,
  FLAG_SLIDING,
  OP_ADD,
  OP_DELETE,
  OP_DEMAND,
  OP_EXPIRE,
  OP_FILL,
  OP_LEASE,
  OP_LOOKUP,
  OP_METRICS,
  OP_PEEK,
  OP_POP_ITEM,
  OP_SET,
  OP_TOUCH,
  OP_TTL,
  OP_UPDATE,
} from '../../src/protocol/operations.ts';
import { Reader } from '../../src/protocol/reader.ts';
import type { PolicyName } from '../../src/protocol/spec.ts';
import { POP_EXPIRED_MAX } from '../../src/worker/entries.ts';
import { policies } from '../../src/worker/eviction/index.ts';
import { MARKS } from '../../src/worker/expired-marks.ts';
import { SWEEP_ENTRIES_MAX } from '../../src/worker/shard.ts';
import { seededRandom } from '../support/random.ts';
import { makeShard, numbers, type ShardUnderTest } from '../support/shard.ts';

const YEAR_MS = 365 * 24 * 3_600_000;
const MASS = 200_000;

/** Sweeps until nothing is due, and says how many left. */
function sweepAll(target: ShardUnderTest): number {
  let removed = 0;
  while (target.shard.isDue) {
    removed += target.shard.sweep();
  }
  return removed;
}

/** Whether the key reads as expected, by frame and through shared memory; neither looks like a use. */
function isThere(target: ShardUnderTest, key: string): boolean {
  target.key.encode(key);
  const found = target.reader.probe(target.key) !== 0;
  expect(target.peek(key) !== undefined, key).toBe(found);
  return found;
}

describe('a mass of entries with one deadline', () => {
  test('leaves in slices, answers go on meanwhile, and nobody sees a dead value', () => {
    const target = makeShard({ bytesMax: 64 * 1024 * 1024 });
    const { shard, clock } = target;
    const random = seededRandom('a mass expires');
    for (let i = 0; i < MASS; i++) {
      target.set(`k${i}`, 'v', 60_000);
    }
    target.set('later', 'v', 60_001);
    target.set('for ever', 'v');
    clock.nowMs += 60_000;
    let slices = 0;
    while (shard.isDue) {
      const before = shard.entries;
      const removed = shard.sweep();
      expect(removed).toBeLessThanOrEqual(SWEEP_ENTRIES_MAX);
      expect(shard.entries).toBe(before - removed);
      slices++;
      const key = `k${random.below(MASS)}`;
      expect(target.get(key) ?? target.read(key) ?? target.ask(OP_TTL, key)).toBeUndefined();
      expect(target.set(`new ${slices}`, 'v')).toBeUndefined();
      expect([target.get('later'), target.read('for ever'), target.read(`new ${slices}`)]).toEqual(['v', 'v', 'v']);
    }
    expect(slices).toBeGreaterThanOrEqual(MASS / SWEEP_ENTRIES_MAX);
    expect(shard.entries).toBe(2 + slices);
    expect(shard.counts().expirations).toBe(MASS);
    expect(shard.sweepAtMs).toBeGreaterThan(clock.nowMs);
    shard.check();
  });

  test.each(Object.keys(policies) as PolicyName[])('makes room for the new ones under %s, unswept', (policy) => {
    const entriesMax = 10_000;
    const target = makeShard({ entriesMax, bytesMax: 4 * 1024 * 1024 }, policy);
    for (let i = 0; i < entriesMax; i++) {
      target.set(`k${i}`, 'v', i % 2 === 0 ? 1_000 : 0);
    }
    target.clock.nowMs += 1_000;
    for (let i = 0; i < entriesMax / 2; i++) {
      expect(target.set(`new ${i}`, 'v')).toBeUndefined();
    }
    expect(target.shard.counts()).toMatchObject({ evictions: 0, expirations: entriesMax / 2, entries: entriesMax });
    expect(Array.from({ length: entriesMax }, (_, i) => i).filter((i) => i % 2 === 1 && !target.has(`k${i}`))).toEqual(
      [],
    );
    target.shard.check();
  });
});

describe('a deadline', () => {
  /** About the edges of every level of the wheel, and behind all of them. */
  const TTLS = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((power) => [64 ** power - 1, 64 ** power, 64 ** power + 1]);

  test('of any length is met to the millisecond, whether swept on the way or not', () => {
    for (const ttlMs of TTLS.filter((ms) => ms > 0)) {
      for (const steps of [1, 7]) {
        const target = makeShard({ bytesMax: 16 * 1024 });
        target.set('k', 'v', ttlMs);
        const bornMs = target.clock.nowMs;
        for (let step = 1; step <= steps; step++) {
          target.clock.nowMs = bornMs + Math.floor(((ttlMs - 1) * step) / steps);
          expect(sweepAll(target)).toBe(0);
        }
        expect(isThere(target, 'k')).toBe(true);
        target.clock.nowMs = bornMs + ttlMs;
        expect(isThere(target, 'k')).toBe(false);
        expect(sweepAll(target)).toBe(1);
        target.shard.check();
      }
    }
  });

  test('as far as numbers reach is never met', () => {
    const target = makeShard();
    target.set('k', 'v', Number.MAX_SAFE_INTEGER);
    target.clock.nowMs += 100_000 * YEAR_MS;
    expect(sweepAll(target)).toBe(0);
    expect(isThere(target, 'k')).toBe(true);
  });

  test('of thousands, of any length, is met when the clock jumps by years at once', () => {
    const random = seededRandom('jumps of years');
    const target = makeShard({ bytesMax: 4 * 1024 * 1024 });
    const { clock, shard } = target;
    const deadlines = new Map<string, number>();
    for (let i = 0; i < 5_000; i++) {
      const ttlMs = random.logUniform(1, 100 * YEAR_MS);
      target.set(`k${i}`, 'v', ttlMs);
      deadlines.set(`k${i}`, clock.nowMs + ttlMs);
    }
    while (deadlines.size > 0) {
      clock.nowMs += random.logUniform(1, 30 * YEAR_MS);
      const due = [...deadlines].filter(([, deadlineMs]) => deadlineMs <= clock.nowMs);
      expect(sweepAll(target)).toBe(due.length);
      for (const [key] of due) {
        deadlines.delete(key);
      }
      expect(shard.entries).toBe(deadlines.size);
      shard.check();
    }
  });
});

describe('a clock', () => {
  test('that stands still lets nothing expire, and leaves nothing to sweep', () => {
    const target = makeShard();
    for (let i = 0; i < 100; i++) {
      target.set(`k${i}`, 'v', 0.5 + i);
      expect(target.shard.isDue).toBe(false);
      expect(target.shard.sweep()).toBe(0);
    }
    expect(target.shard.entries).toBe(100);
    expect(target.shard.sweepAtMs).toBeGreaterThan(target.clock.nowMs);
  });

  test('that steps back gives the time back to what has not been swept', () => {
    const target = makeShard();
    target.set('k', 'v', 50);
    target.clock.nowMs += 40;
    target.shard.sweep();
    target.clock.nowMs -= 30;
    target.set('young', 'v', 10);
    expect([sweepAll(target), target.get('k'), target.get('young')]).toEqual([0, 'v', 'v']);
    target.clock.nowMs += 10;
    expect(target.get('young')).toBeUndefined();
    target.clock.nowMs += 30;
    expect([target.get('k'), sweepAll(target)]).toEqual([undefined, 2]);
    target.shard.check();
  });
});

describe('expire', () => {
  /** How the entry was born: its ttl and its flags. */
  const BIRTHS = { 'for ever': [0, 0], 'with a ttl': [100, 0], sliding: [100, FLAG_SLIDING] } as const;

  describe.each(Object.entries(BIRTHS))('of an entry that lives %s', (_, [bornMs, flags]) => {
    test.each([1, 30, 99, 100, 101, 5_000, 10 * YEAR_MS])('moves its deadline to %i ms from now', (ttlMs) => {
      const target = makeShard();
      target.set('k', 'v', bornMs, flags);
      target.clock.nowMs += 20;
      expect(target.ask(OP_EXPIRE, 'k', '', ttlMs)).toBeUndefined();
      expect(target.ask(OP_TTL, 'k')).toBe(ttlMs);
      target.shard.check();
      target.clock.nowMs += ttlMs - 1;
      expect([sweepAll(target), isThere(target, 'k')]).toEqual([0, true]);
      target.clock.nowMs += 1;
      expect([isThere(target, 'k'), sweepAll(target)]).toEqual([false, 1]);
      expect(target.shard.sweepAtMs).toBe(Number.POSITIVE_INFINITY);
      target.shard.check();
    });

    test('for ever takes its deadline away, and it can be given another', () => {
      const target = makeShard();
      target.set('k', 'v', bornMs, flags);
      for (let round = 0; round < 3; round++) {
        expect(target.ask(OP_EXPIRE, 'k', '', 0)).toBeUndefined();
        target.shard.check();
        expect(target.ask(OP_TTL, 'k')).toBe(Number.POSITIVE_INFINITY);
        target.clock.nowMs += 10 * YEAR_MS;
        expect([sweepAll(target), isThere(target, 'k')]).toEqual([0, true]);
        expect(target.ask(OP_EXPIRE, 'k', '', 10)).toBeUndefined();
      }
      target.clock.nowMs += 10;
      expect([isThere(target, 'k'), sweepAll(target)]).toEqual([false, 1]);
      target.shard.check();
    });
  });

  test('of one that slides makes it slide by the new ttl', () => {
    const target = makeShard();
    target.set('k', 'v', 100, FLAG_SLIDING);
    target.ask(OP_EXPIRE, 'k', '', 30);
    target.clock.nowMs += 29;
    target.read('k');
    expect(target.ask(OP_TTL, 'k')).toBe(30);
  });

  test('of one that was read while it slid far does not keep the far deadline', () => {
    const target = makeShard();
    target.set('k', 'v', 1_000, FLAG_SLIDING);
    target.clock.nowMs += 900;
    target.read('k');
    target.ask(OP_EXPIRE, 'k', '', 10);
    expect(target.ask(OP_TTL, 'k')).toBe(10);
    target.clock.nowMs += 10;
    expect([isThere(target, 'k'), sweepAll(target)]).toEqual([false, 1]);
  });

  test('of one that has expired is too late', () => {
    const target = makeShard();
    target.set('k', 'v', 10);
    target.clock.nowMs += 10;
    expect(target.ask(OP_EXPIRE, 'k', '', 1_000)).toBe('KEY_EXPIRED');
    expect(target.ask(OP_EXPIRE, 'k', '', 1_000)).toBe('KEY_NOT_FOUND');
    expect(target.shard.entries).toBe(0);
  });

  test('again and again, back and forth, leaves one timer', () => {
    const random = seededRandom('expire again');
    const target = makeShard({ bytesMax: 64 * 1024 });
    const deadlines = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const key = `k${random.below(50)}`;
      const ttlMs = random.oneIn(4) ? 0 : random.logUniform(1, 2_000);
      const isAlive = (deadlines.get(key) ?? 0) > target.clock.nowMs;
      if (random.oneIn(3) || !isAlive) {
        target.set(key, 'v', ttlMs);
      } else {
        expect(target.ask(OP_EXPIRE, key, '', ttlMs)).toBeUndefined();
      }
      deadlines.set(key, ttlMs === 0 ? Number.POSITIVE_INFINITY : target.clock.nowMs + ttlMs);
      if (random.oneIn(5)) {
        target.clock.nowMs += random.below(50);
        sweepAll(target);
        expect(target.shard.entries).toBe([...deadlines.values()].filter((ms) => ms > target.clock.nowMs).length);
        target.shard.check();
      }
    }
  });
});

describe('grace', () => {
  const GRACE_MS = 1_000;

  /** Stores a value as whoever computed it does. */
  function fill(target: ShardUnderTest, ttlMs: number, graceMs: number): void {
    const token = target.call(OP_LEASE, 'k', numbers(30_000, graceMs), ttlMs) as number;
    expect(target.ask(OP_FILL, 'k', 'v', token)).toBe(true);
  }

  /** What whoever would take an expired value is given. */
  function serve(target: ShardUnderTest): unknown {
    return target.ask(OP_LEASE, 'k', numbers(30_000, GRACE_MS), 10);
  }

  test.each([OP_UPDATE, OP_EXPIRE])('outlasts calls that come too late to change anything (%i)', (op) => {
    const target = makeShard();
    fill(target, 10, GRACE_MS);
    target.clock.nowMs += 10;
    expect(target.ask(op, 'k', 'new', 1_000)).toBe('KEY_EXPIRED');
    expect(serve(target)).toBe('v');
    target.clock.nowMs += GRACE_MS;
    expect(target.ask(op, 'k', 'new', 1_000)).toBe('KEY_EXPIRED');
    expect(target.shard.entries).toBe(0);
  });

  test.each([OP_SET, OP_ADD, OP_DELETE])('ends with whatever writes (%i)', (op) => {
    const target = makeShard();
    fill(target, 10, GRACE_MS);
    target.clock.nowMs += 10;
    target.ask(op, 'k', 'new', 10);
    target.clock.nowMs += 10;
    expect(serve(target)).toBeGreaterThan(0);
    target.shard.check();
  });

  test.each([
    [100, Number.POSITIVE_INFINITY],
    [Number.MAX_VALUE, Number.MAX_VALUE],
    [100, Number.NaN],
    [100, -1],
  ])('of any length leaves the wheel whole: ttl %d, grace %d', (ttlMs, graceMs) => {
    const target = makeShard();
    fill(target, ttlMs, graceMs);
    target.shard.check();
    target.clock.nowMs += 1_000;
    sweepAll(target);
    target.delete('k');
    target.shard.check();
  });
});

describe('an entry that slides', () => {
  test('is read until what overwrites it is there, and that begins anew', () => {
    const target = makeShard();
    target.set('k', 'v', 100, FLAG_SLIDING);
    target.clock.nowMs += 60;
    target.read('k');
    target.key.encode('k');
    const readAt = target.memory.lastRead[target.reader.slot];
    target.clock.nowMs += 60;
    target.set('k', 'w', 100, FLAG_SLIDING);
    // Whoever reads the old value now finds the last read of it, and not an entry that has expired.
    expect(target.memory.lastRead[target.reader.slot]).toBe(readAt);
    expect(target.ask(OP_TTL, 'k')).toBe(100);
    target.clock.nowMs += 99;
    expect(isThere(target, 'k')).toBe(true);
    target.clock.nowMs += 1;
    expect(isThere(target, 'k')).toBe(false);
  });

  const USES: Record<string, (target: ShardUnderTest) => unknown> = {
    'a read through shared memory': (target) => target.read('k'),
    'a get by frame': (target) => target.get('k'),
    'a touch': (target) => target.ask(OP_TOUCH, 'k'),
    'a lookup': (target) => target.ask(OP_LOOKUP, 'k'),
    'a getOrThrow': (target) => target.ask(OP_DEMAND, 'k'),
  };

  test.each(Object.entries(USES))('lives on with %s every so often, and leaves when it stops', (_, use) => {
    for (const ttlMs of [10, 1_000, YEAR_MS]) {
      const target = makeShard();
      target.set('k', 'v', ttlMs, FLAG_SLIDING);
      target.set('unused', 'v', ttlMs, FLAG_SLIDING);
      target.set('plain', 'v', ttlMs);
      for (let round = 0; round < 20; round++) {
        target.clock.nowMs += ttlMs - 1;
        expect(use(target)).not.toBeUndefined();
        // Those that nobody used left in the second round, and no other ever.
        expect(sweepAll(target)).toBe(round === 1 ? 2 : 0);
        expect(target.ask(OP_TTL, 'k')).toBe(ttlMs);
      }
      target.clock.nowMs += ttlMs - 1;
      expect([sweepAll(target), isThere(target, 'k')]).toEqual([0, true]);
      target.clock.nowMs += 1;
      expect([isThere(target, 'k'), sweepAll(target), target.shard.entries]).toEqual([false, 1, 0]);
      target.shard.check();
    }
  });

  test('does not live on by looks that are no use', () => {
    const target = makeShard();
    target.set('k', 'v', 100, FLAG_SLIDING);
    target.clock.nowMs += 90;
    target.ask(OP_PEEK, 'k');
    target.has('k');
    target.ask(OP_TTL, 'k');
    target.scan(10);
    expect(target.ask(OP_TTL, 'k')).toBe(10);
  });

  test('starts anew in a slot where another was read', () => {
    const target = makeShard({ entriesMax: 1 });
    target.set('old', 'v', 1_000, FLAG_SLIDING);
    target.clock.nowMs += 900;
    target.read('old');
    target.delete('old');
    for (const key of ['a', 'b', 'c']) {
      target.set(key, 'v', 5, FLAG_SLIDING);
      expect(target.ask(OP_TTL, key)).toBe(5);
    }
  });
});

test('an update that keeps a sliding ttl takes over its deadline', () => {
  const target = makeShard();
  target.set('k', 'v', 1_000, FLAG_SLIDING);
  target.clock.nowMs += 200;
  target.read('k');
  target.clock.nowMs += 500;
  expect(target.ask(OP_UPDATE, 'k', 'w', 0, FLAG_KEEP_TTL)).toBeUndefined();
  expect(target.ask(OP_TTL, 'k')).toBe(500);
  target.clock.nowMs += 499;
  target.get('k');
  expect(target.ask(OP_TTL, 'k')).toBe(1_000);
});

describe('valid entries', () => {
  test('are those that have not expired, swept or not', () => {
    const target = makeShard({ bytesMax: 4 * 1024 * 1024 });
    for (let i = 0; i < 10_000; i++) {
      target.set(`k${i}`, 'v', i % 4 === 0 ? 0 : i % 4 === 1 ? 50 : 5_000);
    }
    const gauges = () => {
      const { entries, validEntries } = target.call(OP_METRICS) as { entries: number; validEntries: number };
      return [entries, validEntries];
    };
    expect(gauges()).toEqual([10_000, 10_000]);
    target.clock.nowMs += 50;
    expect(gauges()).toEqual([10_000, 7_500]);
    expect(target.size()).toBe(10_000);
    target.shard.sweep(1_000);
    expect(gauges()).toEqual([9_000, 7_500]);
    sweepAll(target);
    expect(gauges()).toEqual([7_500, 7_500]);
    target.clock.nowMs += 5_000;
    expect(gauges()).toEqual([7_500, 2_500]);
  });
});

describe('KEY_EXPIRED', () => {
  test.each([true, false])('is said once after an expiry (swept: %s), then KEY_NOT_FOUND', (swept) => {
    const target = makeShard();
    target.set('k', 'v', 10);
    target.clock.nowMs += 10;
    if (swept) {
      sweepAll(target);
    }
    expect(target.ask(OP_LOOKUP, 'k')).toBe(true);
    expect(target.get('k')).toBeUndefined();
    expect(target.ask(OP_LOOKUP, 'k')).toBe(true);
    expect(target.ask(OP_DEMAND, 'k')).toBe('KEY_EXPIRED');
    expect(target.ask(OP_DEMAND, 'k')).toBe('KEY_NOT_FOUND');
    expect(target.ask(OP_LOOKUP, 'k')).toBeUndefined();
  });

  test('is not said of what was deleted, evicted, cleared or stored again meanwhile', () => {
    const target = makeShard({ entriesMax: 2 });
    const expire = (key: string) => {
      target.set(key, 'v', 10);
      target.clock.nowMs += 10;
      sweepAll(target);
    };
    expire('stored');
    target.ask(OP_SET, 'stored', 'again');
    target.delete('stored');
    expire('cleared');
    target.clear();
    for (const key of ['evicted', 'a', 'b', 'deleted']) {
      target.set(key, 'v', 10);
    }
    target.delete('deleted');
    for (const key of ['stored', 'cleared', 'evicted', 'deleted']) {
      expect(target.ask(OP_DEMAND, key), key).toBe('KEY_NOT_FOUND');
    }
  });

  test(`is said of the last ${MARKS} keys that expired`, () => {
    const target = makeShard();
    for (let i = 0; i < MARKS + 10; i++) {
      target.set(`k${i}`, 'v', 10 + i);
    }
    for (let i = 0; i < MARKS + 10; i++) {
      target.clock.nowMs = 1_010 + i;
      sweepAll(target);
    }
    const answers = Array.from({ length: MARKS + 10 }, (_, i) => target.ask(OP_DEMAND, `k${i}`));
    expect(answers.slice(0, 10)).toEqual(Array(10).fill('KEY_NOT_FOUND'));
    expect(answers.slice(10)).toEqual(Array(MARKS).fill('KEY_EXPIRED'));
  });
});

test('a read never takes back time that a later read has given', () => {
  const target = makeShard();
  target.set('k', 'v', 100, FLAG_SLIDING);
  const [early, late] = [new Reader(target.memory, target.clock), new Reader(target.memory, target.clock)];
  target.key.encode('k');
  target.clock.nowMs += 50;
  early.probe(target.key);
  target.clock.nowMs += 40;
  late.probe(target.key);
  late.slide();
  early.slide();
  target.clock.nowMs += 99;
  expect(target.peek('k')).toBe('v');
  target.clock.nowMs += 1;
  expect(target.peek('k')).toBeUndefined();
});

describe('popItem', () => {
  test('removes a bounded number of expired entries in one call, and says when it must be asked again', () => {
    const target = makeShard({ bytesMax: 16 * 1024 * 1024 });
    for (let i = 0; i < POP_EXPIRED_MAX * 4; i++) {
      target.set(`k${i}`, 'v', 10);
    }
    target.set('live', 'v');
    target.clock.nowMs += 10;
    for (let left = 3; left >= 0; left--) {
      expect(target.call(OP_POP_ITEM)).toBe(false);
      expect(target.size()).toBe(POP_EXPIRED_MAX * left + 1);
    }
    expect(target.call(OP_POP_ITEM)).toMatchObject({ key: Buffer.from('live') });
    expect(target.call(OP_POP_ITEM)).toBeUndefined();
    expect(target.shard.counts()).toMatchObject({ expirations: POP_EXPIRED_MAX * 4, deletes: 1, entries: 0 });
    target.shard.check();
  });

  test('steps over a bounded number of empty slots where the policy names nobody', () => {
    const target = makeShard({ bytesMax: 32 * 1024 * 1024 }, 'none');
    for (let i = 0; i < MASS; i++) {
      target.set(`k${i}`, 'v');
    }
    for (let i = 0; i < MASS - 1; i++) {
      target.delete(`k${i}`);
    }
    const answers = Array.from({ length: 5 }, () => target.call(OP_POP_ITEM));
    expect(answers.filter((answer) => answer === false)).toHaveLength(3);
    expect(answers.slice(3)).toEqual([expect.objectContaining({ key: Buffer.from(`k${MASS - 1}`) }), undefined]);
  });
});
