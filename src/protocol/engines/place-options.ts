/** Options of engines, checked: each has a default, and what is wrong is INVALID_CONFIG with the option's name. */
import { misuse } from '../errors.ts';
import type { Place } from './engine.ts';

type Options = Place['options'];

/** False where it is not given. */
export function flagOption(options: Options, option: string): boolean {
  const value = options[option];
  if (value !== undefined && typeof value !== 'boolean') {
    throw misuse('INVALID_CONFIG', `\`${option}\` to be true or false`, value, { option });
  }
  return value === true;
}

/** A number of bytes or milliseconds, as `what` says: whole, since '1.1gb' is not. */
export function amountOption<Default extends number | undefined>(
  options: Options,
  option: string,
  what: string,
  { from, to, otherwise }: { from: number; to: number; otherwise: Default },
): number | Default {
  const value = options[option];
  if (value === undefined) {
    return otherwise;
  }
  if (typeof value !== 'number' || !(value >= from) || value > to) {
    throw misuse('INVALID_CONFIG', `\`${option}\` to be ${what} from ${from} to ${to}`, value, { option });
  }
  return Math.floor(value);
}
