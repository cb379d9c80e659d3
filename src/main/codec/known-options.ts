/** Objects of options: what is none, and names that nobody knows, which are mostly slips of the pen. */
import { misuse } from '../../protocol/errors.ts';

/** Throws INVALID_CONFIG for what is no object, or has other options than these. */
export function assertOptions(options: unknown, known: readonly string[]): asserts options is object {
  assertObject(options, known);
  const stranger = Object.keys(options).find((name) => !known.includes(name));
  if (stranger !== undefined) {
    throw misuse('INVALID_CONFIG', `one of the options ${known.join(', ')}`, stranger, { option: stranger });
  }
}

/** Throws INVALID_CONFIG. */
export function assertObject(options: unknown, known: readonly string[]): asserts options is object {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw misuse('INVALID_CONFIG', `an object of options, such as ${known.join(', ')}`, options, { option: 'options' });
  }
}
