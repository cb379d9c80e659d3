import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CacheKey } from '../../src/protocol/cache-key.ts';
import { checkKey, ENCODING_STRUCTURED, KeyEncoder } from '../../src/protocol/key.ts';
import { KEY_BYTES_MAX } from '../../src/protocol/memory.ts';
import { decodeStructured } from '../../src/protocol/structured-key-reader.ts';
import { equalKeys } from '../support/key-equality.ts';
import { KeyMaker } from '../support/key-maker.ts';
import { comparePairs, decoded } from '../support/key-pairs.ts';
import { Random, SEED } from '../support/random.ts';

const ownProto = Object.fromEntries([['__proto__', 1]]);
const nullProto = (properties: object) => Object.assign(Object.create(null), properties);
const nanWithPayload = new Float64Array(new Uint32Array([7, 0xfff8_0001]).buffer)[0] as number;

function encoded(key: unknown): KeyEncoder {
  const encoder = new KeyEncoder({ low: 1, high: 2 });
  encoder.encode(key);
  return encoder;
}

/** The encoding and the bytes, as a shard compares them. */
function bytesOf(key: unknown): string {
  const { encoding, bytes, byteLength } = encoded(key);
  return `${encoding} ${Buffer.from(bytes.subarray(0, byteLength)).toString('hex')}`;
}

/** Key, encoding and bytes. What is stored under them in files and in other processes depends on every digit. */
const GOLDEN: [CacheKey, string][] = [
  [null, '3 01'],
  [false, '3 02'],
  [true, '3 03'],
  [0, '2 0000000000000000'],
  [1, '2 000000000000f03f'],
  [-0.5, '2 000000000000e0bf'],
  [Number.NaN, '2 000000000000f87f'],
  [0n, '3 06010000000000000000'],
  [255n, '3 060100000000000000ff'],
  [-1n, '3 07010000000000000001'],
  [2n ** 64n - 1n, '3 0601ffffffffffffffff'],
  [2n ** 64n, '3 060200000000000000010000000000000000'],
  [-(2n ** 68n), '3 070200000000000000100000000000000000'],
  [new Date(1), '3 08000000000000f03f'],
  [new Uint8Array([1, 2, 255]), '3 09030102ff'],
  [[], '3 0a00'],
  [[undefined, null, 1, 'a'], '3 0a04000104000000000000f03f050161'],
  [['é', '\u{1f0a1}'], '3 0a020502c3a90504f09f82a1'],
  [['x'.repeat(200)], `3 0a0105c801${'78'.repeat(200)}`],
  [{}, '3 0b00'],
  [{ page: 2, id: 1 }, '3 0b0202696404000000000000f03f0470616765040000000000000040'],
  [new Map(), '3 0c00'],
  [
    new Map<CacheKey, CacheKey>([
      ['b', true],
      ['a', false],
      [null, 'z'],
    ]),
    '3 0c030105017a0501610205016203',
  ],
  [new Set(), '3 0d00'],
  [new Set(['bb', 'c', 'a']), '3 0d0305016105016305026262'],
];

