import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkKey,
  decodeKey,
  ENCODING_LATIN1,
  ENCODING_NUMBER,
  ENCODING_UTF16,
  KeyEncoder,
  shardOf,
} from '../../src/protocol/key.ts';
import { wordsFor } from '../../src/protocol/memory.ts';
import { halfSipHashOfBytes, halfSipHashOfWords, littleEndian, PUBLISHED_2_4 } from '../support/half-sip-hash.ts';
import { SEED, seededRandom } from '../support/random.ts';

/** Strings of every shape a key can have: ASCII, Latin-1, any plane, and lengths around word borders. */
const anyKey = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.array(fc.integer({ min: 0, max: 0xff }), { maxLength: 40 }).map((codes) => String.fromCharCode(...codes)),
);

function encoded(key: unknown, seed = { low: 1, high: 2 }) {
  const encoder = new KeyEncoder(seed);
  encoder.encode(key);
  return encoder;
}

describe('the hash', () => {
  test('the slow implementation gives the published HalfSipHash-2-4 vectors', () => {
    const rounds = { compression: 2, finalization: 4 };
    expect(PUBLISHED_2_4).toHaveLength(64);
    PUBLISHED_2_4.forEach((vector, length) => {
      const message = Uint8Array.from({ length }, (_, i) => i);
      const { low, high } = halfSipHashOfBytes(message, 0x03020100, 0x07060504, rounds);
      const result = Buffer.alloc(8);
      result.writeUInt32LE(low, 0);
      result.writeUInt32LE(high, 4);
      expect(result.toString('hex')).toBe(vector);
    });
  });

  test('the fast one is the slow one with 1 and 3 rounds over the words of the key, then its length and encoding', () => {
    const rounds = { compression: 1, finalization: 3 };
    fc.assert(
      fc.property(anyKey, fc.integer(), fc.integer(), (key, low, high) => {
        const encoder = encoded(key, { low, high });
        const bytes = Buffer.from(key, encoder.encoding === ENCODING_LATIN1 ? 'latin1' : 'utf16le');
        const words = Array.from({ length: wordsFor(bytes.length) }, (_, i) =>
          littleEndian(bytes.subarray(i * 4, i * 4 + 4)),
        );
        const slow = halfSipHashOfWords([...words, encoder.meta], low, high, rounds);
        expect([encoder.hashLow >>> 0, encoder.hashHigh >>> 0]).toEqual([slow.low, slow.high]);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test('it depends on the seed, in both words', () => {
    const plain = encoded('key', { low: 0, high: 0 });
    for (const seed of [
      { low: 1, high: 0 },
      { low: 0, high: 1 },
    ]) {
      const other = encoded('key', seed);
      expect(other.hashLow).not.toBe(plain.hashLow);
      expect(other.hashHigh).not.toBe(plain.hashHigh);
    }
  });

  test('a key hashes the same whatever was encoded before it', () => {
    const encoder = new KeyEncoder({ low: 1, high: 2 });
    fc.assert(
      fc.property(anyKey, anyKey, (before, key) => {
        encoder.encode(before);
        encoder.encode(key);
        const fresh = encoded(key);
        expect([encoder.hashLow, encoder.hashHigh, encoder.meta]).toEqual([fresh.hashLow, fresh.hashHigh, fresh.meta]);
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });
});

describe('encoding', () => {
  test('a key whose characters fit a byte is Latin-1, any other UTF-16', () => {
    expect(encoded('').meta).toBe(0);
    expect(encoded('aÿ')).toMatchObject({ byteLength: 2, encoding: ENCODING_LATIN1 });
    expect(encoded('aĀ')).toMatchObject({ byteLength: 4, encoding: ENCODING_UTF16 });
    expect(encoded('🂡')).toMatchObject({ byteLength: 4, encoding: ENCODING_UTF16 });
  });

  test('every key comes back from its bytes, and the rest of the last word is zero', () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        const { bytes, byteLength, encoding } = encoded(key);
        expect(decodeKey(bytes.subarray(0, byteLength), encoding)).toBe(key);
        expect(bytes.subarray(byteLength, wordsFor(byteLength) * 4).every((byte) => byte === 0)).toBe(true);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test('a number is its float64, -0 is 0, and there is one NaN', () => {
    fc.assert(
      fc.property(fc.double(), (number) => {
        const { bytes, byteLength, encoding } = encoded(number);
        expect([byteLength, encoding]).toEqual([8, ENCODING_NUMBER]);
        expect(decodeKey(bytes.subarray(0, 8), encoding)).toBe(number + 0);
        expect(Buffer.from(bytes.subarray(0, 8))).toEqual(doubleOf(number + 0));
      }),
      { seed: SEED, numRuns: 1000 },
    );
    expect(encoded(-0).hashLow).toBe(encoded(0).hashLow);
    const words = new Uint32Array([7, 0xfff8_0001]);
    const payload = new Float64Array(words.buffer)[0] as number;
    expect(Buffer.from(encoded(payload).bytes.subarray(0, 8))).toEqual(doubleOf(Number.NaN));
  });

  test('a key hashes as its own encoding: the same bytes in another are another key', () => {
    const number = encoded(1);
    const text = encoded('\0\0\0\0\0\0ð?');
    expect(Buffer.from(number.bytes.subarray(0, 8))).toEqual(Buffer.from(text.bytes.subarray(0, 8)));
    expect(number.hashLow).not.toBe(text.hashLow);
    expect(number.hashHigh).not.toBe(text.hashHigh);
  });

  test('two different keys are never the same bytes in the same encoding', () => {
    const random = seededRandom('pairs of keys');
    const [a, b] = [new KeyEncoder({ low: 1, high: 2 }), new KeyEncoder({ low: 1, high: 2 })];
    let equalHashes = 0;
    for (let i = 0; i < 1_000_000; i++) {
      const [left, right] = nearPair(random);
      if (left === right) {
        continue;
      }
      a.encode(left);
      b.encode(right);
      const same = a.meta === b.meta && sameWords(a, b);
      if (same) {
        throw new Error(`${JSON.stringify(left)} and ${JSON.stringify(right)} have the same bytes`);
      }
      equalHashes += a.hashLow === b.hashLow && a.hashHigh === b.hashHigh ? 1 : 0;
    }
    expect(equalHashes).toBe(0);
  });

  test.each([
    ['undefined', undefined],
    ['a String object', Object('key')],
    ['a lone high surrogate', 'a\ud800'],
    ['a lone low surrogate', '\udc00b'],
    ['a swapped pair', '\udc00\ud800'],
    ['65,536 characters', 'a'.repeat(65_536)],
    ['32,768 characters, one of them wide', `${'a'.repeat(32_767)}Ā`],
  ])('%s is refused with INVALID_KEY, by encode and by checkKey', (_, key) => {
    const encoder = new KeyEncoder({ low: 1, high: 2 });
    const invalid = expect.objectContaining({ name: 'TypeError', code: 'INVALID_KEY' });
    expect(() => encoder.encode(key)).toThrow(invalid);
    expect(() => checkKey(key)).toThrow(invalid);
  });

  test.each([
    ['no character', ''],
    ['65,535 characters of a byte', 'ÿ'.repeat(65_535)],
    ['32,767 wide characters', 'Ā'.repeat(32_767)],
    ['a NUL', '\0'],
  ])('a key of %s is taken', (_, key) => {
    checkKey(key);
    const { bytes, byteLength, encoding } = encoded(key);
    expect(decodeKey(bytes.subarray(0, byteLength), encoding) === key).toBe(true);
  });
});

describe('the shard of a key', () => {
  test('a million keys spread over 2 to 64 shards by chance alone: skew below 3 %', () => {
    const random = seededRandom('shard of a key');
    const encoder = new KeyEncoder({ low: random.word(), high: random.word() });
    const keys = 1_000_000;
    const high = new Int32Array(keys);
    for (let i = 0; i < keys; i++) {
      encoder.encode(`user:${i}:profile`);
      high[i] = encoder.hashHigh;
    }
    for (const shards of [2, 3, 8, 16]) {
      const counts = new Array<number>(shards).fill(0);
      for (let i = 0; i < keys; i++) {
        (counts[shardOf(high[i] as number, shards)] as number)++;
      }
      const mean = keys / shards;
      const chiSquare = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
      const skew = Math.max(...counts.map((count) => Math.abs(count - mean) / mean));
      // Degrees of freedom plus five standard deviations: chance exceeds it less than once in 10,000 runs.
      const freedom = shards - 1;
      expect(chiSquare).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom) + 8);
      expect(skew).toBeLessThan(0.03);
    }
  });

  test('every hash has a shard', () => {
    for (const hash of [0, 1, -1, 0x7fff_ffff, -0x8000_0000]) {
      for (const shards of [1, 3, 1000]) {
        expect(shardOf(hash, shards)).toBeGreaterThanOrEqual(0);
        expect(shardOf(hash, shards)).toBeLessThan(shards);
      }
    }
  });
});

function doubleOf(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(number);
  return bytes;
}

/** Two keys that differ little: in one character, in length, in zeros at the end, or only by encoding. */
function nearPair(random: ReturnType<typeof seededRandom>): [string, string] {
  const width = random.oneIn(2) ? 0x100 : 0xd800;
  const codes = Array.from({ length: 1 + random.below(12) }, () => random.below(width));
  const left = String.fromCharCode(...codes);
  switch (random.below(4)) {
    case 0:
      codes[random.below(codes.length)] = random.below(width);
      return [left, String.fromCharCode(...codes)];
    case 1:
      return [left, `${left}\0`];
    case 2:
      return [left, Buffer.from(left, 'utf16le').toString('latin1')];
    default:
      return [left, left.slice(0, random.below(codes.length))];
  }
}

function sameWords(a: KeyEncoder, b: KeyEncoder): boolean {
  const count = wordsFor(a.byteLength);
  for (let i = 0; i < count; i++) {
    if (a.words[i] !== b.words[i]) {
      return false;
    }
  }
  return true;
}
