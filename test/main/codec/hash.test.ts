import { expect, test } from 'vitest';
import { hashBytes, hashValue } from '../../../src/main/codec/index.ts';
import { encodeLongStructured } from '../../../src/protocol/structured-key.ts';

test('bytes have the digests that other programs give them', () => {
  expect(hashBytes('test data')).toBe('eb733a00c0c9d336e65691a37ab54293');
  expect(hashBytes(Buffer.from('test data'))).toBe('eb733a00c0c9d336e65691a37ab54293');
  expect(hashBytes(new Uint8Array(0), 'sha1')).toBe('da39a3ee5e6b4b0d3255bfef95601890afd80709');
  expect(() => hashBytes({} as never)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', option: 'bytes' }));
});

test('an unknown algorithm is an error that names some', () => {
  const unknown = expect.objectContaining({
    code: 'UNKNOWN_PLUGIN',
    option: 'algorithm',
    available: expect.arrayContaining(['md5', 'sha256']),
  });
  expect(() => hashBytes('', 'md6')).toThrow(unknown);
  expect(() => hashValue('', 'md6')).toThrow(unknown);
});

/** What people have stored under these must be found by every later version. */
const GOLDEN: [string, unknown, string][] = [
  ['undefined', undefined, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
  ['null', null, '4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a'],
  ['true', true, '084fed08b978af4d7d196a7446a86b58009e636b611db16211b65a9aadff29c5'],
  ['1', 1, '504db1da3eb9adacae535011f0bc1e0827e0dd13db498950984eaece64258bc5'],
  ["'1'", '1', '3ad43443394be99bdb46623c030d9a6ee53ff73bec99a9c0960185451021aba6'],
  ['1n', 1n, 'd56c1fc198eecbff4ed2c12f0af6184cbecc163a5ae95b214fc38bc3c57c6225'],
  ['[1]', [1], '021fab2de3c98c0c75eb0e5f79c8557c9fd57b3a7cc3e8cfe71df77607950a03'],
  ['0', 0, '93e60f669b99ad3e3ee6284b139e57adfb419960f390858e46ea565bbf82d001'],
  ['NaN', Number.NaN, '6997e9a471855f0157b7143cc36171cffd68133af87bd4262e01c3ba1948c80b'],
  ['a date', new Date(0), '92c0a3cd8b571ac5634aa066fcc63d7b62155c36126a29231d97692ff2944875'],
  ['bytes', new Uint8Array([1, 2, 3]), 'cf7940cb3b1789ddab42efa23d794c064774b5ccbe1ee99b7ccca4c53eee9da1'],
  ['no arguments', [], '102b51b9765a56a3e899f7cf0ee38e5251f9c503b357b330a49183eb7b155604'],
  [
    'arguments',
    ['user', 42, { page: 2, tags: ['a', 'é'] }, undefined],
    'bd978611db6c69a0f3d6779f77f8473a96dddb964885d71f17d74ae42b1d8b62',
  ],
  ['an object', { b: 2, a: { d: null, c: false } }, '4eb42ed765bc026faeabed29b09fbb22b9a14b0f1964dbae18e66d32a41deb1b'],
  [
    'a Map',
    new Map<unknown, unknown>([
      ['b', 1],
      [{ a: 1 }, [2n]],
    ]),
    '5be267c07c0bbfdfc1b0237303f2868f8fffb832be52d57406215cca299e9854',
  ],
  ['a Set', new Set(['b', 'a', 7]), 'e721ec0db5f8647bfa9e86ffb389d0b2d2005d2a2cdb073c11d6d44649e0d2ca'],
];

test.each(GOLDEN)('%s has its hash for ever', (_name, value, hash) => {
  expect(hashValue(value)).toBe(hash);
});

test('no two of them have the same', () => {
  expect(new Set(GOLDEN.map(([, value]) => hashValue(value))).size).toBe(GOLDEN.length);
});

test.each<[string, unknown, unknown]>([
  ['properties in any order', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
  ['Sets by content', new Set([1, 'a', 2]), new Set([2, 1, 'a'])],
  [
    'Maps by content',
    new Map([
      ['a', 1],
      ['b', 2],
    ]),
    new Map([
      ['b', 2],
      ['a', 1],
    ]),
  ],
  ['0 and -0', [0], [-0]],
  ['a Buffer and a Uint8Array', Buffer.from([1]), new Uint8Array([1])],
])('%s are the same', (_name, one, other) => {
  expect(hashValue(one)).toBe(hashValue(other));
});

test('values much longer than a key have one, too', () => {
  const rows = Array.from({ length: 20_000 }, (_, id) => ({ id, name: `user ${id}`, tags: new Set([id, 'x']) }));
  const backwards = rows.map(({ id, name, tags }) => ({ tags: new Set([...tags].reverse()), name, id }));
  expect(hashValue(rows)).toBe(hashValue(backwards));
  expect(hashValue(rows)).not.toBe(hashValue(rows.slice(1)));
  expect(hashValue('é'.repeat(500_000), 'md5')).toMatch(/^[0-9a-f]{32}$/);
  expect(hashValue(2n ** 900_000n)).not.toBe(hashValue(2n ** 900_000n + 1n));
});

test('what is longer than allowed is refused before it is built', () => {
  // A tag, three bytes of length, and the text.
  expect(encodeLongStructured('x'.repeat(99_996), 100_000)).toHaveLength(100_000);
  expect(encodeLongStructured('x'.repeat(8), 10)).toHaveLength(10);
  for (const value of [
    'x'.repeat(99_997),
    new Array(100_001),
    2n ** 800_000n,
    [['x'.repeat(60_000)], 'y'.repeat(60_000)],
  ]) {
    expect(() => encodeLongStructured(value, 100_000)).toThrow(/a key of at most 100000 bytes/);
  }
});

test('what has no content is refused', () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const value of [
    () => 1,
    Symbol('s'),
    cycle,
    new (class A {})(),
    [new Error('x')],
    '\ud800',
    new Date(Number.NaN),
  ]) {
    expect(() => hashValue(value)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }));
  }
});
