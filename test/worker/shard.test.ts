import { describe, expect, test } from 'vitest';
import { makeShard } from '../support/shard.ts';

describe('expiry', () => {
  test('an entry is a miss from its deadline on, not a millisecond before', () => {
    const shard = makeShard();
    shard.set('k', 'v', 50);
    shard.clock.nowMs += 49;
    expect(shard.get('k')).toBe('v');
    expect(shard.read('k')).toBe('v');
    shard.clock.nowMs += 1;
    expect(shard.get('k')).toBeUndefined();
    expect(shard.read('k')).toBeUndefined();
  });
});
