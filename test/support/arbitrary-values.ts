/**
 * Arbitrary nested values for serializers: mostly data within the allow-list, biased towards what formats get wrong, and
 * now and then something that must be refused.
 */
import fc from 'fast-check';

class Point {
  x = 1;
}

/** Every UTF-16 string, halves of surrogate pairs included. */
const anyString = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 8 }) },
  fc.string({ unit: 'grapheme', maxLength: 4 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 3 }).map((units) => String.fromCharCode(...units)),
);

const key = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('a', 'b', 'id', 'name', '0', '7', '01', '') },
  fc.constantFrom('__proto__', 'constructor', 'toJSON', 'toString', 'length', '$date', '$map', '$object', '$x', '$'),
  anyString,
);

const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -0, Number.NaN, 2 ** 53, -(2 ** 31), 5e-324));

const bigint = fc.oneof(fc.bigInt(), fc.constantFrom(0n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), -(2n ** 63n) - 1n));

const typedArray = fc.oneof(
  fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
  fc.uint8Array({ maxLength: 6 }),
  fc.int16Array({ maxLength: 6 }),
  fc.uint8ClampedArray({ maxLength: 6 }),
  fc.float32Array({ maxLength: 6 }),
  fc.float64Array({ maxLength: 6 }),
  fc.bigInt64Array({ maxLength: 3 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => new Uint32Array(bytes.buffer, 4, 2)),
);

const regExp = fc.constantFrom(/a/, /(?<year>\d+)-\/\n/giu, /[\ud800]/, /\n\//, /(?:)/);

const leaf = fc.oneof(
  { weight: 6, arbitrary: anyString },
  { weight: 6, arbitrary: number },
  { weight: 2, arbitrary: fc.constantFrom(null, undefined, true, false) },
  { weight: 2, arbitrary: bigint },
  { weight: 2, arbitrary: fc.date({ noInvalidDate: false }) },
  { weight: 2, arbitrary: typedArray },
  // A fresh one each time: whoever changes one value must not change the next.
  regExp.map((shared) => new RegExp(shared)),
);

/** Made anew each time, since some of them are objects. */
const refusedLeaf = fc
  .constantFrom<() => unknown>(
    () => () => 1,
    () => Symbol('s'),
    () => new Point(),
    () => Object.create(null),
    () => ({ [Symbol('s')]: 1 }),
    () => Object.assign(new Map(), { x: 1 }),
    () => Object.create(RegExp.prototype),
    () => Object.assign(/a/g, { lastIndex: 1 }),
    () => new DataView(new ArrayBuffer(2)),
    () => Object.defineProperty({}, 'a', { enumerable: true, get: () => new Point() }),
  )
  .map((make) => make());

const errorClass = fc.constantFrom(Error, TypeError, RangeError, SyntaxError);

const { tree } = fc.letrec<{ tree: unknown; members: Record<string, unknown> }>((tie) => {
  const items = fc.array(tie('tree'), { maxLength: 4 });
  return {
    members: fc.array(fc.tuple(key, tie('tree')), { maxLength: 4 }).map(Object.fromEntries),
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 24, arbitrary: leaf },
      { weight: 1, arbitrary: refusedLeaf },
      { weight: 8, arbitrary: tie('members') },
      { weight: 6, arbitrary: items },
      { weight: 2, arbitrary: fc.sparseArray(tie('tree'), { maxLength: 6, maxNumElements: 3 }) },
      { weight: 1, arbitrary: fc.tuple(items, tie('members')).map(([list, members]) => withMembers(list, members)) },
      { weight: 2, arbitrary: fc.array(fc.tuple(tie('tree'), tie('tree')), { maxLength: 3 }).map((p) => new Map(p)) },
      { weight: 2, arbitrary: items.map((list) => new Set(list)) },
      { weight: 2, arbitrary: fc.tuple(errorClass, anyString, tie('tree'), tie('members')).map(errorOf) },
      // The same object twice is not a cycle.
      { weight: 1, arbitrary: tie('tree').map((item) => [item, { item }]) },
    ),
  };
});

export const arbitraryValue: fc.Arbitrary<unknown> = tree;

function withMembers<T extends object>(target: T, members: Record<string, unknown>): T {
  for (const [name, value] of Object.entries(members)) {
    if (name !== 'length') {
      Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
    }
  }
  return target;
}

function errorOf([kind, message, cause, members]: [ErrorConstructor, string, unknown, Record<string, unknown>]): Error {
  const error = cause === undefined ? new kind(message) : new kind(message, { cause });
  return withMembers(error, members);
}
