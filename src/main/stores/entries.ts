/** What the methods for many take, one at a time: nobody holds all of a long iterable at once. */
import { misuse } from '../../protocol/errors.ts';

/** Throws INVALID_CONFIG for text, too: it could be an iterable of its letters, but nobody means that. */
export function keysOf<K>(keys: Iterable<K>): Iterable<K> {
  if (typeof keys !== 'object' || keys === null || !(Symbol.iterator in keys)) {
    throw misuse('INVALID_CONFIG', 'an array of keys, or another iterable', keys, { option: 'keys' });
  }
  return keys;
}

/** Throws INVALID_CONFIG, while it is read for what is no pair. */
export function* pairsOf<K, V>(
  entries: Iterable<readonly [K, V]> | Readonly<Record<string, V>>,
): Generator<readonly [K | string, V]> {
  if (typeof entries !== 'object' || entries === null) {
    throw misuse('INVALID_CONFIG', 'pairs of key and value, a Map, or an object', entries, { option: 'entries' });
  }
  if (!(Symbol.iterator in entries)) {
    yield* Object.entries(entries);
    return;
  }
  for (const pair of entries as Iterable<readonly [K, V]>) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw misuse('INVALID_CONFIG', 'pairs of key and value', pair, { option: 'entries' });
    }
    yield pair as unknown as readonly [K, V];
  }
}
