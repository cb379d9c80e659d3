import zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { type Codec, createCodec, openCodec, type Serializer } from '../../../src/main/codec/index.ts';
import { serializers } from '../../../src/main/serializers/index.ts';
import { compressions } from '../../../src/protocol/compression/index.ts';
import { openRecord, sealRecord } from '../../../src/protocol/record.ts';
import { arbitraryValue } from '../../support/arbitrary-values.ts';
import { combinations, judged } from '../../support/codec-combinations.ts';
import { ALLOWED, REFUSED } from '../../support/codec-values.ts';
import { SEED } from '../../support/random.ts';
import { difference } from '../../support/strict-equal.ts';

const ARBITRARY_VALUES = 12;
const TEXT = 'once upon a time '.repeat(50);

function failure(code: string, more: object = {}) {
  return expect.objectContaining({ code, ...more });
}

const reversed: Serializer = {
  name: 'reversed',
  binary: false,
  encode: (value) => [...JSON.stringify(value)].reverse().join(''),
  decode: (text) => JSON.parse([...text].reverse().join('')),
};

describe('every serializer, compression and base64', () => {
  const all = combinations();

  test('are there', () => {
    const there = Object.keys(compressions).filter((name) => name !== 'zstd' || 'zstdCompressSync' in zlib);
    expect(all.length).toBe(Object.keys(serializers).length * (there.length + 1) * 2);
  });

  test('every value of the allow-list comes back equal, the rest is refused', () => {
    for (const { name, codec } of all) {
      for (const [what, make] of Object.entries(ALLOWED)) {
        expect(['equal', ...(codec.serializer === 'raw' ? ['refused'] : [])], `${name}: ${what}`).toContain(
          judged(codec, make()),
        );
      }
    }
    for (const serializer of ['msgpack', 'json', 'v8', 'raw'] as const) {
      const codec = createCodec({ serializer, compression: true });
      for (const [what, make] of Object.entries(REFUSED)) expect(judged(codec, make()), what).toBe('refused');
    }
  });

  test('arbitrary data comes back equal, or is refused', () => {
    fc.assert(
      fc.property(fc.array(arbitraryValue, { maxLength: 3 }), (values) => {
        for (const { name, codec } of all) {
          for (const value of values) expect(judged(codec, value), name).not.toBe('different');
        }
      }),
      { numRuns: ARBITRARY_VALUES, seed: SEED },
    );
  });

  test('whoever has the same serializer reads what another made', () => {
    const value = { text: TEXT, at: new Date(5), list: [1, 2n, undefined] };
    const msgpack = all.filter(({ codec }) => codec.serializer === 'msgpack').map(({ codec }) => codec);
    for (const one of msgpack) {
      const made = one.encode(value);
      for (const other of msgpack) expect(difference(other.decode(made), value)).toBeUndefined();
    }
  });
});

describe('what is made', () => {
  test('text shrinks; what does not gain, or is short, stays as it is', () => {
    for (const compression of ['zlib', 'gzip', 'brotli', 'deflate-raw', 'lz4'] as const) {
      const codec = createCodec({ compression });
      expect(openRecord(codec.encode(TEXT)).compression).toBe(compressions[compression].id);
      expect(codec.encode(TEXT).length).toBeLessThan(TEXT.length / 5);
      expect(openRecord(codec.encode('a'.repeat(63))).compression).toBe(0);
      const noise = Buffer.from(Array.from({ length: 500 }, (_, i) => (i * i * 7_919) >>> 5));
      expect(codec.encode(noise).length).toBeLessThanOrEqual(noise.length + 8);
    }
  });

  test('with `base64` it is text, and any codec takes text and bytes alike', () => {
    const codec = createCodec({ base64: true });
    expectTypeOf(codec).toEqualTypeOf<Codec<string>>();
    expectTypeOf(createCodec()).toEqualTypeOf<Codec<Uint8Array>>();
    const text = codec.encode({ a: 1 });
    expect(text).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(createCodec().decode(text)).toEqual({ a: 1 });
    expect(codec.decode(createCodec().encode({ a: 1 }))).toEqual({ a: 1 });
    expect(() => codec.decode(5 as never)).toThrow(failure('SERIALIZATION_ERROR'));
  });

  test('is a copy: what the serializer is given next does not change it', () => {
    const codec = createCodec({ serializer: 'raw' });
    const bytes = Buffer.alloc(100, 1);
    const made = codec.encode(bytes);
    bytes.fill(2);
    codec.encode(bytes);
    expect(codec.decode(made)).toEqual(Buffer.alloc(100, 1));
  });

  test('a serializer of the user is one like any other', () => {
    const codec = createCodec({ serializer: reversed, compression: 'lz4' });
    expect([codec.serializer, codec.compression, codec.base64]).toEqual(['reversed', 'lz4', false]);
    expect(codec.decode(codec.encode({ text: TEXT }))).toEqual({ text: TEXT });
    expect(() => createCodec().decode(codec.encode(1))).toThrow(failure('SERIALIZATION_ERROR'));
  });
});

