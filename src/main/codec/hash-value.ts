/**
 * A digest of a value by its content, the same in every process and every version: for the keys of memoised calls, for file
 * names, to see whether two configurations are one. It hashes the canonical bytes of structured-key.ts, so what is equal as
 * a key of a cache has one hash, and nothing else: properties in any order, Sets and Maps by content, 0 and -0, any NaN;
 * but 1, '1', 1n and true are four.
 */
import { encodeLongStructured } from '../../protocol/structured-key.ts';
import { hasherOf } from './hash-bytes.ts';

/** What of a value's canonical bytes is held at once: whoever hashes more than that hashes bytes, in a stream. */
const VALUE_BYTES_MAX = 256 * 1024 * 1024;

/**
 * The digest in hex of anything that could be a key, of up to 256 MiB; of undefined and of lists of arguments, too. Throws
 * INVALID_KEY for functions, symbols, class instances, cycles and what is larger, UNKNOWN_PLUGIN for an algorithm that this
 * Node has not got.
 */
export function hashValue(value: unknown, algorithm = 'sha256'): string {
  const hasher = hasherOf(algorithm);
  return hasher.update(encodeLongStructured(value, VALUE_BYTES_MAX)).digest('hex');
}
