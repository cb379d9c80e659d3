/** The options that the engines `log` and `disk` share, checked. */
import { misuse } from '../../errors.ts';

export function checkFlag(option: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean') {
    throw misuse('INVALID_CONFIG', `\`${option}\` to be true or false`, value, { option });
  }
  return value === true;
}

/** A number of bytes within bounds. */
export function checkBytes(option: string, value: unknown, least: number, most: number, otherwise: number): number {
  if (value === undefined) {
    return otherwise;
  }
  if (typeof value !== 'number' || !(value >= least) || value > most) {
    throw misuse('INVALID_CONFIG', `\`${option}\` to be a number of bytes from ${least} to ${most}`, value, {
      option,
    });
  }
  // '1.1gb' is no whole number of bytes.
  return Math.floor(value);
}
