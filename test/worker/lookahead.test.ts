import { expect, test } from 'vitest';
import { BLOCK_SLOT } from '../../src/protocol/memory.ts';
import type { EvictionPolicy } from '../../src/protocol/policy.ts';
import { LOOKAHEAD_CALLS, Lookahead } from '../../src/worker/lookahead.ts';
import { makeShard, type ShardUnderTest } from '../support/shard.ts';

const KEYS = Array.from({ length: LOOKAHEAD_CALLS }, (_, i) => `key ${i}`);
/** Where the arena has its first block. */
const FIRST_BLOCK = 2;

function hashesOf(target: ShardUnderTest, keys: readonly string[]): Int32Array {
  return Int32Array.from(keys, (key) => {
    target.key.encode(key);
    return target.key.hashLow;
  });
}

test('a look ahead finds the slots of the keys that are there, and tells the policy', () => {
  const target = makeShard();
  for (const key of KEYS.slice(0, 40)) {
    target.set(key, 'value');
  }
  const told: number[][] = [];
  const policy = { warm: (slots: Int32Array, count: number) => told.push([...slots.subarray(0, count)]) };
  const lookahead = new Lookahead(target.memory, policy as unknown as EvictionPolicy);
  const hashes = hashesOf(target, KEYS);
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

test('a look ahead for a key that is not there ends at slot 0, whatever lies where the arena begins', () => {
  const target = makeShard();
  for (const key of KEYS) {
    target.set(key, 'value');
  }
  // The first block becomes that of slot 11: as links, its words would lead on into other blocks.
  target.delete('key 11');
  target.set('another', 'v'.repeat(200));
  target.delete('key 0');
  target.set('another', 'value');
  expect(target.memory.words[FIRST_BLOCK + BLOCK_SLOT]).toBe(11);
  const absent = hashesOf(
    target,
    KEYS.map((key) => `no ${key}`),
  );
  const lookahead = new Lookahead(target.memory, target.shard.policy);
  lookahead.overwrites(absent, 0, LOOKAHEAD_CALLS);
  expect([...lookahead.slots]).toEqual(new Array<number>(LOOKAHEAD_CALLS).fill(0));
});

test('a look ahead leaves no region: not at the end of the arena, not for keys that are not there', () => {
  const target = makeShard({ bytesMax: 4_096 });
  const { words } = target.memory;
  const outside: string[] = [];
  const guarded = (view: object, region: string) =>
    new Proxy(view, {
      get(words, index) {
        const value: unknown = Reflect.get(words, index, words);
        if (value === undefined) outside.push(`${region}[${String(index)}]`);
        return value;
      },
    });
  const views = Object.entries(target.memory).map(([name, view]) => [name, guarded(view as object, name)]);
  const lookahead = new Lookahead(Object.fromEntries(views), target.shard.policy);
  const keys = Array.from({ length: 256 }, (_, i) => `key ${i}`);
  const hashes = hashesOf(target, keys);
  let atEnd = 0;
  for (let i = 0; i < 2_000; i++) {
    target.set(keys[(i * 37) % 200] as string, 'v'.repeat((i * 31) % 90));
    target.read(keys[(i * 53) % 200] as string);
    if (i % 20 > 0) continue;
    atEnd += target.memory.slots.reduce((count, block) => count + (block > words.length - 16 ? 1 : 0), 0);
    for (let from = 0; from < keys.length; from += LOOKAHEAD_CALLS) {
      lookahead.overwrites(hashes, from, from + LOOKAHEAD_CALLS);
      lookahead.victims();
    }
  }
  expect(atEnd).toBeGreaterThan(0);
  expect(outside).toEqual([]);
});
