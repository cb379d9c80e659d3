/**
 * What a user's code threw in another thread, as data that crosses, and again as it was. The structured clone of an error
 * keeps message, stack and cause; it drops `code` and all other properties, the name of a class that is not the
 * language's own, and `errors`, and it fails where the cause cannot be cloned. Here only what cannot cross stays behind.
 */
import { types } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { describeThrown } from '../protocol/describe.ts';
import { CacheError } from '../protocol/errors.ts';
import { type ErrorParts, errorOf } from './serializers/error-values.ts';

export type Thrown =
  | { readonly value: unknown }
  | {
      readonly parts: ErrorParts;
      readonly isOurs: boolean;
      readonly cause: Thrown | undefined;
      readonly errors: readonly Thrown[] | undefined;
    };

/** A cause of a cause, and so on: more of them say nothing new, and there may be a circle. */
const CAUSES_MAX = 8;
/** Of an AggregateError. */
const ERRORS_MAX = 16;
/** What takes more than this is packed as what it says. */
const PACKED_BYTES_MAX = 64 * 1024;

/** Takes apart. Never throws. */
export function thrownOf(thrown: unknown, depth = 0): Thrown {
  try {
    // A DOMException, which `fetch` and signals throw, is an Error that is no native one.
    return types.isNativeError(thrown) || thrown instanceof Error ? ofError(thrown, depth) : { value: copyOf(thrown) };
  } catch {
    // It cannot be copied, or it throws when it is looked at.
    return saying(describeThrown(thrown));
  }
}

/** As bytes. Never throws. */
export function pack(thrown: unknown): Uint8Array {
  const whole = serialize(thrownOf(thrown));
  return whole.length <= PACKED_BYTES_MAX ? whole : serialize(saying(describeThrown(thrown)));
}

export function unpack(bytes: Uint8Array): unknown {
  return rebuild(deserialize(bytes) as Thrown);
}

/** Puts together. */
export function rebuild(thrown: Thrown): unknown {
  if ('value' in thrown) {
    return thrown.value;
  }
  const { parts, isOurs, cause, errors } = thrown;
  const error = errorOf(cause === undefined ? parts : { ...parts, cause: rebuild(cause) });
  if (isOurs) Object.setPrototypeOf(error, CacheError.prototype);
  return errors === undefined ? error : Object.assign(error, { errors: errors.map(rebuild) });
}

function ofError(error: Error, depth: number): Thrown {
  const kind = kindOf(error);
  const { name, message, stack = '' } = error;
  const parts = { message: String(message), stack: String(stack), properties: propertiesOf(error) };
  const hasCause = Object.hasOwn(error, 'cause') && depth < CAUSES_MAX;
  const { errors } = error as { errors?: unknown };
  const isMany = error instanceof AggregateError && Array.isArray(errors) && depth < CAUSES_MAX;
  return {
    parts: name === kind ? { class: kind, ...parts } : { class: kind, name: String(name), ...parts },
    isOurs: error instanceof CacheError,
    cause: hasCause ? thrownOf(error.cause, depth + 1) : undefined,
    errors: isMany ? errors.slice(0, ERRORS_MAX).map((each) => thrownOf(each, depth + 1)) : undefined,
  };
}

/** The class of the language that the error is of, or the next above it. */
function kindOf(error: Error): string {
  const kinds = [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];
  return kinds.find((kind) => error instanceof kind)?.name ?? 'Error';
}

/** The enumerable ones, but for those that cannot cross. */
function propertiesOf(error: Error): object {
  const properties: Record<string, unknown> = {};
  for (const name of Object.keys(error)) {
    if (name === 'name' || name === 'message' || name === 'stack' || name === 'cause' || name === 'errors') {
      continue;
    }
    try {
      properties[name] = copyOf((error as unknown as Record<string, unknown>)[name]);
    } catch {
      // What cannot cross stays behind, as said above: the error matters more than this.
    }
  }
  return properties;
}

function saying(text: string): Thrown {
  const { message, stack } = new Error(text);
  const parts = { class: 'Error', message, stack: stack ?? '', properties: {} };
  return { parts, isOurs: false, cause: undefined, errors: undefined };
}

/** Stricter than `structuredClone`, which copies a Blob or a key, neither of which can become bytes. */
function copyOf(value: unknown): unknown {
  return deserialize(serialize(value));
}
