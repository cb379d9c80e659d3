/** Which entries a near cache keeps, over a client that finds every key. Whether they are stale is asked in e2e/near-cache.test.ts. */
import { describe, expect, test, vi } from 'vitest';
import { FORGOTTEN, NearCache, type NearClient } from '../../src/main/near-cache.ts';
import { resolveNearCache } from '../../src/main/near-options.ts';
import type { ShardView } from '../../src/main/shard-view.ts';
import { Random, SEED } from '../support/random.ts';

/** A client whose cache has a value under every key, a number unless told, in so many bytes, and nobody else's writes. */
function nearOf(options: object, byteLength = 10, makeValue?: () => unknown) {
  const reader = { lock: 2, length: byteLength, slot: 1, seqLow: 1, seqHigh: 0, slides: false, expiresAtMs: Infinity };
  const view = {
    shard: 0,
    isFollowed: false,
    reader: { ...reader, nowMs: 0, isStill: () => true },
    lane: { hasWrite: () => false },
    useAgain: () => true,
  };
  const key = { hashLow: 0, hashHigh: 0, byteLength: 0 };
  const take = () => (makeValue === undefined ? key.hashLow : makeValue());
  const client = { key, views: [view], aim: () => view, take };
  const config = resolveNearCache(options, 'shared');
  if (config === false) throw new Error('a near cache was asked for');
  const near = new NearCache(client as unknown as NearClient, config);
  return {
    near,
    view: view.reader,
    /** Whether it was kept. */
    read(name: string | number, bytes = byteLength, keyBytes = 0): boolean {
      if (near.recall(name) !== FORGOTTEN) return true;
      key.hashLow = Math.imul(Number(String(name).replace(/\D/g, '')), 0x9e37_79b1);
      key.hashHigh = key.hashLow ^ 0x55;
      key.byteLength = keyBytes;
      view.reader.length = bytes;
      near.take(name, view as unknown as ShardView);
      near.check();
      return false;
    },
  };
}

function kept(near: NearCache, names: readonly string[]): string[] {
  return names.filter((name) => near.recallSync(name) !== FORGOTTEN);
}

test('a key comes in with its second read', () => {
  const { near, read } = nearOf({ maxEntries: 10 });
  expect([read('k1'), read('k1'), read('k1'), read('k1')]).toEqual([false, false, true, true]);
  expect(near.entries).toBe(1);
});

test('who was used since the hand came by stays, who was not goes', () => {
  const { near, read } = nearOf({ maxEntries: 3 });
  for (const name of ['k1', 'k2', 'k3']) {
    read(name);
    read(name);
  }
  expect([read('k1'), read('k3')]).toEqual([true, true]);
  read('k4');
  read('k4');
  expect(near.entries).toBe(3);
  // k2 made room, and the hand has gone on past k1.
  expect(kept(near, ['k1', 'k2', 'k3', 'k4'])).toEqual(['k1', 'k3', 'k4']);
});

test('a scan of a million keys leaves what is read again and again', () => {
  const { near, read } = nearOf({ maxEntries: 100 });
  const hot = Array.from({ length: 50 }, (_, i) => `k${i}`);
  for (let i = 0; i < 100_000; i++) {
    read(hot[i % hot.length] as string);
    read(`k${1_000 + i}`);
  }
  expect(kept(near, hot).length).toBeGreaterThan(45);
});

test('the bytes of values are bounded, and one that is larger than all of them is not kept', () => {
  const { near, read } = nearOf({ maxEntries: 100, maxBytes: 1_000 });
  for (let i = 0; i < 50; i++) {
    read(`k${i}`, 300);
    read(`k${i}`, 300);
  }
  expect(near.entries).toBe(3);
  expect(near.byteLength).toBe(900);
  for (let i = 0; i < 3; i++) expect(read('k99', 1_001)).toBe(false);
  expect(near.entries).toBe(3);
});

test('the bytes of keys count, too: a value of none can have a key of 64 KiB', () => {
  const { near, read } = nearOf({ maxEntries: 100, maxBytes: 1_000 });
  for (let i = 0; i < 50; i++) {
    read(`k${i}`, 0, 400);
    read(`k${i}`, 0, 400);
  }
  expect([near.entries, near.byteLength]).toEqual([2, 800]);
  for (let i = 0; i < 3; i++) expect(read('k99', 601, 400)).toBe(false);
});

