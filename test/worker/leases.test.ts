import { describe, expect, test } from 'vitest';
import type { LeaseEnd } from '../../src/protocol/lease-end.ts';
import {
  FLAG_SLIDING,
  OP_ADD,
  OP_CLEAR,
  OP_DELETE,
  OP_DEMAND,
  OP_EXPIRE,
  OP_FILL,
  OP_GET,
  OP_HAS,
  OP_INCREMENT,
  OP_LEASE,
  OP_LOOKUP,
  OP_PEEK,
  OP_POP,
  OP_RELEASE,
  OP_SET,
  OP_TOUCH,
  OP_TTL,
  OP_UPDATE,
  type StoredValue,
} from '../../src/protocol/operations.ts';
import { type Asker, LEASES_MAX, Leases, type LeaseTerms } from '../../src/worker/leases.ts';
import { seededRandom } from '../support/random.ts';
import { makeShard, numbers, type ShardUnderTest } from '../support/shard.ts';

const KEY = { hashLow: 7, hashHigh: 9 };

function keyOf(id: number): typeof KEY {
  return { hashLow: id | 0, hashHigh: id >>> 3 };
}

/** A client that remembers what it is told. */
class Listener implements Asker {
  readonly heard: LeaseEnd[] = [];
  tell(end: LeaseEnd): void {
    this.heard.push(end);
  }
}

const LEASE_MS = 30_000;
const TERMS: LeaseTerms = { leaseMs: LEASE_MS, ttlMs: 1, slides: false, graceMs: 0 };
const VALUE = Buffer.from('value');
const NOTHING = Buffer.alloc(0);
const HOLDER = new Listener();

function grant(leases: Leases, id: number, nowMs = 0, holder: Asker = HOLDER): number {
  return leases.grant(keyOf(id), holder, nowMs, TERMS);
}

function redeem(leases: Leases, id: number, token: number): LeaseTerms | undefined {
  return leases.redeem(keyOf(id), token, 1, VALUE);
}

describe('a lease', () => {
  test('has one holder, and its token ends it once', () => {
    const leases = new Leases(1);
    const terms = { ...TERMS, ttlMs: 500, slides: true, graceMs: 7 };
    const token = leases.grant(KEY, HOLDER, 0, terms);
    expect(token).toBeGreaterThan(0);
    expect(leases.grant(KEY, HOLDER, 0, TERMS)).toBe(-token);
    expect(leases.redeem(KEY, token + 1, 1, VALUE)).toBeUndefined();
    expect(leases.redeem(keyOf(1), token, 1, VALUE)).toBeUndefined();
    expect(leases.redeem(KEY, token, 1, VALUE)).toMatchObject(terms);
    expect(leases.redeem(KEY, token, 1, VALUE)).toBeUndefined();
    expect(leases.grant(KEY, HOLDER, 0, TERMS)).toBeGreaterThan(token);
  });

  test('is taken over when its time is up, and not a millisecond before', () => {
    const leases = new Leases(1);
    const first = grant(leases, 1, 1_000);
    expect(grant(leases, 1, 1_000 + LEASE_MS - 1)).toBe(-first);
    const second = grant(leases, 1, 1_000 + LEASE_MS);
    expect(second).toBeGreaterThan(first);
    expect(grant(leases, 1, 1_000 + LEASE_MS + 1)).toBe(-second);
    expect(redeem(leases, 1, first)).toBeUndefined();
    expect(redeem(leases, 1, second)).toBeDefined();
  });

  test('may be redeemed late, as long as nobody took it over', () => {
    const leases = new Leases(1);
    const token = grant(leases, 1);
    expect(redeem(leases, 1, token)).toBeDefined();
  });

  test('ends when somebody writes to its key, and only then', () => {
    const leases = new Leases(1);
    const token = grant(leases, 7);
    const other = grant(leases, 1);
    leases.break(keyOf(7));
    leases.break(keyOf(2));
    expect(redeem(leases, 7, token)).toBeUndefined();
    expect(redeem(leases, 1, other)).toBeDefined();
  });

  test('is told from another by 32 low and 21 high bits of the hash', () => {
    const leases = new Leases(1);
    const hashes = [0, 1, -1, 0x7fff_ffff, -0x8000_0000].flatMap((hashLow) =>
      [0, 1, 0x10_0000, 0x1f_ffff].map((hashHigh) => ({ hashLow, hashHigh })),
    );
    const tokens = hashes.map((hash) => leases.grant(hash, HOLDER, 0, TERMS));
    expect(new Set(tokens).size).toBe(hashes.length);
    expect(tokens.every((token) => token > 0)).toBe(true);
  });

  test('of an owner that died is none to the next', () => {
    const before = new Leases(1);
    const after = new Leases(2);
    const token = grant(before, 1);
    expect(grant(after, 1)).not.toBe(token);
    expect(redeem(after, 1, token)).toBeUndefined();
  });
});

