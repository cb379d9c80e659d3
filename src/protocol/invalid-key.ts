/** Why a key is refused, one sentence for each reason. */
import { misuse } from './errors.ts';
import { KEY_BYTES_MAX } from './memory.ts';

export function notPlain(got: unknown): TypeError {
  return invalid(
    'a key of plain data (string, number, bigint, boolean, null, Uint8Array, Date, array, plain object, Map or Set)',
    got,
  );
}

export function tooLong(got: unknown, bytesMax: number = KEY_BYTES_MAX): TypeError {
  return invalid(`a key of at most ${bytesMax} bytes`, got);
}

export function tooDeep(got: unknown, depthMax: number): TypeError {
  return invalid(`a key without cycles, nested at most ${depthMax} deep`, got);
}

/** Lone surrogates all become the same UTF-8, and different keys would meet. */
export function illFormed(got: string): TypeError {
  return invalid('a key without lone surrogates', got);
}

export function invalidDate(got: Date): TypeError {
  return invalid('a key without invalid dates', got);
}

export function withSymbols(got: object): TypeError {
  return invalid('a key without symbols as property names', got);
}

export function notDense(got: readonly unknown[]): TypeError {
  return invalid('a key whose arrays have neither holes nor properties beside their items', got);
}

export function withProperties(got: object): TypeError {
  return invalid('a key whose Dates, Maps and Sets have no properties of their own', got);
}

function invalid(expected: string, got: unknown): TypeError {
  return misuse('INVALID_KEY', expected, got);
}
