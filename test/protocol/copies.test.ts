import { describe, expect, test } from 'vitest';
import { exactCopy, ValueCopier } from '../../src/protocol/copies.ts';

const COUNTING = Uint8Array.from({ length: 512 }, (_, i) => i & 0xff);

/** Memory of words, and the same as bytes. */
function target() {
  const words = new Int32Array(256);
  return { words, bytes: new Uint8Array(words.buffer) };
}

describe('a value', () => {
  test.each([
    ['that is all of its memory', COUNTING.slice(0, 100), 100],
    ['at the front of longer memory', COUNTING, 99],
    ['at the front of longer memory, and long', COUNTING, 301],
    ['in memory at an odd place', COUNTING.subarray(1), 100],
    ['in memory of an odd length', COUNTING.subarray(0, 511), 100],
    ['in memory that begins within other memory', COUNTING.subarray(8), 100],
  ])('%s is copied to a word, and nothing before it or after its last', (_, value, byteLength) => {
    const { words, bytes } = target();
    words.fill(-1);
    new ValueCopier().copy(value, byteLength, bytes, words, 3);
    expect([...bytes.subarray(12, 12 + byteLength)]).toEqual([...value.subarray(0, byteLength)]);
    const end = 12 + Math.ceil(byteLength / 4) * 4;
    expect([...bytes.subarray(0, 12), ...bytes.subarray(end)].every((byte) => byte === 0xff)).toBe(true);
  });

  test('is copied from the memory it is in now, whatever the one before was in', () => {
    const { words, bytes } = target();
    const copier = new ValueCopier();
    const [first, second] = [new Uint8Array(64).fill(1), new Uint8Array(64).fill(2)];
    for (const memory of [first, second, first]) {
      copier.copy(memory, 8, bytes, words, 0);
      expect(bytes[7]).toBe(memory[0]);
      memory.fill(9);
      copier.copy(memory, 8, bytes, words, 0);
      expect(bytes[7]).toBe(9);
      memory.fill(memory === first ? 1 : 2);
    }
  });
});

test('an exact copy has memory of its own, and no more of it than it needs', () => {
  const memory = COUNTING.slice();
  const copy = exactCopy(memory, 10);
  memory.fill(0);
  expect([...copy]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect([copy.buffer.byteLength, copy.constructor]).toEqual([10, Uint8Array]);
});
