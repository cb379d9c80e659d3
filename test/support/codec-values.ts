/** The allow-list of the built-in serializers as a table, and what they refuse. Made anew for each test. */

class Point {
  x = 1;
}
class List extends Array {}
class HttpError extends Error {}

export const ALLOWED: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  zero: () => 0,
  'negative zero': () => -0,
  NaN: () => Number.NaN,
  infinity: () => Number.NEGATIVE_INFINITY,
  'a large number': () => Number.MAX_VALUE,
  'the smallest number': () => Number.MIN_VALUE,
  'an integer beyond 2^53': () => 2 ** 60,
  'a small bigint': () => 5n,
  'a 64-bit bigint': () => -(2n ** 63n),
  'a large bigint': () => 2n ** 200n,
  'an empty string': () => '',
  ASCII: () => 'hello',
  'Latin-1': () => 'caf\u00e9',
  Chinese: () => '\u7f13\u5b58',
  'an emoji': () => '\u{1f600}',
  'a lone surrogate': () => 'a\ud800b',
  'a string with NUL and line separators': () => '\0\u2028\u2029\ufeff',
  'a long string': () => 'x'.repeat(100_000),
  'a long string of other characters': () => '\u7f13'.repeat(50_000),
  'a date': () => new Date(1_700_000_000_123),
  'a date before 1970': () => new Date(-1),
  'a date before year 0': () => new Date(-1e14),
  'a far date': () => new Date(8.64e15),
  'an invalid date': () => new Date(Number.NaN),
  'a regular expression': () => /a(b)c\/\n/giu,
  'an empty regular expression': () => /(?:)/,
  'a map': () =>
    new Map<unknown, unknown>([
      [1, 'a'],
      ['1', { b: [1n] }],
      [new Map([[{}, new Set()]]), undefined],
    ]),
  'a set': () => new Set<unknown>([1, '1', null, -0, undefined, [1]]),
  'a Buffer': () => Buffer.from([1, 2, 3]),
  'an empty Buffer': () => Buffer.alloc(0),
  'a Uint8Array': () => new Uint8Array([1, 2, 3]),
  'a view in the middle of other bytes': () => new Uint8Array(Buffer.from('abcdefgh')).subarray(2, 5),
  'a view of shared memory': () => new Uint16Array(new SharedArrayBuffer(16), 2, 3).fill(7),
  'an Int8Array': () => new Int8Array([-1]),
  'a Uint8ClampedArray': () => new Uint8ClampedArray([300]),
  'an Int16Array': () => new Int16Array([-300]),
  'a Uint16Array': () => new Uint16Array([65_535]),
  'an Int32Array': () => new Int32Array([-70_000]),
  'a Uint32Array': () => new Uint32Array([2 ** 32 - 1]),
  'a Float32Array': () => new Float32Array([1.5, -0, Number.NaN]),
  'a Float64Array with an odd NaN': () => new Float64Array(new BigUint64Array([0x7ff8_0000_0000_0001n]).buffer),
  'a BigInt64Array': () => new BigInt64Array([1n, -1n]),
  'a BigUint64Array': () => new BigUint64Array([2n ** 64n - 1n]),
  'nested bytes': () => ({ a: Buffer.from('abc'), b: [new Uint8Array([9])], c: new Float32Array(2) }),
  'an empty object': () => ({}),
  'an object': () => ({ id: 1, name: 'Ada', tags: ['a', 'b'], nested: { at: new Date(5), none: null } }),
  'an undefined member': () => ({ a: undefined, b: 1 }),
  'an array': () => [1, 'a', null, undefined, [], {}],
  // biome-ignore lint/suspicious/noSparseArray: holes are the point
  'an array with holes': () => [1, , 3],
  'an array of holes only': () => new Array(3),
  'a very long array of holes': () => Object.assign([], { 4294967294: 1, length: 4_294_967_295 }),
  'an array with properties': () => Object.assign([1, 2], { index: 5, groups: undefined }),
  // biome-ignore lint/suspicious/noSparseArray: as many keys as items
  'an array with a hole and a property': () => Object.assign([1, , 3], { index: 5 }),
  'the match of a regular expression': () => /(b)/.exec('abc'),
  '-0 inside': () => ({ a: [-0] }),
  'NaN inside': () => [Number.NaN, Number.POSITIVE_INFINITY],
  'a lone surrogate inside': () => ['\udfff'],
  'a lone surrogate in a key': () => ({ '\ud800': 1, '\udfff': 2 }),
  'an own __proto__ key': () => JSON.parse('{"__proto__": {"a": 1}, "a": 2}'),
  'an own __proto__ key beside an error': () => Object.assign(JSON.parse('{"__proto__": [0]}'), { e: new Error('x') }),
  'a number-like key': () => ({ 1: 'a', '01': 'b', '-1': 'c', '': 'd' }),
  'keys that are not in alphabetical order': () => ({ z: 1, a: 2, m: [{ y: 1, x: 2 }] }),
  'keys of Object.prototype': () => ({ constructor: 'a', toString: 1, hasOwnProperty: null, valueOf: [] }),
  'keys that msgpackr looks at': () => [
    { constructor: undefined, toJSON: 1 },
    { constructor: { name: 'x' }, a: -0 },
  ],
  'a key that looks like a tag': () => ({ $date: 5 }),
  'keys that look like tags': () => ({ $map: 1, $set: [{ $undefined: true }], $object: { $object: 1 } }),
  'a lone dollar': () => ({ $: { $unknown: new Date(1) } }),
  'an error': () => new TypeError('no'),
  'an error with code, cause and properties': () =>
    Object.assign(new RangeError('outer', { cause: Object.assign(new SyntaxError('inner'), { code: 'E' }) }), {
      errno: -2,
      errors: [new URIError('a'), { also: new EvalError('b') }],
    }),
  'an error without message, stack and cause': () => {
    const error = new ReferenceError();
    delete (error as Partial<Error>).stack;
    return error;
  },
  'an error whose name and cause were assigned': () => {
    const assigned = { code: 1, name: 'QueryError', cause: new Map([[new Error('key'), -0]]), message: 'shown' };
    return Object.assign(new Error('hidden'), assigned);
  },
  'an error with a hidden name': () => Object.defineProperty(new Error('x'), 'name', { value: 'Hidden' }),
  'an error whose cause is undefined': () => new Error('x', { cause: undefined }),
  'the error of a system call': () => {
    try {
      return process.chdir('/nonexistent/folder');
    } catch (error) {
      return error;
    }
  },
  'errors in an array with properties': () => Object.assign([new Error('a'), 1], { last: new Error('b') }),
  'an error twice': () => {
    const error = new Error('once');
    return { error, list: [error, new Set([error])], map: new Map([[error, error]]) };
  },
  '100 levels': () => nested(100),
};

