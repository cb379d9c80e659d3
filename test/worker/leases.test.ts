import { describe, expect, test } from 'vitest';
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
} from '../../src/protocol/operations.ts';
import { LEASE_MS, LEASES_MAX, Leases } from '../../src/worker/leases.ts';
import { seededRandom } from '../support/random.ts';
import { makeShard, numbers, type ShardUnderTest } from '../support/shard.ts';

const KEY = { hashLow: 7, hashHigh: 9 };

function keyOf(id: number): typeof KEY {
  return { hashLow: id | 0, hashHigh: id >>> 3 };
}

describe('a lease', () => {
  test('has one holder, and its token ends it once', () => {
    const leases = new Leases();
    const token = leases.grant(KEY, 0, 500, true);
    expect(token).toBeGreaterThan(0);
    expect(leases.grant(KEY, 0, 1, false)).toBe(0);
    expect(leases.redeem(KEY, token + 1)).toBeUndefined();
    expect(leases.redeem(keyOf(1), token)).toBeUndefined();
    expect(leases.redeem(KEY, token)).toMatchObject({ ttlMs: 500, slides: true });
    expect(leases.redeem(KEY, token)).toBeUndefined();
    expect(leases.grant(KEY, 0, 1, false)).toBeGreaterThan(token);
  });

  test('is taken over when its time is up, and not a millisecond before', () => {
    const leases = new Leases();
    const first = leases.grant(KEY, 1_000, 1, false);
    expect(leases.grant(KEY, 1_000 + LEASE_MS - 1, 2, false)).toBe(0);
    const second = leases.grant(KEY, 1_000 + LEASE_MS, 3, false);
    expect(second).toBeGreaterThan(first);
    expect(leases.grant(KEY, 1_000 + LEASE_MS + 1, 4, false)).toBe(0);
    expect(leases.redeem(KEY, first)).toBeUndefined();
    expect(leases.redeem(KEY, second)).toMatchObject({ ttlMs: 3 });
  });

  test('may be redeemed late, as long as nobody took it over', () => {
    const leases = new Leases();
    const token = leases.grant(KEY, 0, 1, false);
    expect(leases.redeem(KEY, token)).toBeDefined();
  });

  test('ends when somebody writes to its key, and only then', () => {
    const leases = new Leases();
    const token = leases.grant(KEY, 0, 1, false);
    const other = leases.grant(keyOf(1), 0, 1, false);
    leases.break(KEY);
    leases.break(keyOf(2));
    expect(leases.redeem(KEY, token)).toBeUndefined();
    expect(leases.redeem(keyOf(1), other)).toBeDefined();
  });

  test('is told from another by 32 low and 21 high bits of the hash', () => {
    const leases = new Leases();
    const hashes = [0, 1, -1, 0x7fff_ffff, -0x8000_0000].flatMap((hashLow) =>
      [0, 1, 0x10_0000, 0x1f_ffff].map((hashHigh) => ({ hashLow, hashHigh })),
    );
    const tokens = hashes.map((hash) => leases.grant(hash, 0, 1, false));
    expect(new Set(tokens).size).toBe(hashes.length);
    expect(tokens.every((token) => token > 0)).toBe(true);
  });
});

test(`beyond ${LEASES_MAX} leases the oldest ends, one that was taken over being young again`, () => {
  const leases = new Leases();
  const tokens = Array.from({ length: LEASES_MAX - 1 }, (_, id) => leases.grant(keyOf(id), 0, 1, false));
  const renewed = leases.grant(keyOf(0), LEASE_MS, 1, false);
  leases.grant(keyOf(-1), LEASE_MS, 1, false);
  leases.grant(keyOf(-2), LEASE_MS, 1, false);
  expect(leases.redeem(keyOf(1), tokens[1] as number)).toBeUndefined();
  expect(leases.redeem(keyOf(0), renewed)).toBeDefined();
  expect(leases.redeem(keyOf(2), tokens[2] as number)).toBeDefined();
  // Two places are free now.
  leases.grant(keyOf(-3), LEASE_MS, 1, false);
  leases.grant(keyOf(-4), LEASE_MS, 1, false);
  expect(leases.redeem(keyOf(3), tokens[3] as number)).toBeDefined();
});

