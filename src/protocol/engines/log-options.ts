/** The options that the engines `log` and `disk` share, checked. */
import { misuse } from '../errors.ts';

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
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) {
    throw misuse('INVALID_CONFIG', `\`${option}\` to be a whole number of bytes from ${least} to ${most}`, value, {
      option,
    });
  }
  return value;
}