describe('who waits for a lease', () => {
  test('gets a copy of what its holder brings, once, and the holder nothing', () => {
    const leases = new Leases(1);
    const [holder, waiter, other] = [new Listener(), new Listener(), new Listener()];
    const token = grant(leases, 1, 0, holder);
    for (const each of [waiter, waiter, holder]) grant(leases, 1, 0, each);
    grant(leases, 2, 0, other);
    const bytes = Buffer.from('made');
    leases.redeem(keyOf(1), token, 3, bytes);
    bytes.fill(0);
    expect(waiter.heard).toEqual([{ lease: token, value: { tag: 3, bytes: new Uint8Array(Buffer.from('made')) } }]);
    expect([...holder.heard, ...other.heard]).toEqual([]);
  });

  test('gets it, too, when the key was written to meanwhile; but who asks after that write waits for another', () => {
    const leases = new Leases(1);
    const [waiter, later] = [new Listener(), new Listener()];
    const token = grant(leases, 1);
    grant(leases, 1, 0, waiter);
    leases.break(keyOf(1));
    const next = grant(leases, 1, 0, later);
    expect(next).toBeGreaterThan(token);
    expect(redeem(leases, 1, token)).toBeUndefined();
    expect(waiter.heard).toMatchObject([{ lease: token, value: { tag: 1 } }]);
    expect(later.heard).toEqual([]);
    expect(redeem(leases, 1, next)).toBeDefined();
  });

  test('gets what the factory threw, or hears that he has to ask again', () => {
    const leases = new Leases(1);
    const waiter = new Listener();
    const token = grant(leases, 1);
    grant(leases, 1, 0, waiter);
    expect(leases.release(keyOf(1), token, VALUE)).toBe(true);
    expect(waiter.heard).toEqual([{ lease: token, thrown: new Uint8Array(VALUE) }]);
    const again = grant(leases, 1);
    grant(leases, 1, 0, waiter);
    leases.release(keyOf(1), again, NOTHING);
    expect(waiter.heard.slice(1)).toEqual([{ lease: again }]);
  });

  test('has to ask again when the holder is gone, or his time is over', () => {
    const leases = new Leases(1);
    const [holder, waiter] = [new Listener(), new Listener()];
    const token = grant(leases, 1, 0, holder);
    grant(leases, 1, 0, waiter);
    leases.abandon(holder);
    expect(waiter.heard).toEqual([{ lease: token }]);
    const second = grant(leases, 1);
    grant(leases, 1, 0, waiter);
    const third = grant(leases, 1, LEASE_MS, waiter);
    expect(third).toBeGreaterThan(second);
    expect(waiter.heard.slice(1)).toEqual([{ lease: second }]);
  });

  test('waits for no client that was gone before its call had its turn', () => {
    const leases = new Leases(1);
    const [late, waiter] = [new Listener(), new Listener()];
    leases.abandon(late);
    expect(grant(leases, 1, 0, late)).toBe(0);
    expect(grant(leases, 1, 0, waiter)).toBeGreaterThan(0);
  });

  test('hears nothing any more when he is gone himself', () => {
    const leases = new Leases(1);
    const waiter = new Listener();
    const token = grant(leases, 1);
    grant(leases, 1, 0, waiter);
    leases.abandon(waiter);
    redeem(leases, 1, token);
    expect(waiter.heard).toEqual([]);
  });
});

test('a holder who does not know whether he is one gives back what is his, and nothing else', () => {
  const leases = new Leases(1);
  const [holder, other] = [new Listener(), new Listener()];
  const token = grant(leases, 1, 0, holder);
  expect(leases.releaseUnknown(keyOf(1), other)).toBe(false);
  expect(leases.releaseUnknown(keyOf(2), holder)).toBe(false);
  expect(grant(leases, 1)).toBe(-token);
  expect(leases.releaseUnknown(keyOf(1), holder)).toBe(true);
  expect(grant(leases, 1)).toBeGreaterThan(token);
});

test('a lease that its holder does not know of ends for those who wait, also when it counts no more', () => {
  const leases = new Leases(1);
  const [holder, waiter] = [new Listener(), new Listener()];
  const token = grant(leases, 1, 0, holder);
  grant(leases, 1, 0, waiter);
  leases.break(keyOf(1));
  expect(leases.releaseUnknown(keyOf(1), holder)).toBe(false);
  expect(waiter.heard).toEqual([{ lease: token }]);
});

