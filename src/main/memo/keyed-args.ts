/**
 * Which of a call's arguments its result is kept under: all of them, unless the options say that some do not matter, or that
 * two ways of writing a call are one.
 *
 *     arguments  --params, defaults-->  filled  --normalize-->  normal  --ignore-->  keyed
 *
 * The function itself always gets its arguments as they came.
 */
import { misuse } from '../../protocol/errors.ts';
import type { AnyFunction } from './work.ts';

export interface KeyedArgsOptions<F extends AnyFunction = AnyFunction> {
  /**
   * Arguments that do not matter: their positions, or names. A name is that of a parameter in `params`, or else of a property
   * of the options object that comes last. Names that are not there do no harm.
   */
  readonly ignore?: readonly (number | string)[] | undefined;
  /** The names of the parameters, which JavaScript does not tell: for `ignore` and `defaults`. */
  readonly params?: readonly string[] | undefined;
  /** What parameters are when they are left out, by name, so that `f(1)` and `f(1, 10)` are one call. */
  readonly defaults?: Readonly<Record<string, unknown>> | undefined;
  /** The arguments by which a result is kept, in the place of those of the call. */
  readonly normalize?: ((args: Parameters<F>) => readonly unknown[]) | undefined;
}

/** Takes a call's arguments and returns those that it is kept under. */
export type KeyedArgs = (args: readonly unknown[]) => readonly unknown[];

/** Undefined where they are those of the call. Throws INVALID_CONFIG. */
export function keyedArgsOf(options: KeyedArgsOptions): KeyedArgs | undefined {
  const { ignore = [], params = [], defaults = {}, normalize } = options;
  checkNames('params', params, (name) => typeof name === 'string');
  checkNames('ignore', ignore, (each) => typeof each === 'string' || (Number.isInteger(each) && (each as number) >= 0));
  if (typeof defaults !== 'object' || defaults === null) {
    throw misuse('INVALID_CONFIG', '`defaults` to be an object of values by parameter', defaults, {
      option: 'defaults',
    });
  }
  if (normalize !== undefined && typeof normalize !== 'function') {
    throw misuse('INVALID_CONFIG', '`normalize` to be a function of the arguments', normalize, { option: 'normalize' });
  }
  const steps = [
    fillingIn(params, defaults),
    normalize === undefined ? undefined : normalizing(normalize as KeyedArgs),
    leavingOut(ignore, params),
  ].filter((step) => step !== undefined);
  return steps.length === 0 ? undefined : (args) => steps.reduce((before, step) => step(before), args);
}

function fillingIn(params: readonly string[], defaults: Readonly<Record<string, unknown>>): KeyedArgs | undefined {
  const stranger = Object.keys(defaults).find((name) => !params.includes(name));
  if (stranger !== undefined) {
    const expected = '`defaults` to be of parameters that `params` names';
    throw misuse('INVALID_CONFIG', expected, stranger, { option: 'defaults' });
  }
  const filled = params.flatMap((name, at) => (Object.hasOwn(defaults, name) ? [[at, defaults[name]] as const] : []));
  if (filled.length === 0) {
    return undefined;
  }
  return (args) => {
    const all = [...args];
    for (const [at, value] of filled) {
      while (all.length <= at) all.push(undefined);
      // As a default of the language: what is undefined has been left out.
      if (all[at] === undefined) all[at] = value;
    }
    return all;
  };
}

function normalizing(normalize: KeyedArgs): KeyedArgs {
  return (args) => {
    // A list of its own: it may sort it, and the function gets the arguments as they came.
    const normal = normalize([...args]);
    if (!Array.isArray(normal)) {
      throw misuse('INVALID_KEY', '`normalize` to return an array of arguments', normal, { option: 'normalize' });
    }
    return normal;
  };
}

function leavingOut(ignore: readonly (number | string)[], params: readonly string[]): KeyedArgs | undefined {
  if (ignore.length === 0) {
    return undefined;
  }
  const positions = new Set<number>();
  const names = new Set<string>();
  for (const each of ignore) {
    const at = typeof each === 'number' ? each : params.indexOf(each);
    if (at >= 0) positions.add(at);
    else names.add(each as string);
  }
  return (args) => {
    const kept: unknown[] = [];
    for (let at = 0; at < args.length; at++) {
      const isOptions = names.size > 0 && at === args.length - 1 && isPlain(args[at]);
      const arg = isOptions ? without(args[at] as object, names) : args[at];
      // Options that are all ignored are as good as none.
      const isNothing = isOptions && Object.keys(arg as object).length === 0;
      if (!positions.has(at) && !isNothing) kept.push(arg);
    }
    return kept;
  };
}

function without(options: object, names: ReadonlySet<string>): object {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.has(name)));
}

function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function checkNames(option: string, value: unknown, isName: (each: unknown) => boolean): void {
  if (!Array.isArray(value) || !value.every(isName)) {
    const expected = option === 'params' ? 'an array of names' : 'an array of positions, from 0, and names';
    throw misuse('INVALID_CONFIG', `\`${option}\` to be ${expected}`, value, { option });
  }
}
