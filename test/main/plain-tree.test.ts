import { describe, expect, test } from 'vitest';
import { copyTree, freezeTree, isPlainTree } from '../../src/main/plain-tree.ts';

const shared = { a: 1 };
const cyclic: { self?: unknown } = {};
cyclic.self = cyclic;

const TREES: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a bigint', 10n ** 30n],
  ['a flat object', { id: 1, name: 'Ada', active: true, nothing: null, missing: undefined }],
  ['an array', [1, 'two', [3, [4]], undefined]],
  ['a deep tree', { list: [{ a: { b: [{ c: 1 }] } }], empty: {}, none: [] }],
];

const OTHERS: [string, unknown][] = [
  ['a Date', new Date(0)],
  ['a Map deep within', { list: [new Map()] }],
  ['a Set', new Set([1])],
  ['a RegExp', /x/g],
  ['bytes', { bytes: Buffer.from('x') }],
  ['an Error', new Error('x')],
  ['an instance', new (class Point {})()],
  ['a function', () => 1],
  ['a boxed number', Object(1)],
  ['an object without a prototype', Object.create(null)],
  ['a cycle', cyclic],
  ['an object in two places', [shared, shared]],
  ['an array with a hole', Object.assign(new Array(2), { 0: 1 })],
  ['an array with a name', Object.assign([1], { name: 'x' })],
  ['a getter', Object.defineProperty({}, 'a', { get: () => 1, enumerable: true })],
  ['a Proxy of what is', { a: new Proxy({ a: 1 }, {}) }],
  ['a symbol', { [Symbol('s')]: 1 }],
  ['what is frozen already', Object.freeze({ a: 1 })],
  ['an own __proto__', JSON.parse('{"__proto__":{"a":1}}')],
];

describe('plain data all the way down', () => {
  test.each(TREES)('%s is', (_, tree) => {
    expect(isPlainTree(tree)).toBe(true);
  });

  test.each(OTHERS)('%s is not', (_, value) => {
    expect(isPlainTree(value)).toBe(false);
  });

  test('a tree of a hundred levels is, one of more is not, however deep', () => {
    expect(isPlainTree(nested(100))).toBe(true);
    expect(isPlainTree(nested(101))).toBe(false);
    expect(isPlainTree(nested(1e6))).toBe(false);
  });
});

function nested(levels: number): unknown {
  let tree: unknown = 1;
  for (let i = 0; i < levels; i++) tree = [tree];
  return tree;
}

test.each(TREES)('a copy of %s is equal, and shares nothing that could be changed', (_, tree) => {
  const copy = copyTree(tree);
  expect(copy).toStrictEqual(tree);
  for (const [one, other] of objectsOf(copy, tree)) {
    expect(one).not.toBe(other);
  }
});

test.each(TREES)('%s is frozen at every level', (_, tree) => {
  const copy = copyTree(tree);
  freezeTree(copy);
  for (const [one] of objectsOf(copy, tree)) {
    expect(Object.isFrozen(one)).toBe(true);
  }
});

/** Objects that stand in the same place of two trees. */
function objectsOf(one: unknown, other: unknown): [object, object][] {
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) {
    return [];
  }
  const names = Object.keys(one) as (keyof typeof one)[];
  return [[one, other], ...names.flatMap((name) => objectsOf(one[name], other[name]))];
}
