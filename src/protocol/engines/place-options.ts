/** Options of engines, checked: what is not given is undefined, and what is wrong is INVALID_CONFIG with the option's name. */
import { misuse } from '../errors.ts';
import type { Place } from './engine.ts';

type Options = Place['options'];

export function booleanOption(options: Options, name: string): boolean | undefined {
  const value = options[name];
  if (value !== undefined && typeof value !== 'boolean') {
    throw misuse('INVALID_CONFIG', `\`${name}\` to be true or false`, value, { option: name });
  }
  return value;
}

/** A whole number from `min` to `max`. */
export function integerOption(options: Options, name: string, what: string, min: number, max: number) {
  const value = options[name];
  if (value === undefined) {
    return undefined;
  }
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw misuse('INVALID_CONFIG', `\`${name}\` to be ${what} from ${min} to ${max}`, value, { option: name });
  }
  return value;
}
