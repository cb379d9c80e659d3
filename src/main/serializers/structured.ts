/**
 * V8's structured serializer, with errors whole. V8 carries everything of the allow-list faithfully but errors, of which it
 * drops `code`, properties and more. So each error travels beside the value, in parts: an empty object stands in for
 * it, and since V8 keeps identity within one serialized value, the stand-ins can be found again.
 *
 *     { at: 5, failure: <TypeError> }  ->  { value: { at: 5, failure: {} }, errors: [{ standIn: {}, parts }] }
 *                                                             '----- one object -----------'
 */
import { deserialize, serialize } from 'node:v8';
import { TAG_STRUCTURED, TAG_STRUCTURED_WITH_ERRORS, type Tag } from '../../protocol/value-tags.ts';
import { type ErrorParts, errorOf, partsOf } from './error-values.ts';

/** Bytes of V8 begin with this and the version of its format. Node 20 to 24 write 15, and no Node that this is for wrote less. */
const VERSION_FOLLOWS = 0xff;
const VERSION_LEAST = 15;
const OWN_VERSION = serialize(null)[1] as number;

interface ErrorRecord {
  readonly standIn: object;
  readonly parts: ErrorParts;
}

interface Envelope {
  readonly value: unknown;
  /** An error comes after those that its parts hold. */
  readonly errors: readonly ErrorRecord[];
}

/** What stands for an object, undefined for one that stays. */
type Swap = (object: object) => object | undefined;

/** The bytes of a value that the allow-list has let pass. */
export function encodeStructured(value: unknown): { tag: Tag; bytes: Buffer } {
  const { value: withoutErrors, errors } = dehydrate(value);
  return errors.length === 0
    ? { tag: TAG_STRUCTURED, bytes: serialize(value) }
    : { tag: TAG_STRUCTURED_WITH_ERRORS, bytes: serialize({ value: withoutErrors, errors }) };
}

/** Throws where another version of V8 wrote it that this one does not read, or where it is damaged. */
export function decodeStructured(tag: Tag, bytes: Buffer, byteLength: number): unknown {
  assertReadable(bytes, byteLength);
  // A copy: typed arrays that V8 reads are views of the memory they were read from.
  const read: unknown = deserialize(Uint8Array.prototype.slice.call(bytes, 0, byteLength));
  return tag === TAG_STRUCTURED_WITH_ERRORS ? rehydrate(read as Envelope) : read;
}

/** V8 reads what it wrote before, but not what a later one writes; it would say no more than that it cannot. */
function assertReadable(bytes: Buffer, byteLength: number): void {
  const version = byteLength < 2 || bytes[0] !== VERSION_FOLLOWS ? undefined : (bytes[1] as number);
  if (version === undefined) {
    throw new TypeError('these are no bytes that V8 writes');
  }
  if (version < VERSION_LEAST || version > OWN_VERSION) {
    const own = `Node ${process.versions.node} reads ${VERSION_LEAST} to ${OWN_VERSION}`;
    throw new TypeError(`V8 wrote it in its format ${version}, and ${own}: read it with the Node that wrote it`);
  }
}

function dehydrate(value: unknown): Envelope {
  const errors: ErrorRecord[] = [];
  const standIns = new Map<object, object>();
  const standInFor: Swap = (object) => {
    if (!(object instanceof Error)) {
      return undefined;
    }
    const known = standIns.get(object);
    if (known !== undefined) {
      return known;
    }
    const record = { standIn: {}, parts: swapped(partsOf(object), standInFor) as ErrorParts };
    errors.push(record);
    standIns.set(object, record.standIn);
    return record.standIn;
  };
  return { value: swapped(value, standInFor), errors };
}

function rehydrate({ value, errors }: Envelope): unknown {
  const revived = new Map<object, Error>();
  const errorFor: Swap = (object) => revived.get(object);
  for (const { standIn, parts } of errors) {
    revived.set(standIn, errorOf(swapped(parts, errorFor) as ErrorParts));
  }
  return swapped(value, errorFor);
}

/** The structure with what `swap` knows replaced: a copy where something was, otherwise the structure itself. */
function swapped(value: unknown, swap: Swap): unknown {
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  const other = swap(value);
  if (other !== undefined) {
    return other;
  }
  if (value instanceof Map) {
    const pairs = Array.from(value);
    const copy = pairs.map(([key, item]) => [swapped(key, swap), swapped(item, swap)] as const);
    return copy.some(([key, item], i) => key !== pairs[i]?.[0] || item !== pairs[i]?.[1]) ? new Map(copy) : value;
  }
  if (value instanceof Set) {
    const items = Array.from(value);
    const copy = items.map((item) => swapped(item, swap));
    return copy.some((item, i) => item !== items[i]) ? new Set(copy) : value;
  }
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
    ? withMembersSwapped(value as Record<string, unknown>, swap)
    : value;
}

/** An array may have holes, and properties beside its items. */
function withMembersSwapped(value: Record<string, unknown>, swap: Swap): unknown {
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(value)) {
    const item = value[key];
    const other = swapped(item, swap);
    if (!Object.is(other, item)) {
      copy ??= copyOf(value);
      // An assignment to a key that is there already is harmless, even to `__proto__`.
      copy[key] = other;
    }
  }
  return copy ?? value;
}

function copyOf(value: Record<string, unknown>): Record<string, unknown> {
  const copy = { ...value };
  if (!Array.isArray(value)) {
    return copy;
  }
  const array: unknown = Object.assign([], { length: value.length });
  return Object.defineProperties(array as Record<string, unknown>, Object.getOwnPropertyDescriptors(copy));
}
