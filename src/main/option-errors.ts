/** What is said of an option that is wrong, wherever it is given: it is the caller's mistake, and names the option. */
import { misuse } from '../protocol/errors.ts';

/** INVALID_CONFIG for an option that is none. */
export function unknownOption(option: string, known: readonly string[]): TypeError {
  const message = `Unknown option \`${option}\`. Known: ${known.join(', ')}`;
  return Object.assign(new TypeError(message), { code: 'INVALID_CONFIG', option });
}

/** INVALID_CONFIG, with the name of the option. */
export function optionError(option: string, expected: string, got: unknown): TypeError {
  return misuse('INVALID_CONFIG', `\`${option}\` to be ${expected}`, got, { option });
}
