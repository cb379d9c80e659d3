/** Any value as an error message shows it: short, bounded, and without running code of the value's. */
import { types } from 'node:util';

/** Of a text, of a list and of lists in each other, no more than this stands in a message. */
const TEXT_MAX = 40;
const THROWN_MAX = 200;
const STACK_MAX = 4_000;
const LIST_MAX = 4;
const LISTS_MAX = 2;
const BIGINT_BITS_MAX = 256;

/** A value as an error message shows it: short, and with its type where that is not plain to see. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string': {
      const type = value.length > TEXT_MAX ? `string of ${value.length} characters` : 'string';
      return `${sketch(value, 0)} (${type})`;
    }
    case 'number':
    case 'bigint':
    case 'boolean':
      return `${sketch(value, 0)} (${typeof value})`;
    default:
      return sketch(value, 0);
  }
}

/** What somebody threw, whatever it is: what it says, and its kind where that says more than `Error`. Never throws. */
export function describeThrown(thrown: unknown): string {
  try {
    if (!types.isNativeError(thrown)) {
      return describe(thrown);
    }
    const name = kindOf(thrown);
    const message = ownText(thrown, 'message', THROWN_MAX);
    const told = [name === 'Error' ? undefined : name, message].filter((part) => part !== undefined && part !== '');
    return told.join(': ') || 'an Error without a message';
  } catch {
    // Whoever throws may throw something whose prototype throws when it is looked at.
    return 'what cannot even be described';
  }
}

/** What a user's code threw, as it may cross threads whatever it was. */
export interface ThrownText {
  readonly message: string;
  readonly stack: string | undefined;
  /** Of the system, like ENOSPC, or whoever else gives his errors one. */
  readonly code?: string | undefined;
}

export function thrownText(thrown: unknown): ThrownText | undefined {
  if (thrown === undefined) {
    return undefined;
  }
  const message = describeThrown(thrown);
  return types.isNativeError(thrown)
    ? { message, stack: ownText(thrown, 'stack', STACK_MAX), code: ownText(thrown, 'code', TEXT_MAX) }
    : { message, stack: undefined };
}

function kindOf(error: Error): string | undefined {
  return makerOf(Object.getPrototypeOf(error));
}

/** The name of the class that a prototype is of, where it says so itself. */
function makerOf(prototype: object | null): string | undefined {
  if (prototype === null || types.isProxy(prototype)) {
    return undefined;
  }
  const maker: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  return typeof maker === 'function' && !types.isProxy(maker) ? ownText(maker, 'name', TEXT_MAX) : undefined;
}

/** A property that is text, without running its accessor. */
function ownText(owner: object, name: string, textMax: number): string | undefined {
  const value: unknown = Object.getOwnPropertyDescriptor(owner, name)?.value;
  return typeof value === 'string' ? shortText(value, textMax) : undefined;
}

/** Shows the content of plain data, and of everything else what it is. Bounded, whatever the value. */
function sketch(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return `'${shortText(value)}'`;
    case 'bigint':
      return BigInt.asIntN(BIGINT_BITS_MAX, value) === value
        ? `${value}n`
        : `a number of more than ${BIGINT_BITS_MAX} bits`;
    case 'function':
      return types.isProxy(value) ? 'a Proxy' : `function ${ownText(value, 'name', TEXT_MAX) || '(anonymous)'}`;
    case 'object':
      return value === null ? 'null' : sketchObject(value, depth);
    default:
      return String(value);
  }
}

/** Runs no code of the value: it may be in a message because its code is in the way. */
function sketchObject(value: object, depth: number): string {
  if (types.isProxy(value)) {
    return 'a Proxy';
  }
  const part = (item: unknown) => sketch(item, depth + 1);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Array.prototype && Array.isArray(value)) {
    const item = (index: number) => partAt(value, `${index}`, part);
    return `[${listed(Array(value.length).keys(), item, depth)}]`;
  }
  if (prototype === Map.prototype && types.isMap(value)) {
    const entry = ([key, item]: readonly unknown[]) => `${part(key)} => ${part(item)}`;
    return `Map ${braced(listed(Map.prototype.entries.call(value), entry, depth))}`;
  }
  if (prototype === Set.prototype && types.isSet(value)) {
    return `Set ${braced(listed(Set.prototype.values.call(value), part, depth))}`;
  }
  if (prototype === Date.prototype && types.isDate(value)) {
    const ms = Date.prototype.getTime.call(value);
    return Number.isNaN(ms) ? 'an invalid Date' : `the Date ${new Date(ms).toISOString()}`;
  }
  if (prototype === Object.prototype || prototype === null) {
    const property = (name: string | symbol) => `${shortText(String(name))}: ${partAt(value, name, part)}`;
    return braced(listed(Reflect.ownKeys(value), property, depth));
  }
  const name = makerOf(prototype);
  if (name === undefined || name === '' || name === 'Object') {
    return 'an object';
  }
  return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
}

/** A property without running its accessor. */
function partAt(value: object, name: string | symbol, part: (item: unknown) => string): string {
  const { get, value: item } = Object.getOwnPropertyDescriptor(value, name) ?? {};
  return get === undefined ? part(item) : 'an accessor';
}

function shortText(text: string, textMax = TEXT_MAX): string {
  return (text.length > textMax ? `${text.slice(0, textMax)}...` : text).toWellFormed();
}

function listed<T>(items: Iterable<T>, text: (item: T) => string, depth: number): string {
  const shown: string[] = [];
  for (const item of items) {
    if (shown.length === LIST_MAX || depth === LISTS_MAX) {
      shown.push('...');
      break;
    }
    shown.push(text(item));
  }
  return shown.join(', ');
}

function braced(list: string): string {
  return list === '' ? '{}' : `{ ${list} }`;
}