export const REFUSED: Record<string, () => unknown> = {
  'a function': () => () => 1,
  'a class': () => Point,
  'a symbol': () => Symbol('s'),
  'a class instance': () => new Point(),
  'a class instance inside': () => ({ a: [new Point()] }),
  'an instance of a subclass of Array': () => List.from([1]),
  'an instance of a subclass of Map': () => new (class Table extends Map {})(),
  'an instance of a subclass of Error': () => new HttpError('x'),
  'an instance of a subclass of Uint8Array': () => new (class Octets extends Uint8Array {})(2),
  'an AggregateError': () => new AggregateError([]),
  'a promise': () => Promise.resolve(),
  'a WeakMap': () => new WeakMap(),
  'a DataView': () => new DataView(new ArrayBuffer(2)),
  'an ArrayBuffer': () => new ArrayBuffer(2),
  'a boxed number': () => Object(5),
  'a symbol key': () => ({ [Symbol('s')]: 1 }),
  'a symbol key on an array': () => Object.assign([1], { [Symbol('s')]: 1 }),
  'a symbol key on an error': () => Object.assign(new Error('x'), { [Symbol('s')]: 1 }),
  'an object without prototype': () => Object.create(null),
  'a function on an array': () => Object.assign([1], { run: () => 1 }),
  // biome-ignore lint/suspicious/noSparseArray: as many keys as items
  'a class instance on an array with a hole': () => Object.assign([1, , 3], { point: new Point() }),
  'a function in a map': () => new Map([[1, () => 1]]),
  'a class instance as the key of a map': () => new Map([[new Point(), 1]]),
  'a class instance in the cause of an error': () => new Error('x', { cause: new Point() }),
  'a function on an error': () => Object.assign(new Error('x'), { run: () => 1 }),
  'a property on a date': () => Object.assign(new Date(1), { x: 1 }),
  'a property on a map': () => Object.assign(new Map(), { x: 1 }),
  'a property on a set': () => Object.assign(new Set(), { x: 1 }),
  'a property on a regular expression': () => Object.assign(/a/, { x: 1 }),
  'a regular expression that has been used': () => Object.assign(/a/g, { lastIndex: 1 }),
  'what only looks like a regular expression': () => Object.create(RegExp.prototype),
  'what only looks like an error': () => [Object.create(Error.prototype)],
  'what only looks like a date': () => [Object.create(Date.prototype)],
  'what only looks like a Buffer': () => Object.create(Buffer.prototype),
  'a typed array of two minds': () => [Object.setPrototypeOf(new Uint8Array(4), Float32Array.prototype)],
  'the arguments of a function': () =>
    (function () {
      // biome-ignore lint/complexity/noArguments: they are the point
      return arguments;
    })(),
  'a member that throws': () => ({
    get a() {
      throw new RangeError('not today');
    },
  }),
  'a proxy whose target is gone': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return [proxy];
  },
  'a cycle through an object': () => {
    const object: Record<string, unknown> = {};
    object['self'] = object;
    return object;
  },
  'a cycle through an array': () => {
    const array: unknown[] = [];
    array.push([array]);
    return array;
  },
  'a cycle through a map': () => {
    const map = new Map();
    map.set('self', map);
    return map;
  },
  'a cycle through a cause': () => {
    const error = new Error('x');
    error.cause = [error];
    return error;
  },
  '10,000 levels': () => nested(10_000),
};

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) {
    value = i % 2 === 0 ? [value] : { value };
  }
  return value;
}