describe('damage', () => {
  const value = { id: 7, text: TEXT, seen: new Set([1, 'x']) };

  test('every flipped bit and every cut is an error with a code', () => {
    for (const options of [{}, { compression: true }, { serializer: 'json' }] as const) {
      const codec = createCodec(options);
      const made = Buffer.from(codec.encode({ ...value, text: TEXT.slice(0, 80) }));
      for (let bit = 0; bit < made.length * 8; bit++) {
        const damaged = Buffer.from(made);
        damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(() => codec.decode(damaged)).toThrow(failure(bit < 8 ? 'STORE_FOREIGN' : 'STORE_CORRUPT'));
      }
      for (let length = 0; length < made.length; length++) {
        expect(() => codec.decode(made.subarray(0, length))).toThrow(failure('STORE_CORRUPT'));
      }
    }
  });

  test('a flipped bit of text is an error, or what was meant', () => {
    const codec = createCodec({ base64: true, compression: true });
    const text = codec.encode(value);
    for (let bit = 0; bit < text.length * 8; bit++) {
      const bytes = Buffer.from(text, 'latin1');
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      let seen: unknown;
      try {
        seen = codec.decode(bytes.toString('latin1'));
      } catch (error) {
        expect(['STORE_CORRUPT', 'STORE_FOREIGN']).toContain((error as { code?: unknown }).code);
        continue;
      }
      // Base64 has bits at its end that mean nothing.
      expect(difference(seen, value)).toBeUndefined();
    }
  });

  test('a record that is whole, but was made by a stranger, is an error with a code', () => {
    const head = { tag: 0, compression: 0, base64: false, expiresAtMs: Number.POSITIVE_INFINITY };
    const codec = createCodec();
    const payload = Buffer.from('no zlib stream, and no msgpack either');
    expect(() => codec.decode(sealRecord({ ...head, compression: 99 }, payload))).toThrow(failure('STORE_FOREIGN'));
    expect(() => codec.decode(sealRecord({ ...head, compression: 1 }, payload))).toThrow(failure('STORE_CORRUPT'));
    expect(() => codec.decode(sealRecord({ ...head, tag: 99 }, payload))).toThrow(failure('SERIALIZATION_ERROR'));
    expect(() => codec.decode(sealRecord(head, payload))).toThrow(failure('SERIALIZATION_ERROR'));
  });
});

describe('options', () => {
  test.each<[string, unknown, object]>([
    ['serializer', { serializer: 'xml' }, failure('UNKNOWN_PLUGIN', { available: Object.keys(serializers) })],
    ['compression', { compression: 'bz2' }, failure('UNKNOWN_PLUGIN', { available: Object.keys(compressions) })],
    ['compression', { compression: 6 }, failure('INVALID_CONFIG')],
    ['base64', { base64: 'yes' }, failure('INVALID_CONFIG')],
    ['strict', { strict: 1, serializer: 'json' }, failure('INVALID_CONFIG')],
    ['strict', { strict: true }, failure('INVALID_CONFIG')],
    ['compress', { compress: true }, failure('INVALID_CONFIG')],
    ['options', null, failure('INVALID_CONFIG')],
    ['serializer', { serializer: { module: 'data:text/javascript,' } }, failure('INVALID_CONFIG')],
  ])('a wrong `%s` is refused: %o', async (option, options, error) => {
    expect(() => createCodec(options as never)).toThrow(error);
    expect(() => createCodec(options as never)).toThrow(expect.objectContaining({ option }));
    await expect(openCodec(options as never)).rejects.toThrow(error);
  });

  test('a serializer in a module is loaded by `openCodec`', async () => {
    const module = `data:text/javascript,export default { name: 'text', binary: false, encode: String, decode: Number };`;
    const codec = await openCodec({ serializer: { module } });
    expect([codec.serializer, codec.decode(codec.encode(42))]).toEqual(['text', 42]);
  });

  test('strict JSON takes what JSON brings back, and nothing else', () => {
    const codec = createCodec({ serializer: 'json', strict: true });
    for (const value of ['a', 1.5, null, true, [], { a: [1, { b: null }] }]) {
      expect(difference(codec.decode(codec.encode(value)), value)).toBeUndefined();
    }
    for (const value of [undefined, -0, Number.NaN, 1n, new Date(1), [undefined], new Map(), Buffer.alloc(2)]) {
      expect(() => codec.encode(value)).toThrow(failure('SERIALIZATION_ERROR'));
    }
    expect(codec.decode(createCodec({ serializer: 'json' }).encode([1n]))).toEqual([1n]);
  });
});
