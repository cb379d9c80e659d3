/**
 * Errors as values. V8's serializer keeps name, message and stack of an error and loses `code`, `cause` and the rest, so
 * errors travel beside the value: each is replaced by an empty stand-in, and a list says which error each stands for.
 * Identity within one serialized value is kept, so the stand-ins can be found again.
 */

interface ErrorRecord {
  readonly standIn: object;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly cause: unknown;
  readonly hasCause: boolean;
  readonly properties: object;
}

interface Envelope {
  readonly value: unknown;
  readonly errors: readonly ErrorRecord[];
}

const kinds: Record<string, ErrorConstructor> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};
const prototypes = new Set<unknown>(Object.values(kinds).map((kind) => kind.prototype));

/** Whether the object is an error of one of the language's own classes, with nothing but data on it. */
export function isBuiltInError(value: object, prototype: unknown): boolean {
  return prototypes.has(prototype) && value instanceof Error;
}

export function dehydrate(value: unknown): Envelope {
  const errors: ErrorRecord[] = [];
  return { value: map(value, (error) => standInFor(error, errors)), errors };
}

export function rehydrate(envelope: Envelope): unknown {
  const revived = new Map<unknown, Error>();
  // An error is listed after the errors in its cause and properties, so those are there when it is made.
  const revive = (value: unknown): unknown =>
    revived.size === 0
      ? value
      : map(
          value,
          (object) => object,
          (object) => revived.get(object),
        );
  for (const record of envelope.errors) {
    revived.set(record.standIn, errorOf(record, revive));
  }
  return revive(envelope.value);
}

function standInFor(error: Error, errors: ErrorRecord[]): object {
  const standIn = {};
  const inner = (value: unknown) => map(value, (found) => standInFor(found, errors));
  errors.push({
    standIn,
    name: Object.getPrototypeOf(error).name as string,
    message: error.message,
    stack: error.stack,
    cause: inner(error.cause),
    hasCause: Object.hasOwn(error, 'cause'),
    properties: inner({ ...error }) as object,
  });
  return standIn;
}

function errorOf(record: ErrorRecord, revive: (value: unknown) => unknown): Error {
  const kind = kinds[record.name] ?? Error;
  const error = record.hasCause ? new kind(record.message, { cause: revive(record.cause) }) : new kind(record.message);
  Object.defineProperty(error, 'stack', { value: record.stack, writable: true, configurable: true });
  return Object.assign(error, revive(record.properties));
}

/** A copy of a structure with its errors, or whatever `swap` knows, replaced; itself where there is nothing to replace. */
function map(
  value: unknown,
  onError: (error: Error) => unknown,
  swap: (object: object) => unknown = () => undefined,
): unknown {
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  if (value instanceof Error) {
    return onError(value);
  }
  const swapped = swap(value);
  if (swapped !== undefined) {
    return swapped;
  }
  const inner = (item: unknown) => map(item, onError, swap);
  if (Array.isArray(value)) {
    return replaced(value, value.map(inner), (copy, i) => copy[i] !== value[i]);
  }
  if (value instanceof Map) {
    return new Map(Array.from(value, ([key, item]) => [inner(key), inner(item)]));
  }
  if (value instanceof Set) {
    return new Set(Array.from(value, inner));
  }
  if (Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inner(item)]));
  }
  return value;
}

/** `value.map` keeps holes; a copy is only handed out when it differs. */
function replaced<T>(value: readonly T[], copy: T[], differs: (copy: T[], index: number) => boolean): readonly T[] {
  return copy.some((_item, index) => differs(copy, index)) ? copy : value;
}
