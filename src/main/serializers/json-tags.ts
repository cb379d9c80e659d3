/**
 * What JSON has no words for, said in JSON. A value that JSON would lose or bend is written as an object with one key that
 * begins with `$`; a plain object that happens to look like that is wrapped itself, so nothing has two meanings.
 *
 *     undefined, NaN, -0         {"$undefined":true}  {"$number":"NaN"}  {"$number":"-0"}
 *     10n                        {"$bigint":"10"}
 *     new Date(0)                {"$date":"1970-01-01T00:00:00.000Z"}, or null where it is invalid
 *     /a+/g                      {"$regexp":{"source":"a+","flags":"g"}}
 *     new Map([['a', 1]])        {"$map":[["a",1]]}
 *     new Set([1, 2])            {"$set":[1,2]}
 *     Buffer.from('hi')          {"$buffer":"aGk="}, typed arrays alike: {"$float32array":"AACAPw=="}
 *     new TypeError('no')        {"$error":{"class":"TypeError","message":"no","stack":"...","properties":{}}}
 *     [1, , 3]                   {"$array":{"length":3,"items":{"0":1,"2":3}}}
 *     { $date: 5 }               {"$object":{"$date":5}}
 *
 * `tagged` copies only what has to change: a value that JSON carries faithfully is returned as it is.
 */
import {
  assertArray,
  assertDepth,
  assertNoSymbols,
  type BuiltInKind,
  builtInKind,
  isDense,
  refused,
  type TypedArrayKind,
  typedArrays,
} from './allow-list.ts';
import { type ErrorParts, errorOf, partsOf } from './error-values.ts';

type Members = Record<string, unknown>;

interface Tagging {
  /** The content of the tag, in JSON; `depth` is that of the content. */
  write(value: never, depth: number): unknown;
  /** The value again. Throws where the content is not what `write` makes. */
  read(content: never): unknown;
}

/** The numbers that JSON cannot say. */
const NUMBERS = new Map(['NaN', 'Infinity', '-Infinity', '-0'].map((text): [unknown, number] => [text, Number(text)]));

const builtIns: Record<BuiltInKind, Tagging> = {
  date: {
    write: (date: Date) => (Number.isNaN(date.getTime()) ? null : date.toISOString()),
    read: readDate,
  },
  regexp: {
    write: ({ source, flags }: RegExp) => ({ source, flags }),
    read: ({ source, flags }: { source: string; flags: string }) => new RegExp(source, flags),
  },
  map: {
    write: (map: Map<unknown, unknown>, depth) =>
      Array.from(map, ([key, item]) => [tagged(key, depth), tagged(item, depth)]),
    read: (pairs: unknown[][]) => new Map(pairs.map(([key, item]) => [untagged(key), untagged(item)])),
  },
  set: {
    write: (set: Set<unknown>, depth) => Array.from(set, (item) => tagged(item, depth)),
    read: (items: unknown[]) => new Set(items.map(untagged)),
  },
  error: {
    write: (error: Error, depth) => taggedMembers(partsOf(error) as unknown as Members, depth),
    read: (parts: Members) => errorOf(untaggedMembers(parts) as unknown as ErrorParts),
  },
  buffer: {
    write: base64Of,
    read: (text: string) => Buffer.from(bytesOf(text)),
  },
  ...(Object.fromEntries(
    Object.entries(typedArrays).map(([kind, View]): [string, Tagging] => [
      kind,
      { write: base64Of, read: (text: string) => new View(bytesOf(text)) },
    ]),
  ) as Record<TypedArrayKind, Tagging>),
};

/** All tags, by the key that stands in the text. */
const readers = new Map<string, (content: never) => unknown>([
  ...Object.entries(builtIns).map(([kind, { read }]): [string, Tagging['read']] => [`$${kind}`, read]),
  ['$undefined', () => undefined],
  ['$number', readNumber],
  ['$bigint', (digits: string) => BigInt(digits)],
  ['$array', readArray],
  ['$object', untaggedMembers],
]);

/** The value as JSON can carry it; itself where JSON carries it faithfully. Throws SERIALIZATION_ERROR. */
export function tagged(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? '-0' : `${value}` };
    case 'undefined':
      return { $undefined: true };
    case 'bigint':
      return { $bigint: `${value}` };
    case 'object':
      return value === null ? null : taggedObject(value, depth);
    default:
      throw refused(value);
  }
}

function taggedObject(value: object, depth: number): unknown {
  assertDepth(value, depth);
  if (Array.isArray(value)) {
    return taggedArray(value, depth + 1);
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype) {
    const kind = builtInKind(value, prototype);
    return { [`$${kind}`]: builtIns[kind].write(value as never, depth + 1) };
  }
  assertNoSymbols(value);
  const members = taggedMembers(value as Members, depth + 1);
  return tagOf(members) === undefined ? members : { $object: members };
}

function taggedArray(value: readonly unknown[], depth: number): unknown {
  assertArray(value);
  if (!isDense(value)) {
    // Spread, a match of a regular expression is an object of its items and properties.
    return { $array: { length: value.length, items: taggedMembers({ ...value } as unknown as Members, depth) } };
  }
  let copy: unknown[] | undefined;
  for (let i = 0; i < value.length; i++) {
    const item = tagged(value[i], depth);
    if (item !== value[i]) {
      copy ??= value.slice();
      copy[i] = item;
    }
  }
  return copy ?? value;
}

function taggedMembers(members: Members, depth: number): Members {
  let copy: Members | undefined;
  for (const key of Object.keys(members)) {
    const member = members[key];
    const item = tagged(member, depth);
    if (item !== member) {
      // The copy has all keys of its own, so that an assignment is harmless, even to `__proto__`.
      copy ??= { ...members };
      copy[key] = item;
    }
  }
  return copy ?? members;
}

/** The value that was tagged. Changes what it is given, which is what JSON.parse has just made. */
export function untagged(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      value[i] = untagged(value[i]);
    }
    return value;
  }
  const tag = tagOf(value as Members);
  if (tag === undefined) {
    return untaggedMembers(value as Members);
  }
  const read = readers.get(tag);
  if (read === undefined) {
    throw new TypeError(`\`${tag}\` is no tag that this version knows`);
  }
  return read((value as Members)[tag] as never);
}

function untaggedMembers(members: Members): Members {
  for (const key of Object.keys(members)) {
    members[key] = untagged(members[key]);
  }
  return members;
}

/** The key of an object that has only one, which begins with `$`. */
function tagOf(members: Members): string | undefined {
  const keys = Object.keys(members);
  return keys.length === 1 && keys[0]?.startsWith('$') ? keys[0] : undefined;
}

function readArray({ length, items }: { length: number; items: Members }): unknown[] {
  const array = Object.assign([], { length });
  return Object.defineProperties(array, Object.getOwnPropertyDescriptors(untaggedMembers(items)));
}

function readDate(text: string | null): Date {
  const date = new Date(text ?? Number.NaN);
  if (text !== null && Number.isNaN(date.getTime())) {
    throw new RangeError(`${text} is no date`);
  }
  return date;
}

function readNumber(text: string): number {
  const number = NUMBERS.get(text);
  if (number === undefined) {
    throw new RangeError(`${text} is no number that JSON cannot say`);
  }
  return number;
}

function base64Of({ buffer, byteOffset, byteLength }: NodeJS.TypedArray): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

/** Memory of its own: a small Buffer would share Node's pool with others, at any offset. */
function bytesOf(base64: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(base64, 'base64')).buffer;
}