/** No two of these are the same key. */
const DISTINCT: unknown[] = [
  ...[
    '',
    '0',
    '1',
    '1n',
    'true',
    'null',
    'undefined',
    '[1]',
    '1970-01-01T00:00:00.001Z',
    '\x01',
    '\x03',
    'ā',
    '{"a":1}',
  ],
  ...['\0\0\0\0\0\0\0\0', '\0\0\0\0\0\0ð?', '\x0a\0', '\x09\x01\x01'],
  ...[0, 1, -1, 2, 0.1, 2 ** 53, Number.MIN_VALUE, 1 / 0, -1 / 0, Number.NaN, 2 ** 32, 49],
  ...[0n, 1n, -1n, 2n, 255n, 256n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 64n), 2n ** 128n, 2n ** 1000n, 2n ** 1000n + 1n],
  ...[true, false, null],
  ...[new Date(0), new Date(1), new Date(-1), new Date(8.64e15)],
  ...[[], [0], [8], [0, 0], [1], [1, 1]].map((bytes) => new Uint8Array(bytes)),
  ...[[], [[]], [[], []], [[[]]], [undefined], [null], [undefined, undefined], [0], [1], ['1'], [1n], [true], [1, 2]],
  ...[[2, 1], [[1], 2], [[1, 2]], [1, [2]], ['a', 'b'], ['ab'], ['ab', ''], ['', 'ab'], ['a', 'b', ''], [new Date(1)]],
  ...[[new Uint8Array([1])], [[1], []], [[], [1]], [['a'], 'b'], ['a', ['b']], [{}], [new Map()], [new Set()]],
  ...[
    {},
    { a: undefined },
    { a: null },
    { a: 1 },
    { a: '1' },
    { a: 1, b: 2 },
    { a: 2, b: 1 },
    { a: { b: 1 } },
    { b: 1 },
  ],
  ...[{ ab: 1 }, { a: 1, b: undefined }, { 0: 1 }, { 0: 1, length: 1 }, ownProto, { '': 1 }, { a: [] }, { a: {} }],
  ...[[], [['a', 1]], [[0, 1]], [['a', undefined]], [[1, 'a']], [[undefined, 'a']]].map(
    (pairs) => new Map(pairs as []),
  ),
  new Map([[{ a: 1 }, 1]]),
  new Map([['a', new Map()]]),
  new Map([
    ['a', 1],
    ['b', 2],
  ]),
  new Map([
    ['a', 2],
    ['b', 1],
  ]),
  // Equal but not identical: each counts.
  new Map([
    [{ a: 1 }, 1],
    [{ a: 1 }, 1],
  ]),
  ...[[], [1], ['1'], [undefined], [[1]], [1, 2], ['a', 'b'], ['ab'], [[1], [2]], [[1, 2]], [{}]].map(
    (m) => new Set(m as []),
  ),
  ...[new Set([{}, {}]), new Set([new Set()]), new Set([new Set([1]), 2]), new Set([new Set([2]), 1]), [new Set([1])]],
];

/** Both are the same key. */
const EQUAL: [unknown, unknown][] = [
  [0, -0],
  [Number.NaN, nanWithPayload],
  [
    [0, Number.NaN],
    [-0, nanWithPayload],
  ],
  [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
  ],
  [{ a: { c: 1, b: [{ y: 1, x: 2 }] } }, { a: { b: [{ x: 2, y: 1 }], c: 1 } }],
  [
    { 10: 'a', 9: 'b', x: 'c' },
    { x: 'c', 9: 'b', 10: 'a' },
  ],
  [
    { '\u{1f0a1}': 1, '\uffff': 2 },
    { '\uffff': 2, '\u{1f0a1}': 1 },
  ],
  [nullProto({ a: 1 }), { a: 1 }],
  [Buffer.from('abc'), new Uint8Array([97, 98, 99])],
  [[Buffer.from('abc')], [new Uint8Array([0, 97, 98, 99]).subarray(1)]],
  [new Uint8Array(new SharedArrayBuffer(2)), new Uint8Array(2)],
  [new Date(5), new Date(5)],
  [new Set([1, 2, 3]), new Set([3, 1, 2])],
  [new Set(['b', 'a', 'cc']), new Set(['cc', 'a', 'b'])],
  [new Set([{ a: 1, b: 2 }, [1]]), new Set([[1], { b: 2, a: 1 }])],
  [new Map(Object.entries({ a: 1, b: 2, c: 3 })), new Map(Object.entries({ c: 3, a: 1, b: 2 }))],
  [new Map([[new Set([1, 2]), new Set([3, 4])]]), new Map([[new Set([2, 1]), new Set([4, 3])]])],
  [
    new Map([
      [{}, 2],
      [{}, 1],
    ]),
    new Map([
      [{}, 1],
      [{}, 2],
    ]),
  ],
  [Object.defineProperty({ a: 1 }, 'hidden', { value: 2 }), { a: 1 }],
  [Object.defineProperty({}, 'a', { get: () => 1, enumerable: true }), { a: 1 }],
];