test('tokens are never given twice, and only the last one of a key counts', () => {
  const random = seededRandom('leases');
  const leases = new Leases();
  const given = new Set<number>();
  const held = new Map<number, { token: number; sinceMs: number }>();
  let nowMs = 0;
  for (let step = 0; step < 50_000; step++) {
    const id = random.below(40);
    const mine = held.get(id);
    const dice = random.below(10);
    if (dice < 5) {
      const token = leases.grant(keyOf(id), nowMs, 1, false);
      expect(token === 0).toBe(mine !== undefined && nowMs - mine.sinceMs < LEASE_MS);
      if (token !== 0) {
        expect(given.has(token)).toBe(false);
        given.add(token);
        held.set(id, { token, sinceMs: nowMs });
      }
    } else if (dice < 7) {
      const token = 1 + random.below(given.size + 2);
      expect(leases.redeem(keyOf(id), token) !== undefined).toBe(token === mine?.token);
      if (token === mine?.token) {
        held.delete(id);
      }
    } else if (dice < 8 && mine !== undefined) {
      expect(leases.redeem(keyOf(id), mine.token)).toBeDefined();
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
  const WRITES: Record<string, (target: ShardUnderTest) => unknown> = {
    set: (target) => target.ask(OP_SET, 'k', 'v'),
    add: (target) => target.ask(OP_ADD, 'k', 'v'),
    increment: (target) => target.ask(OP_INCREMENT, 'k', numbers(1, 0)),
    delete: (target) => target.ask(OP_DELETE, 'k'),
    clear: (target) => target.ask(OP_CLEAR),
    release: (target) => target.ask(OP_RELEASE, 'k', '', 1),
    'a fill by its holder': (target) => target.ask(OP_FILL, 'k', 'filled', 1),
  };

  test.each(Object.entries(WRITES))('%s ends a lease, and what its holder computed is not stored', (_, write) => {
    const target = makeShard();
    expect(target.ask(OP_LEASE, 'k')).toBe(1);
    write(target);
    const before = target.peek('k');
    expect(target.ask(OP_FILL, 'k', 'late', 1)).toBe(false);
    expect(target.peek('k')).toBe(before);
    target.delete('k');
    expect(target.ask(OP_LEASE, 'k')).toBe(2);
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
    expect(target.ask(OP_LEASE, 'k', '', 500)).toBe(1);
    look(target);
    expect(target.ask(OP_LEASE, 'k')).toBe(false);
    expect(target.ask(OP_FILL, 'k', 'filled', 1)).toBe(true);
    expect(target.get('k')).toBe('filled');
  });

  test('pop of an absent key is a write, as delete is', () => {
    const target = makeShard();
    target.ask(OP_LEASE, 'k');
    target.ask(OP_POP, 'k');
    expect(target.ask(OP_FILL, 'k', 'late', 1)).toBe(false);
  });

  test('a lease is only given for a key that is absent or has expired, else its value', () => {
    const target = makeShard();
    target.set('k', 'v', 10);
    expect(target.ask(OP_LEASE, 'k')).toBe('v');
    target.clock.nowMs += 10;
    expect(target.ask(OP_LEASE, 'k')).toBe(1);
  });

  test('what fills a lease lives for the ttl that its holder asked for, from then on', () => {
    const target = makeShard();
    target.ask(OP_LEASE, 'k', '', 500, FLAG_SLIDING);
    target.clock.nowMs += 400;
    target.ask(OP_FILL, 'k', 'v', 1);
    expect(target.ask(OP_TTL, 'k')).toBe(500);
    target.clock.nowMs += 400;
    target.get('k');
    expect(target.ask(OP_TTL, 'k')).toBe(500);
  });

  test('a holder that hangs is overtaken, and comes too late', () => {
    const target = makeShard();
    target.ask(OP_LEASE, 'k');
    target.clock.nowMs += LEASE_MS;
    expect(target.ask(OP_LEASE, 'k')).toBe(2);
    expect(target.ask(OP_FILL, 'k', 'from the first', 1)).toBe(false);
    expect(target.ask(OP_FILL, 'k', 'from the second', 2)).toBe(true);
    expect(target.get('k')).toBe('from the second');
  });
});
