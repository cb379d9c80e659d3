import { expect, test } from 'vitest';
import type { EvictionPolicy } from '../../src/protocol/policy.ts';
import { LOOKAHEAD_CALLS, Lookahead } from '../../src/worker/lookahead.ts';
import { makeShard } from '../support/shard.ts';

const KEYS = Array.from({ length: LOOKAHEAD_CALLS }, (_, i) => `key ${i}`);

test('a look ahead finds the slots of the keys that are there, and tells the policy', () => {
  const target = makeShard();
  for (const key of KEYS.slice(0, 40)) {
    target.set(key, 'value');
  }
  const told: number[][] = [];
  const policy = { warm: (slots: Int32Array, count: number) => told.push([...slots.subarray(0, count)]) };
  const lookahead = new Lookahead(target.memory, policy as unknown as EvictionPolicy);
  const hashes = Int32Array.from(KEYS, (key) => {
    target.key.encode(key);
    return target.key.hashLow;
  });
  const slots = KEYS.slice(0, 40).map((key) => {
    target.read(key);
    return target.reader.slot;
  });
  lookahead.overwrites(hashes, 0, LOOKAHEAD_CALLS);
  lookahead.overwrites(hashes, 30, 50);
  expect(told).toEqual([
    [...slots, ...new Array<number>(LOOKAHEAD_CALLS - 40).fill(0)],
    [...slots.slice(30), ...new Array<number>(10).fill(0)],
  ]);
});