test(`beyond ${LEASES_MAX} computations the oldest is forgotten, and whoever waits for it asks again`, () => {
  const leases = new Leases(1);
  const waiter = new Listener();
  const tokens = Array.from({ length: LEASES_MAX }, (_, id) => grant(leases, id));
  grant(leases, 0, 0, waiter);
  grant(leases, -1);
  expect(waiter.heard).toEqual([{ lease: tokens[0] }]);
  expect(redeem(leases, 0, tokens[0] as number)).toBeUndefined();
  expect(redeem(leases, 1, tokens[1] as number)).toBeDefined();
  // A place is free now.
  grant(leases, -2);
  expect(redeem(leases, 2, tokens[2] as number)).toBeDefined();
});

test('tokens are never given twice, and only the last one of a key counts', () => {
  const random = seededRandom('leases');
  const leases = new Leases(1);
  const given: number[] = [];
  const held = new Map<number, { token: number; sinceMs: number }>();
  let nowMs = 0;
  for (let step = 0; step < 50_000; step++) {
    const id = random.below(40);
    const mine = held.get(id);
    const dice = random.below(10);
    if (dice < 5) {
      const token = grant(leases, id, nowMs);
      expect(token < 0).toBe(mine !== undefined && nowMs - mine.sinceMs < LEASE_MS);
      if (token < 0) {
        expect(-token).toBe(mine?.token);
      } else {
        expect(token).toBeGreaterThan(given.at(-1) ?? 0);
        given.push(token);
        held.set(id, { token, sinceMs: nowMs });
      }
    } else if (dice < 7) {
      const token = given[random.below(given.length + 1)] ?? 5;
      expect(redeem(leases, id, token) !== undefined).toBe(token === mine?.token);
      if (token === mine?.token) {
        held.delete(id);
      }
    } else if (dice < 8 && mine !== undefined) {
      expect(redeem(leases, id, mine.token)).toBeDefined();
      held.delete(id);
    } else if (dice < 9) {
      leases.break(keyOf(id));
      held.delete(id);
    } else {
      nowMs += random.below(LEASE_MS / 4);
    }
    if (random.oneIn(2_000)) {
      leases.clear();
      held.clear();
    }
  }
});

