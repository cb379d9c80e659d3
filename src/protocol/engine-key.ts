/**
 * A key as the engines of stores know it: text that is the key itself wherever it can be, so that people and other programs
 * find `user:1` under `user:1`, in a JSON file as in Redis. What is no plain text begins with U+0000 and a letter:
 *
 *     'user:1'        user:1                 a string
 *     '\0odd'         \0 s \0 o d d          a string that begins with U+0000
 *     1.5             \0 n 1.5               a number, as JavaScript writes it; -0 is 0, and there is one NaN
 *     { a: [1, 2] }   \0 x CwEBYQ...         the canonical bytes of structured-key.ts, in base64url
 *
 * Equal keys have the same text and different keys different texts. It is well-formed. Other letters after the U+0000 are
 * for what engines keep of their own beside the entries.
 */
import type { CacheKey } from './cache-key.ts';
import { CacheError } from './errors.ts';
import { checkKey } from './key.ts';
import { encodeStructured } from './structured-key.ts';
import { decodeStructured } from './structured-key-reader.ts';

const RESERVED = '\0';

/** Throws INVALID_KEY for anything but a CacheKey of at most 65,535 encoded bytes. */
export function engineKeyOf(key: unknown): string {
  if (typeof key === 'string') {
    checkKey(key);
    return key.startsWith(RESERVED) ? `\0s${key}` : key;
  }
  if (typeof key === 'number') {
    return `\0n${key}`;
  }
  const { words, byteLength } = encodeStructured(key);
  return `\0x${Buffer.from(words.buffer, words.byteOffset, byteLength).toString('base64url')}`;
}

/** The key again, or one equal to it. Throws PROTOCOL_ERROR for text that `engineKeyOf` never makes. */
export function keyOfEngineKey(text: string): CacheKey {
  if (!text.startsWith(RESERVED)) {
    return text;
  }
  const rest = text.slice(2);
  switch (text[1]) {
    case 's':
      return rest;
    case 'n':
      return Number(rest);
    case 'x':
      return decodeStructured(Buffer.from(rest, 'base64url'));
    default:
      throw new CacheError('PROTOCOL_ERROR', `Expected a key of a store, got ${JSON.stringify(text.slice(0, 40))}`);
  }
}
