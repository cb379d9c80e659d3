import { expect, test } from 'vitest';
import { KeyNumbers } from '../../src/main/cli/key-numbers.ts';
import { seededRandom } from '../support/random.ts';

test('a key has one number, whatever lies around it, and numbers are given from 0 on', () => {
  const numbers = new KeyNumbers();
  const text = Buffer.from('a b ab a');
  const spans: [number, number][] = [
    [0, 1],
    [2, 3],
    [4, 6],
    [7, 8],
    [0, 0],
  ];
  expect(spans.map(([start, end]) => numbers.numberOf(text, start, end))).toEqual([0, 1, 2, 0, 3]);
  expect(numbers.count).toBe(4);
});

test('half a million keys that are much alike are told apart, as a Map tells them', () => {
  const random = seededRandom('key numbers');
  const numbers = new KeyNumbers();
  const model = new Map<string, number>();
  for (let i = 0; i < 500_000; i++) {
    const key = [`user:${i % 200_000}`, `${random.below(400_000)}`, `\0${'a'.repeat(i % 300)}\0`][i % 3] as string;
    const bytes = Buffer.from(key);
    const expected = model.get(key) ?? model.size;
    model.set(key, expected);
    if (numbers.numberOf(bytes, 0, bytes.length) !== expected) {
      expect.fail(`key ${i} is ${key}`);
    }
  }
  expect(numbers.count).toBe(model.size);
  expect(model.size).toBeGreaterThan(150_000);
});

test('fingerprints of keys that differ in one or two bytes anywhere differ', () => {
  const numbers = new KeyNumbers();
  const bytes = Buffer.alloc(64);
  for (let at = 0; at < 63; at++) {
    for (let one = 0; one < 32; one++) {
      for (let other = 0; other < 32; other++) {
        bytes[at] = one * 8 + 1;
        bytes[at + 1] = other * 8 + 1;
        numbers.numberOf(bytes, 0, 64);
      }
    }
    bytes.fill(0);
  }
  expect(numbers.count).toBe(63 * 32 * 32);
});