test('a key that is written to between any two reads is not kept: its value would be copied for nothing', () => {
  const { near, read, view } = nearOf({});
  for (let i = 0; i < 6; i++) {
    view.seqLow++;
    view.isStill = () => false;
    expect(read('k1')).toBe(false);
  }
  expect(near.entries).toBe(0);
});

test('a value that cannot be copied is looked through once, not with each of its reads', () => {
  const value = { at: new Date(0) };
  const looks = vi.spyOn(Reflect, 'ownKeys');
  try {
    const { read } = nearOf({}, 10, () => value);
    for (let i = 0; i < 10; i++) expect(read('k1')).toBe(false);
    expect(looks.mock.calls.filter(([target]) => target === value).length).toBe(1);
  } finally {
    looks.mockRestore();
  }
});

test("'freeze' freezes a copy: what a serializer goes on using stays as it was", () => {
  const value = { deep: {} };
  const { near, read } = nearOf({ copy: 'freeze' }, 10, () => value);
  read('k1');
  read('k1');
  const kept = near.recall('k1') as typeof value;
  expect([Object.isFrozen(kept.deep), Object.isFrozen(value), Object.isFrozen(value.deep)]).toEqual([
    true,
    false,
    false,
  ]);
  expect(near.recall('k1')).toBe(kept);
});

test("a small Buffer that is shared does not hold Node's pool", () => {
  const { near, read } = nearOf({ copy: 'share' }, 10, () => Buffer.from('0123456789'));
  read('k1');
  read('k1');
  const kept = near.recall('k1') as Buffer;
  expect([kept.toString(), Buffer.isBuffer(kept), kept.buffer.byteLength]).toEqual(['0123456789', true, 10]);
});

test('numbers are kept by value, like strings; other keys are not kept', () => {
  const { near, read } = nearOf({});
  for (const name of [7, '7'] as const) {
    read(name);
    read(name);
  }
  expect(near.entries).toBe(2);
  for (let i = 0; i < 3; i++) read(['7'] as unknown as string);
  expect(near.entries).toBe(2);
});

test('ring, map and bytes agree through any sequence of reads', () => {
  console.info(`reads: SEED=${SEED}`);
  const random = new Random(SEED);
  const { near, read, view } = nearOf({ maxEntries: 20, maxBytes: 2_000 });
  for (let i = 0; i < 20_000; i++) {
    // Now and then an entry has expired when it is asked for.
    view.expiresAtMs = random.oneIn(5) ? i + random.below(200) : Number.POSITIVE_INFINITY;
    view.nowMs = i;
    read(`k${random.below(random.oneIn(2) ? 15 : 500)}`, random.below(400));
  }
  near.check();
  expect(near.entries).toBeGreaterThan(0);
});

describe('options', () => {
  test('true is the defaults, false is none', () => {
    expect(resolveNearCache(true, 'shared')).toEqual({ maxEntries: 10_000, maxBytes: 2 ** 26, copy: 'decode' });
    expect(resolveNearCache(false, 'owner')).toBe(false);
    expect(resolveNearCache({ maxBytes: '1mb' }, 'shared')).toMatchObject({ maxBytes: 2 ** 20 });
  });

  test.each([
    [1, 'true, false, or an object'],
    [null, 'true, false, or an object'],
    [{ maxEntries: 0 }, 'maxEntries'],
    [{ maxEntries: 2 ** 24 + 1 }, 'maxEntries'],
    [{ maxBytes: '1 parsec' }, 'maxBytes'],
    [{ copy: 'steal' }, "'decode', 'freeze' or 'share'"],
    [{ size: 3 }, '`maxEntries`, `maxBytes` and `copy`'],
  ])('%o is refused', (option, expected) => {
    const refused = () => resolveNearCache(option, 'shared');
    expect(refused).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', option: 'nearCache' }));
    expect(refused).toThrow(expected);
  });

  test('a cache whose reads ask the owner can have none', () => {
    expect(() => resolveNearCache(true, 'owner')).toThrow("`reads: 'owner'`");
  });
});