describe('in a shard', () => {
  /** The first token of a shard's first owner. */
  const FIRST = 2 ** 32 + 1;
  const lease = (target: ShardUnderTest, ttlMs = 0, flags = 0, graceMs = 0) =>
    target.ask(OP_LEASE, 'k', numbers(LEASE_MS, graceMs), ttlMs, flags);

  const WRITES: Record<string, (target: ShardUnderTest) => unknown> = {
    set: (target) => target.ask(OP_SET, 'k', 'v'),
    add: (target) => target.ask(OP_ADD, 'k', 'v'),
    increment: (target) => target.ask(OP_INCREMENT, 'k', numbers(1, 0)),
    delete: (target) => target.ask(OP_DELETE, 'k'),
    clear: (target) => target.ask(OP_CLEAR),
    release: (target) => target.ask(OP_RELEASE, 'k', '', FIRST),
    'a fill by its holder': (target) => target.ask(OP_FILL, 'k', 'filled', FIRST),
  };

  test.each(Object.entries(WRITES))('%s ends a lease, and what its holder computed is not stored', (_, write) => {
    const target = makeShard();
    expect(lease(target)).toBe(FIRST);
    write(target);
    const before = target.peek('k');
    expect(target.ask(OP_FILL, 'k', 'late', FIRST)).toBe(false);
    expect(target.peek('k')).toBe(before);
    target.delete('k');
    expect(lease(target)).toBe(FIRST + 1);
  });

  const LOOKS: Record<string, (target: ShardUnderTest) => unknown> = {
    get: (target) => target.ask(OP_GET, 'k'),
    read: (target) => target.read('k'),
    peek: (target) => target.ask(OP_PEEK, 'k'),
    has: (target) => target.ask(OP_HAS, 'k'),
    touch: (target) => target.ask(OP_TOUCH, 'k'),
    getOrThrow: (target) => target.ask(OP_DEMAND, 'k'),
    lookup: (target) => target.ask(OP_LOOKUP, 'k'),
    ttl: (target) => target.ask(OP_TTL, 'k'),
    'an update that finds nothing': (target) => target.ask(OP_UPDATE, 'k', 'v'),
    'an expire that finds nothing': (target) => target.ask(OP_EXPIRE, 'k', '', 10),
    'a set of another key': (target) => target.ask(OP_SET, 'other', 'v'),
    'a wrong token': (target) => target.ask(OP_RELEASE, 'k', '', 99),
  };

  test.each(Object.entries(LOOKS))('%s leaves a lease to its holder', (_, look) => {
    const target = makeShard();
    expect(lease(target, 500)).toBe(FIRST);
    look(target);
    expect(lease(target)).toBe(-FIRST);
    expect(target.ask(OP_FILL, 'k', 'filled', FIRST)).toBe(true);
    expect(target.get('k')).toBe('filled');
  });

  test('pop of an absent key is a write, as delete is', () => {
    const target = makeShard();
    lease(target);
    target.ask(OP_POP, 'k');
    expect(target.ask(OP_FILL, 'k', 'late', FIRST)).toBe(false);
  });

  test('a lease is only given for a key that is absent or has expired, else its value', () => {
    const target = makeShard();
    target.set('k', 'v', 10);
    expect(lease(target)).toBe('v');
    target.clock.nowMs += 10;
    expect(lease(target)).toBe(FIRST);
  });

  test('what fills a lease lives for the ttl that its holder asked for, from then on', () => {
    const target = makeShard();
    lease(target, 500, FLAG_SLIDING);
    target.clock.nowMs += 400;
    target.ask(OP_FILL, 'k', 'v', FIRST);
    expect(target.ask(OP_TTL, 'k')).toBe(500);
    target.clock.nowMs += 400;
    target.get('k');
    expect(target.ask(OP_TTL, 'k')).toBe(500);
  });

  test('a holder that hangs is overtaken, and comes too late', () => {
    const target = makeShard();
    lease(target);
    target.clock.nowMs += LEASE_MS;
    expect(lease(target)).toBe(FIRST + 1);
    expect(target.ask(OP_FILL, 'k', 'from the first', FIRST)).toBe(false);
    expect(target.ask(OP_FILL, 'k', 'from the second', FIRST + 1)).toBe(true);
    expect(target.get('k')).toBe('from the second');
  });

  test('a value whose ttl is over is served with the lease for as long as its grace lasts, to whoever takes such a one', () => {
    const target = makeShard();
    lease(target, 100, 0, 1_000);
    target.ask(OP_FILL, 'k', 'v', FIRST);
    target.clock.nowMs += 100;
    expect([target.peek('k'), target.get('k'), target.read('k'), target.has('k')]).toEqual([
      undefined,
      undefined,
      undefined,
      false,
    ]);
    const ask = (graceMs: number) => target.call(OP_LEASE, 'k', numbers(LEASE_MS, graceMs), 100) as StoredValue;
    expect(ask(1)).toMatchObject({ bytes: Buffer.from('v'), leftMs: FIRST + 1 });
    expect(ask(1)).toMatchObject({ bytes: Buffer.from('v'), leftMs: -FIRST - 1 });
    expect(ask(0)).toBe(-FIRST - 1);
    target.ask(OP_RELEASE, 'k', '', FIRST + 1);
    target.clock.nowMs += 999;
    target.shard.sweep();
    expect(ask(1)).toMatchObject({ leftMs: FIRST + 2 });
    target.ask(OP_RELEASE, 'k', '', FIRST + 2);
    target.clock.nowMs += 1;
    expect(ask(1)).toBe(FIRST + 3);
    target.shard.sweep();
    target.shard.check();
    expect(target.size()).toBe(0);
  });

  test('what is computed anew takes the place of the value whose ttl is over', () => {
    const target = makeShard();
    lease(target, 100, 0, 1_000);
    target.ask(OP_FILL, 'k', 'old', FIRST);
    target.clock.nowMs += 500;
    lease(target, 100, 0, 1_000);
    expect(target.ask(OP_FILL, 'k', 'new', FIRST + 1)).toBe(true);
    expect([target.get('k'), target.size(), target.ask(OP_TTL, 'k')]).toEqual(['new', 1, 100]);
    target.shard.check();
  });

  test.each<[string, (target: ShardUnderTest) => unknown]>([
    ['delete', (target) => target.delete('k')],
    ['clear', (target) => target.clear()],
    ['set', (target) => target.set('k', 'v', 1)],
  ])('%s ends the grace', (_, write) => {
    const target = makeShard();
    lease(target, 100, 0, 1_000);
    target.ask(OP_FILL, 'k', 'v', FIRST);
    target.clock.nowMs += 200;
    write(target);
    target.clock.nowMs += 10;
    expect(lease(target, 100, 0, 1_000)).toBe(FIRST + 1);
    target.shard.check();
  });

  test.each([0, 8, 17])('a lease that is asked for with %i bytes is refused', (length) => {
    expect(makeShard().ask(OP_LEASE, 'k', Buffer.alloc(length))).toBe('PROTOCOL_ERROR');
  });
});