describe('the canonical bytes', () => {
  test.each(GOLDEN.map(([key, bytes]) => ({ key, bytes, text: inspect(key).slice(0, 60) })))(
    'of $text are $bytes',
    ({ key, bytes }) => {
      expect(bytesOf(key)).toBe(bytes);
    },
  );

  test('of different keys differ, and so do their hashes', () => {
    const bytes = new Map<string, unknown>();
    const hashes = new Set<string>();
    for (const key of DISTINCT) {
      expect([key, bytes.get(bytesOf(key))]).toEqual([key, undefined]);
      bytes.set(bytesOf(key), key);
      const { hashLow, hashHigh } = encoded(key);
      hashes.add(`${hashLow} ${hashHigh}`);
    }
    expect(hashes.size).toBe(DISTINCT.length);
  });

  test('of one key are the same however it is put together', () => {
    for (const [left, right] of EQUAL) {
      expect(bytesOf(left)).toBe(bytesOf(right));
      expect(encoded(left)).toMatchObject({ hashLow: encoded(right).hashLow, hashHigh: encoded(right).hashHigh });
    }
  });

  test('the tests have their own idea of equality, and it is the tables', () => {
    const keys = DISTINCT as CacheKey[];
    keys.forEach((key, i) => {
      expect(keys.findIndex((other) => equalKeys(key, other))).toBe(i);
    });
    expect(EQUAL.every(([left, right]) => equalKeys(left as CacheKey, right as CacheKey))).toBe(true);
  });

  test('give the key back', () => {
    for (const key of [...DISTINCT, ...EQUAL.flat()] as CacheKey[]) {
      const back = decoded(encoded(key));
      expect([back, equalKeys(back, key)]).toEqual([back, true]);
    }
  });

  test('give `__proto__` back as a property, and bytes that are nobody else’s', () => {
    const back = decoded(encoded({ ['__proto__']: { polluted: true } })) as object;
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(Object.keys(back)).toEqual(['__proto__']);
    const bytes = decoded(encoded(Buffer.from('abc'))) as Uint8Array;
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    expect(bytes.buffer.byteLength).toBe(3);
  });
});

describe('any key', () => {
  /** fast-check shrinks the seed away, so what it prints is small; the keys come from the maker. */
  const anyMaker = fc.integer().map((seed) => new KeyMaker(new Random(seed)));

  test('is the same bytes in another order, with -0 for 0 and a Buffer for a Uint8Array', () => {
    fc.assert(
      fc.property(anyMaker, (maker) => {
        const key = maker.key(5);
        expect(bytesOf(maker.rearranged(key))).toBe(bytesOf(key));
      }),
      { seed: SEED, numRuns: 3_000 },
    );
  });

  test('of what JSON can hold is the same bytes with its properties in another order', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.infiniteStream(fc.nat()), (object, chance) => {
        const entries = Object.entries(object).map((entry) => ({ entry, rank: chance.next().value as number }));
        const shuffled = entries.sort((a, b) => a.rank - b.rank).map(({ entry }) => entry);
        fc.pre(JSON.stringify(object).isWellFormed() && !/\\ud[89a-f]/.test(JSON.stringify(object)));
        expect(bytesOf(Object.fromEntries(shuffled))).toBe(bytesOf(object));
      }),
      { seed: SEED, numRuns: 1_000 },
    );
  });

  test('is the same bytes as another exactly when they are equal, in 50,000 pairs', () => {
    console.info(`pairs of keys: SEED=${SEED}`);
    const { equal, different, equalHashes, faults } = comparePairs({ pairs: 50_000, seed: SEED });
    expect(faults).toEqual([]);
    expect(equalHashes).toBe(0);
    expect(equal).toBeGreaterThan(5_000);
    expect(different).toBeGreaterThan(30_000);
  });

  test('leaves the rest of its last word zero, whatever was encoded before', () => {
    const encoder = new KeyEncoder({ low: 1, high: 2 });
    for (const key of DISTINCT) {
      encoder.encode(['ÿ'.repeat(100), 'x'.repeat(100)]);
      encoder.encode(key);
      expect(
        encoder.bytes.subarray(encoder.byteLength, (encoder.byteLength + 3) & ~3).every((byte) => byte === 0),
      ).toBe(true);
      expect(encoder.hashLow).toBe(encoded(key).hashLow);
    }
  });
});

