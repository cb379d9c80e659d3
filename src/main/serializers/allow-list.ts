/**
 * The values that the built-in serializers take: null, undefined, booleans, numbers, strings, bigints, Date, RegExp, Error,
 * Map, Set, arrays, plain objects, typed arrays and Buffer, nested in each other. What would come back as something else
 * is refused: class instances, functions, symbols, cycles, what somebody hung on a Date or a Map, and what only has the
 * prototype of one of these. Not looked for, since looking would cost too much beside storing: what is hung on a typed array,
 * and symbols hung on a Date.
 */
import { types } from 'node:util';
import { describe } from '../../protocol/describe.ts';
import { misuse } from '../../protocol/errors.ts';
import { isBuiltInError, partsOf } from './error-values.ts';

/** Deeper than any data people cache; a cycle ends here. */
const DEPTH_MAX = 500;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

export const typedArrays = {
  uint8array: Uint8Array,
  int8array: Int8Array,
  uint8clampedarray: Uint8ClampedArray,
  int16array: Int16Array,
  uint16array: Uint16Array,
  int32array: Int32Array,
  uint32array: Uint32Array,
  float32array: Float32Array,
  float64array: Float64Array,
  bigint64array: BigInt64Array,
  biguint64array: BigUint64Array,
};

export type TypedArrayKind = keyof typeof typedArrays;
/** What an object of the allow-list is that is neither an array nor a plain object. */
export type BuiltInKind = 'date' | 'regexp' | 'map' | 'set' | 'error' | 'buffer' | TypedArrayKind;

const typedArrayKinds = new Map<unknown, TypedArrayKind>(
  Object.entries(typedArrays).map(([kind, { prototype }]) => [prototype, kind as TypedArrayKind]),
);

/**
 * Checks a value against the allow-list, and says whether it is *plain*: made of nothing but what msgpack carries as
 * faithfully as any format. Throws SERIALIZATION_ERROR where it is not allowed.
 */
export function isPlain(value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed();
    case 'number':
      return value !== 0 || !Object.is(value, -0);
    case 'boolean':
    case 'undefined':
      return true;
    case 'bigint':
      return value >= INT64_MIN && value <= INT64_MAX;
    case 'object':
      return value === null || isPlainObject(value, depth);
    default:
      throw refused(value);
  }
}

function isPlainObject(value: object, depth: number): boolean {
  assertDepth(value, depth);
  if (Array.isArray(value)) {
    return isPlainArray(value, depth + 1);
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) {
    let plain = true;
    for (const key in value) {
      plain = isPlain((value as Record<string, unknown>)[key], depth + 1) && plain;
      plain = isPlainKey(key) && plain;
    }
    assertNoSymbols(value);
    return plain;
  }
  return isPlainBuiltIn(value, builtInKind(value, prototype), depth + 1);
}

/** msgpackr renames `__proto__` and judges by `constructor`; UTF-8 has no bytes for half a surrogate pair. */
function isPlainKey(key: string): boolean {
  return key !== '__proto__' && key !== 'constructor' && key.isWellFormed();
}

function isPlainArray(value: readonly unknown[], depth: number): boolean {
  assertArray(value);
  if (!isDense(value)) {
    for (const key of Object.keys(value)) {
      isPlain(value[key as unknown as number], depth);
    }
    return false;
  }
  let plain = true;
  for (let i = 0; i < value.length; i++) {
    plain = isPlain(value[i], depth) && plain;
  }
  return plain;
}

function isPlainBuiltIn(value: object, kind: BuiltInKind, depth: number): boolean {
  switch (kind) {
    case 'date':
      return !Number.isNaN((value as Date).getTime());
    case 'buffer':
      return true;
    case 'map':
      for (const [key, item] of value as Map<unknown, unknown>) {
        isPlain(key, depth);
        isPlain(item, depth);
      }
      return false;
    case 'set':
      for (const item of value as Set<unknown>) {
        isPlain(item, depth);
      }
      return false;
    case 'error':
      isPlain(partsOf(value as Error), depth);
      return false;
    default:
      return false;
  }
}

/** Throws where it is none, or has what no format would carry. */
export function builtInKind(value: object, prototype: unknown): BuiltInKind {
  switch (prototype) {
    case Date.prototype:
      if (Object.keys(value).length > 0) throw hung(value);
      return 'date';
    case Map.prototype:
      assertBare(value, 0);
      return 'map';
    case Set.prototype:
      assertBare(value, 0);
      return 'set';
    case Buffer.prototype:
      if (types.isUint8Array(value)) return 'buffer';
      break;
    case RegExp.prototype:
      if (types.isRegExp(value)) return regExpKind(value);
      break;
    default:
      if (types.isTypedArray(value)) return typedArrayKind(value, prototype);
      if (isBuiltInError(value, prototype)) return 'error';
      break;
  }
  throw refused(value);
}

function regExpKind(value: RegExp): 'regexp' {
  assertBare(value, 1);
  if (value.lastIndex !== 0) {
    throw misuse('SERIALIZATION_ERROR', 'a regular expression whose `lastIndex` is 0', value.lastIndex);
  }
  return 'regexp';
}

function typedArrayKind(value: NodeJS.TypedArray, prototype: unknown): TypedArrayKind {
  const kind = typedArrayKinds.get(prototype);
  if (kind === undefined || value[Symbol.toStringTag].toLowerCase() !== kind) {
    throw refused(value);
  }
  return kind;
}

/** Keeps a cycle from going on for ever, and a deep structure from ending the stack. */
export function assertDepth(value: object, depth: number): void {
  if (depth >= DEPTH_MAX) {
    throw misuse('SERIALIZATION_ERROR', `a value without cycles, nested at most ${DEPTH_MAX} deep`, value);
  }
}

export function assertNoSymbols(value: object): void {
  if (Object.getOwnPropertySymbols(value).length > 0) {
    throw misuse('SERIALIZATION_ERROR', 'an object without symbol keys', value);
  }
}

/** Throws for instances of subclasses. */
export function assertArray(value: readonly unknown[]): void {
  if (Object.getPrototypeOf(value) !== Array.prototype) {
    throw refused(value);
  }
  assertNoSymbols(value);
}

/**
 * Whether an array has its items and nothing else: no holes, and no properties as the match of a regular expression has.
 * Indices come first among the keys, so the last key tells. This costs a fifth of packing an array of objects.
 */
export function isDense(value: readonly unknown[]): boolean {
  const keys = Object.keys(value);
  return keys.length === value.length && (keys.length === 0 || keys[keys.length - 1] === `${keys.length - 1}`);
}

function assertBare(value: object, ownKeys: number): void {
  if (Reflect.ownKeys(value).length !== ownKeys) {
    throw hung(value);
  }
}

function hung(value: object): TypeError {
  return misuse('SERIALIZATION_ERROR', 'a value without properties of its own beside its content', value);
}

export function refused(value: unknown): TypeError {
  return misuse(
    'SERIALIZATION_ERROR',
    'a value of plain data (class instances, functions and symbols cannot be stored)',
    value,
    { value: describe(value) },
  );
}
