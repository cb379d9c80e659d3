import { describe, expect, test } from 'vitest';
import type { ShardLimits } from '../../../src/protocol/memory.ts';
import { makeShard, type ShardUnderTest } from '../../support/shard.ts';

/** As many entries as fit, `key 0` and up, each its own value. */
function full(limits: Partial<ShardLimits>): { target: ShardUnderTest; keys: string[] } {
  const target = makeShard(limits, 'none');
  const keys: string[] = [];
  while (target.set(`key ${keys.length}`, `key ${keys.length}`) === undefined) {
    keys.push(`key ${keys.length}`);
  }
  return { target, keys };
}

describe.each([{ entriesMax: 10 }, { bytesMax: 4_096 }])('a full shard with %o that gives no entry up', (limits) => {
  test('refuses a new key with CACHE_FULL, says what to do, and keeps all there is', () => {
    const { target, keys } = full(limits);
    expect(keys.length).toBeGreaterThan(5);
    const refusal = target.set('new', 'new') as { code: string; message: string };
    expect(refusal.code).toBe('CACHE_FULL');
    expect(refusal.message).toMatch(
      /^The shard is full: \d+ entries in \d+ bytes .*'none'.*Delete .*`maxEntries`.*`maxBytes`.*`eviction`$/,
    );
    target.shard.check();
    expect(target.has('new')).toBe(false);
    expect(keys.filter((key) => target.get(key) === key)).toEqual(keys);
    expect(target.shard.counts()).toMatchObject({ entries: keys.length, evictions: 0, sets: keys.length });
  });

  test('takes an overwrite of the same size, and a new key once there is room', () => {
    const { target } = full(limits);
    expect(target.set('key 1', 'KEY 1')).toBeUndefined();
    expect(target.get('key 1')).toBe('KEY 1');
    target.delete('key 2');
    expect(target.set('key X', 'key X')).toBeUndefined();
    expect(target.set('key Y', 'key Y')).toMatchObject({ code: 'CACHE_FULL' });
    target.clear();
    expect(target.set('key Y', 'key Y')).toBeUndefined();
    target.shard.check();
  });

  test('has room for the key of an expired entry at once, and for another when it was swept', () => {
    const target = makeShard(limits, 'none');
    target.set('old', 'value', 10);
    target.set('older', 'value', 10);
    for (let i = 0; target.set(`key ${i}`, 'value') === undefined; i++);
    target.clock.nowMs += 10;
    expect(target.set('old', 'value')).toBeUndefined();
    target.shard.sweep(1_000);
    expect(target.set('new', 'value')).toBeUndefined();
  });
});

test('a shard is full when nine tenths of its bytes are in use, not before', () => {
  const { target } = full({ bytesMax: 64 * 1024 });
  expect(target.shard.bytes).toBeGreaterThan(0.9 * 64 * 1024);
});

test('an overwrite that would need more room than there is keeps the old value', () => {
  const { target, keys } = full({ bytesMax: 4_096 });
  expect(target.set('key 3', Buffer.alloc(2_000))).toMatchObject({ code: 'CACHE_FULL' });
  target.shard.check();
  expect(keys.filter((key) => target.get(key) === key)).toEqual(keys);
});