class Point {
  x = 1;
}

const holed = Object.assign([1], { 2: 3 });
const cycle: unknown[] = [];
cycle.push({ cycle });
const wideCycle = new Set<unknown>();
wideCycle.add([wideCycle, wideCycle]).add(wideCycle);

function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let key: unknown = 1;
  for (let i = 0; i < depth; i++) {
    key = wrap(key);
  }
  return key;
}

const REFUSED: Record<string, unknown> = {
  undefined: undefined,
  'a function': function load() {},
  'a function inside': { a: [() => 1] },
  'a symbol': Symbol('s'),
  'a class': Point,
  'a class instance': new Point(),
  'a class instance inside': new Map([['at', new Point()]]),
  'a subclass of Map': new (class Index extends Map {})(),
  'a subclass of Array': new (class List extends Array {})(),
  'a subclass of Uint8Array': new (class Bytes extends Uint8Array {})(1),
  'an object that says it is a Map': Object.create(Map.prototype),
  'an object that says it is a Date': Object.create(Date.prototype),
  'an object that says it is bytes': Object.create(Uint8Array.prototype),
  'an object that inherits': Object.create({ a: 1 }),
  'a boxed string': Object('key'),
  'a regular expression': /a/,
  'an error': new Error('no'),
  'a promise': Promise.resolve(1),
  'other typed arrays': new Float64Array(1),
  'an ArrayBuffer': new ArrayBuffer(1),
  'a symbol as a name': { [Symbol('s')]: 1, a: 2 },
  'an array with a hole': holed,
  'a vast array of holes': new Array(2 ** 32 - 1),
  'an array with a property': Object.assign([1], { index: 0 }),
  'an array with a hole and a property': Object.assign(new Array(1), { index: 0 }),
  'an array with a symbol': Object.assign([1], { [Symbol('s')]: 0 }),
  'a Map with a property': Object.assign(new Map(), { name: 1 }),
  'a Date with a property': Object.assign(new Date(0), { zone: 1 }),
  'an invalid date': [new Date(Number.NaN)],
  'a lone surrogate inside': ['a\ud800'],
  'a lone surrogate in a name': { 'a\udc00': 1 },
  'a lone surrogate in a long text': new Set([`${'a'.repeat(100)}\ud800`]),
  'a cycle': cycle,
  'a cycle through a Set': wideCycle,
  '101 arrays in each other': nested(101, (inner) => [inner]),
  '101 Maps in each other': nested(101, (inner) => new Map([[inner, 1]])),
  'text beyond the limit': ['a'.repeat(KEY_BYTES_MAX - 5)],
  'wide text beyond the limit': ['é'.repeat(KEY_BYTES_MAX >> 1)],
  'bytes beyond the limit': new Uint8Array(KEY_BYTES_MAX),
  'a bigint beyond the limit': 2n ** BigInt(KEY_BYTES_MAX * 8),
  'a bigint far beyond the limit': [-(1n << 100_000_000n)],
  'items beyond the limit': new Array(1e6).fill(null),
  'members beyond the limit': new Set(Array.from({ length: 1e5 }, (_, i) => i)),
  'properties beyond the limit': Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`key ${i}`, i])),
  'what doubles a hundred times': nested(99, (inner) => [inner, inner]),
};

