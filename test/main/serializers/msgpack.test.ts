import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MsgpackCodec } from '../../../src/main/serializers/msgpack.ts';

const codec = new MsgpackCodec();

function roundTrip(value: unknown): unknown {
  codec.encode(value);
  const { tag, byteLength } = codec;
  const scratch = Buffer.alloc(Math.max(64, byteLength + 8), 0xee);
  scratch.set(codec.bytes.subarray(0, byteLength));
  const decoded = codec.decode(tag, scratch, byteLength);
  scratch.fill(0x55);
  return decoded;
}

const values: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['true', true],
  ['false', false],
  ['zero', 0],
  ['negative zero', -0],
  ['NaN', Number.NaN],
  ['infinity', Number.NEGATIVE_INFINITY],
  ['a large number', Number.MAX_VALUE],
  ['a small bigint', 5n],
  ['a 64-bit bigint', -(2n ** 63n)],
  ['a large bigint', 2n ** 200n],
  ['an empty string', ''],
  ['ASCII', 'hello'],
  ['Latin-1', 'caf\u00e9'],
  ['Chinese', '\u7f13\u5b58'],
  ['an emoji', '\u{1f600}'],
  ['a lone surrogate', 'a\ud800b'],
  ['a long string', 'x'.repeat(100_000)],
  ['a long string of other characters', '\u7f13'.repeat(50_000)],
  ['a date', new Date(1_700_000_000_123)],
  ['a date before 1970', new Date(-1)],
  ['a far date', new Date(8.64e15)],
  ['a regular expression', /a(b)c/giu],
  [
    'a map',
    new Map<unknown, unknown>([
      [1, 'a'],
      ['1', { b: [1n] }],
    ]),
  ],
  ['a set', new Set<unknown>([1, '1', null])],
  ['bytes', Buffer.from([1, 2, 3])],
  ['a Uint8Array', new Uint8Array([1, 2, 3])],
  ['a Float32Array', new Float32Array([1.5, -0, Number.NaN])],
  ['a BigInt64Array', new BigInt64Array([1n, -1n])],
  ['nested bytes', { a: Buffer.from('abc'), b: [new Uint8Array([9])] }],
  ['an object', { id: 1, name: 'Ada', tags: ['a', 'b'], nested: { at: new Date(5), none: null, un: undefined } }],
  ['an array', [1, 'a', null, undefined, [], {}]],
  // biome-ignore lint/suspicious/noSparseArray: holes are the point
  ['an array with holes', [1, , 3]],
  ['an array with properties', Object.assign([1, 2], { index: 5, groups: undefined })],
  ['the match of a regular expression', /(b)/.exec('abc')],
  ['-0 inside', { a: [-0] }],
  ['a lone surrogate inside', ['\udfff']],
  ['an own __proto__ key', JSON.parse('{"__proto__": 1, "a": 2}')],
  ['a number-like key', { 1: 'a', '01': 'b' }],
];

describe('msgpack values', () => {
  test.each(values)('%s comes back equal', (_name, value) => {
    expect(isDeepStrictEqual(roundTrip(value), value)).toBe(true);
  });

  test('an invalid date stays one', () => {
    expect(roundTrip([new Date(Number.NaN)])).toEqual([new Date(Number.NaN)]);
  });

  test('errors keep class, message, code, cause and properties', () => {
    const cause = Object.assign(new RangeError('inner'), { code: 'E_INNER', at: [1, 2] });
    const error = Object.assign(new TypeError('outer', { cause }), { errno: -2 });
    const copy = roundTrip({ error, list: [cause] }) as { error: typeof error; list: Error[] };
    expect(copy.error).toBeInstanceOf(TypeError);
    expect(copy.error).toMatchObject({ message: 'outer', errno: -2, stack: error.stack });
    expect(copy.error.cause).toBeInstanceOf(RangeError);
    expect(copy.error.cause).toMatchObject({ message: 'inner', code: 'E_INNER', at: [1, 2] });
    expect(copy.list[0]).toMatchObject({ message: 'inner' });
    expect(Object.keys(copy.error)).toEqual(['errno']);
    expect(roundTrip(new Error('bare'))).not.toHaveProperty('cause');
  });

  test.each<[string, unknown]>([
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a class instance', new (class Point {})()],
    ['a class instance inside', { a: [new (class Point {})()] }],
    ['an instance of a subclass of Array', new (class List extends Array {})()],
    ['an instance of a subclass of Error', new (class HttpError extends Error {})('x')],
    ['a promise', Promise.resolve()],
    ['a WeakMap', new WeakMap()],
    ['a symbol key', { [Symbol('s')]: 1 }],
    ['an object without prototype', Object.create(null)],
    ['a function on an array', Object.assign([1], { run: () => 1 })],
    ['a function in a map', new Map([[1, () => 1]])],
  ])('%s is refused with SERIALIZATION_ERROR, by encode and by check', (_name, value) => {
    expect(() => codec.encode(value)).toThrow(expect.objectContaining({ code: 'SERIALIZATION_ERROR' }));
    expect(() => codec.check(value)).toThrow(expect.objectContaining({ code: 'SERIALIZATION_ERROR' }));
  });

  test('a cycle is refused, through an object, an array and a map', () => {
    const object: Record<string, unknown> = {};
    object['self'] = object;
    const array: unknown[] = [];
    array.push([array]);
    const map = new Map();
    map.set('self', map);
    for (const value of [object, array, map]) {
      expect(() => codec.encode(value)).toThrow(expect.objectContaining({ code: 'SERIALIZATION_ERROR' }));
    }
  });

  test('arbitrary data comes back equal, or is refused', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: false,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: true,
      withUnicodeString: true,
    });
    fc.assert(
      fc.property(anything, (value) => {
        try {
          codec.check(value);
        } catch (error) {
          expect(error).toMatchObject({ code: 'SERIALIZATION_ERROR' });
          expect(() => codec.encode(value)).toThrow();
          return;
        }
        expect(isDeepStrictEqual(roundTrip(value), value)).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });

  test('a decoded value keeps nothing of the memory it was read from', () => {
    expect(roundTrip({ a: Buffer.from('abc') })).toEqual({ a: Buffer.from('abc') });
    expect(roundTrip(Buffer.from('abc'))).toEqual(Buffer.from('abc'));
  });

  test('a tag that nobody wrote is an error, not a value', () => {
    expect(() => codec.decode(99, Buffer.alloc(8), 8)).toThrow(
      expect.objectContaining({ code: 'SERIALIZATION_ERROR' }),
    );
  });
});
