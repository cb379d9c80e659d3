import { describe, expect, test } from 'vitest';
import { BLOCK_NEXT, bucketOf, HEADER_BUCKETS, STRIPE_MASK, STRIPES_AT } from '../../src/protocol/memory.ts';
import { BUSY, HIT, MISS } from '../../src/protocol/reader.ts';
import { seededRandom } from '../support/random.ts';
import { makeShard, type ShardUnderTest } from '../support/shard.ts';

function stripeOf({ key }: ShardUnderTest): number {
  return STRIPES_AT + (key.hashLow & STRIPE_MASK);
}

describe('a read', () => {
  test.each([0, 1, 3, 4, 159, 160, 161, 4_096, 65_535, 65_536, 65_537, 300_000])(
    'brings a value of %i bytes, with its tag, into private memory',
    (length) => {
      const target = makeShard();
      const value = seededRandom('value').bytes(length);
      target.set('k', value);
      target.key.encode('k');
      expect(target.reader.read(target.key)).toBe(HIT);
      target.memory.bytes.fill(0xee);
      expect(target.reader.value.equals(value)).toBe(true);
      expect(target.reader.value.buffer).toBeInstanceOf(ArrayBuffer);
    },
  );

  test('of a small value after a large one gives the large one’s memory back', () => {
    const target = makeShard();
    target.set('large', Buffer.alloc(100_000, 1));
    target.set('small', 'v');
    expect(target.read('large')).toHaveLength(100_000);
    expect(target.read('small')).toBe('v');
    expect(target.reader.bytes.byteLength).toBeLessThan(100_000);
  });

  test('of a key whose stripe stays odd is BUSY, never a miss', () => {
    const target = makeShard();
    target.set('k', 'v');
    target.key.encode('k');
    (target.memory.header[stripeOf(target)] as number)++;
    expect(target.reader.read(target.key)).toBe(BUSY);
    expect(target.reader.probe(target.key)).toBe(BUSY);
    (target.memory.header[stripeOf(target)] as number)++;
    expect(target.reader.read(target.key)).toBe(HIT);
  });

  test('of a key in another stripe is not held up', () => {
    const target = makeShard();
    target.set('k', 'v');
    target.key.encode('k');
    const { header } = target.memory;
    header.forEach((_, at) => {
      if (at >= STRIPES_AT && at !== stripeOf(target)) header[at] = 1;
    });
    expect(target.reader.read(target.key)).toBe(HIT);
  });

  test('of a chain that runs in a circle or out of the arena ends, BUSY', () => {
    for (const next of ['itself', -5, 0x7fff_fff0]) {
      const target = makeShard();
      target.set('k', 'v');
      target.key.encode('k');
      const { heads, words, header } = target.memory;
      const block = heads[bucketOf(target.key.hashLow, header[HEADER_BUCKETS] as number) << 1] as number;
      // The same hash under another key walks past the block.
      words[block + BLOCK_NEXT] = next === 'itself' ? block : (next as number);
      target.key.words[0] = 0;
      expect(target.reader.read(target.key)).toBe(BUSY);
    }
  });

  test('of arbitrary bytes in the arena neither throws nor hangs', () => {
    const random = seededRandom('arbitrary arena');
    for (let round = 0; round < 100; round++) {
      const target = makeShard({ bytesMax: 16 * 1024 });
      for (let i = 0; i < 20; i++) {
        target.set(`k${i}`, 'v'.repeat(i), i % 2);
      }
      for (let i = 0; i < 200; i++) {
        const { words } = target.memory;
        words[random.below(words.length / 4)] = random.oneIn(2) ? random.word() | 0 : random.below(1_000);
      }
      for (let i = 0; i < 20; i++) {
        target.key.encode(`k${i}`);
        expect([MISS, HIT, BUSY]).toContain(target.reader.read(target.key));
      }
    }
  });

  test('with the same hash and another key is a miss', () => {
    const target = makeShard();
    target.set('abcd', 'v');
    target.key.encode('abcd');
    target.key.words[0] = (target.key.words[0] as number) + 1;
    expect(target.reader.read(target.key)).toBe(MISS);
  });
});

test('a probe finds what a read finds, and leaves the last value where it is', () => {
  const target = makeShard();
  target.set('a', 'value of a');
  target.set('b', 'value of b');
  target.read('a');
  target.key.encode('b');
  expect(target.reader.probe(target.key)).toBe(HIT);
  target.key.encode('c');
  expect(target.reader.probe(target.key)).toBe(MISS);
  expect(target.reader.bytes.subarray(0, 10).toString()).toBe('value of a');
});

test('waiting for a stripe ends by itself, at once when it is even', () => {
  const target = makeShard();
  target.key.encode('k');
  target.reader.waitForStripe(target.key, 10_000);
  (target.memory.header[stripeOf(target)] as number)++;
  target.reader.waitForStripe(target.key, 5);
});