describe('what is no key', () => {
  test.each(Object.entries(REFUSED))('%s is refused, by encode and by checkKey', (_, key) => {
    const encoder = new KeyEncoder({ low: 1, high: 2 });
    const invalid = expect.objectContaining({ name: 'TypeError', code: 'INVALID_KEY' });
    expect(() => encoder.encode(key)).toThrow(invalid);
    expect(() => checkKey(key)).toThrow(invalid);
    encoder.encode({ id: 1 });
    expect(encoder.hashLow).toBe(encoded({ id: 1 }).hashLow);
  });

  test('is described', () => {
    const messages = Object.entries(REFUSED).map(([name, key]) => {
      try {
        checkKey(key);
        return `${name}: taken`;
      } catch (error) {
        return `${name}: ${(error as Error).message}`;
      }
    });
    expect(messages.join('\n')).toMatchInlineSnapshot(`
      "undefined: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got undefined
      a function: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got function load
      a function inside: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got function (anonymous)
      a symbol: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got Symbol(s)
      a class: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got function Point
      a class instance: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got a Point
      a class instance inside: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got a Point
      a subclass of Map: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got an Index
      a subclass of Array: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got a List
      a subclass of Uint8Array: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got a Bytes
      an object that says it is a Map: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got a Map
      an object that says it is a Date: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got a Date
      an object that says it is bytes: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got an Uint8Array
      an object that inherits: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got an object
      a boxed string: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got a String
      a regular expression: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got a RegExp
      an error: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got an Error
      a promise: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got a Promise
      other typed arrays: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got a Float64Array
      an ArrayBuffer: Expected a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set), got an ArrayBuffer
      a symbol as a name: Expected a key without symbols as property names, got { a: 2, Symbol(s): 1 }
      an array with a hole: Expected a key whose arrays have neither holes nor properties beside their items, got [1, undefined, 3]
      a vast array of holes: Expected a key of at most 65535 bytes, got [undefined, undefined, undefined, undefined, ...]
      an array with a property: Expected a key whose arrays have neither holes nor properties beside their items, got [1]
      an array with a hole and a property: Expected a key whose arrays have neither holes nor properties beside their items, got [undefined]
      an array with a symbol: Expected a key whose arrays have neither holes nor properties beside their items, got [1]
      a Map with a property: Expected a key whose Dates, Maps and Sets have no properties of their own, got Map {}
      a Date with a property: Expected a key whose Dates, Maps and Sets have no properties of their own, got the Date 1970-01-01T00:00:00.000Z
      an invalid date: Expected a key without invalid dates, got an invalid Date
      a lone surrogate inside: Expected a key without lone surrogates, got 'a�' (string)
      a lone surrogate in a name: Expected a key without lone surrogates, got 'a�' (string)
      a lone surrogate in a long text: Expected a key without lone surrogates, got 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' (string of 101 characters)
      a cycle: Expected a key without cycles, nested at most 100 deep, got [{ cycle: [...] }]
      a cycle through a Set: Expected a key without cycles, nested at most 100 deep, got Set { [Set { ... }, Set { ... }], Set { [...], Set { ... } } }
      101 arrays in each other: Expected a key without cycles, nested at most 100 deep, got [[[...]]]
      101 Maps in each other: Expected a key without cycles, nested at most 100 deep, got Map { Map { Map { ... } => 1 } => 1 }
      text beyond the limit: Expected a key of at most 65535 bytes, got ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...']
      wide text beyond the limit: Expected a key of at most 65535 bytes, got ['éééééééééééééééééééééééééééééééééééééééé...']
      bytes beyond the limit: Expected a key of at most 65535 bytes, got an Uint8Array
      a bigint beyond the limit: Expected a key of at most 65535 bytes, got a number of more than 256 bits (bigint)
      a bigint far beyond the limit: Expected a key of at most 65535 bytes, got [a number of more than 256 bits]
      items beyond the limit: Expected a key of at most 65535 bytes, got [null, null, null, null, ...]
      members beyond the limit: Expected a key of at most 65535 bytes, got Set { 0, 1, 2, 3, ... }
      properties beyond the limit: Expected a key of at most 65535 bytes, got { key 0: 0, key 1: 1, key 2: 2, key 3: 3, ... }
      what doubles a hundred times: Expected a key of at most 65535 bytes, got [[[...], [...]], [[...], [...]]]"
    `);
  });

  test('but 100 structures in each other and exactly 65,535 bytes are one', () => {
    for (const key of [
      nested(100, (inner) => [inner]),
      nested(100, (inner) => new Map([[inner, 1]])),
      // Tag and count of the list, tag and length of the text; then what the list goes on with.
      ['a'.repeat(KEY_BYTES_MAX - 2 - 4)],
      ['a'.repeat(KEY_BYTES_MAX - 2 - 4 - 2), []],
      new Uint8Array(KEY_BYTES_MAX - 4),
      Array.from({ length: KEY_BYTES_MAX - 4 }, () => null),
      2n ** BigInt(8_191 * 64) - 1n,
    ]) {
      checkKey(key);
      expect(encoded(key).encoding).toBe(ENCODING_STRUCTURED);
      expect(equalKeys(decoded(encoded(key)), key as CacheKey)).toBe(true);
    }
  });

  test('an accessor that throws leaves the encoder as it was, and its error is the one that comes out', () => {
    const encoder = new KeyEncoder({ low: 1, high: 2 });
    encoder.encode({ id: 1 });
    const { hashLow, meta } = encoder;
    const cause = new Error('not now');
    const key = {
      get id(): number {
        throw cause;
      },
    };
    expect(() => encoder.encode(key)).toThrow(cause);
    expect(() => checkKey([1, key])).toThrow(cause);
    expect(encoder).toMatchObject({ hashLow, meta });
    expect(decoded(encoder)).toEqual({ id: 1 });
  });

  test('an accessor may encode keys of its own with the same encoder', () => {
    const encoder = new KeyEncoder({ low: 1, high: 2 });
    const key = {
      get a() {
        encoder.encode('another key, and a long one');
        encoder.encode({ another: ['one'] });
        return 1;
      },
      b: 2,
    };
    encoder.encode(key);
    expect(encoder.hashLow).toBe(encoded({ a: 1, b: 2 }).hashLow);
  });
});

