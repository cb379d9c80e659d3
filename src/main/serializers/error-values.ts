/**
 * Errors as data. An error of one of the language's own classes is taken apart into a plain object and put together
 * again: class, message, stack, cause, and whatever properties somebody gave it (`code`, `errno`, ...).
 */
import { types } from 'node:util';

/** A plain object, whose members are still to be encoded. What the error does not have itself is absent. */
export interface ErrorParts {
  readonly class: string;
  readonly name?: unknown;
  readonly message?: unknown;
  readonly stack?: unknown;
  readonly cause?: unknown;
  /** The enumerable ones. */
  readonly properties: object;
}

const classes: Record<string, ErrorConstructor> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};
const classNames = new Map<unknown, string>(Object.entries(classes).map(([name, { prototype }]) => [prototype, name]));

/** What an error has without showing it to a loop over its keys. Other hidden properties are code, and stay behind. */
const HIDDEN = ['name', 'message', 'stack', 'cause'] as const;

/** Whether the object is an error of one of the language's own classes. */
export function isBuiltInError(value: object, prototype: unknown): value is Error {
  return classNames.has(prototype) && types.isNativeError(value);
}

export function partsOf(error: Error): ErrorParts {
  const parts: Record<string, unknown> = { class: classNames.get(Object.getPrototypeOf(error)) };
  for (const name of HIDDEN) {
    if (Object.hasOwn(error, name) && !Object.prototype.propertyIsEnumerable.call(error, name)) {
      parts[name] = error[name];
    }
  }
  parts['properties'] = { ...error };
  return parts as unknown as ErrorParts;
}

/** Throws a TypeError when these are not the parts of an error. */
export function errorOf(parts: ErrorParts): Error {
  const kind = Object.hasOwn(classes, parts.class) ? classes[parts.class] : undefined;
  if (kind === undefined) {
    throw new TypeError(`no error class is called ${parts.class}`);
  }
  const error = new kind();
  for (const name of HIDDEN) {
    if (Object.hasOwn(parts, name)) {
      define(error, name, parts[name], false);
    } else {
      delete (error as Partial<Error>)[name];
    }
  }
  for (const [name, value] of Object.entries(parts.properties)) {
    define(error, name, value, true);
  }
  return error;
}

function define(error: Error, name: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, name, { value, enumerable, writable: true, configurable: true });
}
