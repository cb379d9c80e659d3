/**
 * What a user's code threw in another thread, as data that crosses, and again as it was. The structured clone of an error
 * keeps message, stack and cause; it drops `code` and all other properties, the name of a class that is not the
 * language's own, and `errors`, and it fails where the cause cannot be cloned. Here only what cannot cross stays behind.
 */
import { types } from 'node:util';
import { describeThrown } from '../protocol/describe.ts';
import { type ErrorParts, errorOf } from './serializers/error-values.ts';

export type Thrown =
  | { readonly value: unknown }
  | { readonly parts: ErrorParts; readonly cause: Thrown | undefined; readonly errors: readonly Thrown[] | undefined };

/** A cause of a cause, and so on: more of them say nothing new, and there may be a circle. */
const CAUSES_MAX = 8;
/** Of an AggregateError. */
const ERRORS_MAX = 16;

/** Takes apart. Never throws. */
export function thrownOf(thrown: unknown, depth = 0): Thrown {
  try {
    return types.isNativeError(thrown) ? ofError(thrown, depth) : { value: structuredClone(thrown) };
  } catch {
    // It cannot be cloned, or it throws when it is looked at.
    const { message, stack } = new Error(describeThrown(thrown));
    return {
      parts: { class: 'Error', message, stack: stack ?? '', properties: {} },
      cause: undefined,
      errors: undefined,
    };
  }
}

/** Puts together. */
export function rebuild(thrown: Thrown): unknown {
  if ('value' in thrown) {
    return thrown.value;
  }
  const { parts, cause, errors } = thrown;
  const error = errorOf(cause === undefined ? parts : { ...parts, cause: rebuild(cause) });
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
      properties[name] = structuredClone((error as unknown as Record<string, unknown>)[name]);
    } catch {}
  }
  return properties;
}