describe('bytes that are no key', () => {
  test('are refused, or are another key: reading ends', () => {
    const random = new Random(SEED);
    const maker = new KeyMaker(random);
    for (let i = 0; i < 5_000; i++) {
      const { bytes, byteLength } = encoded([maker.key()]);
      const damaged = Buffer.from(bytes.subarray(0, byteLength));
      damaged[random.below(byteLength)] = random.word();
      const cut = random.oneIn(2) ? damaged.subarray(0, random.below(byteLength)) : damaged;
      try {
        decodeStructured(cut);
      } catch (error) {
        expect(error).toMatchObject({ code: 'PROTOCOL_ERROR' });
      }
    }
  });

  test.each([
    ['none', ''],
    ['undefined', '00'],
    ['an unknown tag', '0e'],
    ['half a number', '0400000000'],
    ['a bigint without digits', '0600'],
    ['more than a key', '0101'],
    ['a list longer than its bytes', '0affffffff0f01'],
    ['a list too deep', `${'0a01'.repeat(200)}01`],
  ])('%s are refused', (_, hex) => {
    const refusal = expect.objectContaining({ name: 'CacheError', code: 'PROTOCOL_ERROR' });
    expect(() => decodeStructured(Buffer.from(hex, 'hex'))).toThrow(refusal);
  });
});

describe('the type of a key', () => {
  test('takes what the encoder takes and refuses the rest', () => {
    const keys: CacheKey[] = [
      1,
      'a',
      1n,
      null,
      new Date(0),
      Buffer.alloc(1),
      [undefined, { a: undefined }],
      new Map([[1, [2]]]),
    ];
    expect(() => keys.forEach(checkKey)).not.toThrow();
    const refused: CacheKey[] = [
      // @ts-expect-error
      undefined,
      // @ts-expect-error
      Symbol('s'),
      // @ts-expect-error
      { load: () => 1 },
    ];
    for (const key of refused) {
      expect(() => checkKey(key)).toThrow(TypeError);
    }
  });
});
