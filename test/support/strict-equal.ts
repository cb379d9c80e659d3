/**
 * Whether two values are the same data, to the last bit: stricter than any library's deep equality, which overlook some
 * of the order of keys, hidden messages of errors, or the order of a Map.
 */
import { types } from 'node:util';

/** Where two values first differ, as a path; undefined where they do not. */
export function difference(a: unknown, b: unknown, path = 'value'): string | undefined {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return Object.is(a, b) ? undefined : path;
  }
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) {
    return `${path}: prototype`;
  }
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    return bytesOf(a).equals(bytesOf(b)) ? undefined : `${path}: bytes`;
  }
  if (types.isDate(a) || types.isRegExp(a)) {
    const facts = factsOf(a);
    return facts === factsOf(b) ? membersDifference(a, b, path) : `${path}: ${facts}`;
  }
  if (types.isMap(a) && types.isMap(b)) {
    return difference([...a], [...b], `${path}: entries`) ?? membersDifference(a, b, path);
  }
  if (types.isSet(a) && types.isSet(b)) {
    return difference([...a], [...b], `${path}: items`) ?? membersDifference(a, b, path);
  }
  if (types.isNativeError(a) !== types.isNativeError(b) || Array.isArray(a) !== Array.isArray(b)) {
    return `${path}: kind`;
  }
  if (types.isNativeError(a)) {
    return hiddenDifference(a, b as Error, path) ?? membersDifference(a, b, path);
  }
  return Array.isArray(a) && a.length !== (b as unknown[]).length ? `${path}: length` : membersDifference(a, b, path);
}

function factsOf(value: object): string {
  return types.isDate(value)
    ? `${value.getTime()}`
    : `/${(value as RegExp).source}/${(value as RegExp).flags} from ${(value as RegExp).lastIndex}`;
}

/** Own enumerable keys, in order, symbols included. Holes of an array are keys that are not there. */
function membersDifference(a: object, b: object, path: string): string | undefined {
  const keys = enumerableKeys(a);
  if (enumerableKeys(b).some((key, i) => key !== keys[i]) || keys.length !== enumerableKeys(b).length) {
    return `${path}: keys`;
  }
  return firstDifference(a, b, keys, path);
}

/** What an error carries without showing it to a loop. */
function hiddenDifference(a: Error, b: Error, path: string): string | undefined {
  const hidden = ['name', 'message', 'stack', 'cause'];
  const other = hidden.find((name) => Object.hasOwn(a, name) !== Object.hasOwn(b, name));
  return other === undefined ? firstDifference(a, b, hidden, path) : `${path}.${other}: own`;
}

function firstDifference(a: object, b: object, keys: readonly PropertyKey[], path: string): string | undefined {
  for (const key of keys) {
    const found = difference(memberOf(a, key), memberOf(b, key), `${path}.${String(key)}`);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}

function memberOf(object: object, key: PropertyKey): unknown {
  return (object as Record<PropertyKey, unknown>)[key];
}

function enumerableKeys(object: object): PropertyKey[] {
  return Reflect.ownKeys(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key));
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
