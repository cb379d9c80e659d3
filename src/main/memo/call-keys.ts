/**
 * What a call is kept under. In the tier that outlives the process it is a text: the first 128 bits, in hex, of the SHA-256 of
 * the canonical bytes of the arguments (structured-key.ts), the same in every process; or what the user's `hash` says.
 *
 * In memory it is the same, with two shortcuts for functions of one argument, where that digest would be most of a hit:
 *
 *     a number                              #n and its digits
 *     a text of up to 1,024 characters      itself, unless it begins with #
 *     anything else                         # and the digest
 *
 * Each of these begins with a prefix of the memo's own, since others use the cache as well.
 */
import { hash as digestOf } from 'node:crypto';
import type { CacheKey } from '../../protocol/cache-key.ts';
import { describe } from '../../protocol/describe.ts';
import { misuse } from '../../protocol/errors.ts';
import { encodeLongStructured, encodeStructured } from '../../protocol/structured-key.ts';
import type { KeyedArgs } from './keyed-args.ts';

/** Hex digits: 128 bits, of which two calls have the same by chance never. */
const DIGEST_CHARACTERS = 32;
const TEXT_MAX = 1_024;
/** Of what a user's hash says: what is longer is digested in its turn. */
const HASHED_MAX = 16_384;
/** Of the canonical bytes of arguments: whoever memoizes functions of more than that gives a `hash`. */
const ARGS_BYTES_MAX = 256 * 1024 * 1024;
const ESCAPE = '#';
const ESCAPE_CODE = 35;
const NUMBER = '#n';

export type Hash = (args: readonly unknown[]) => string;

export interface CallKeysParts {
  /** The memo's, for messages. */
  readonly name: string;
  /** Of all keys in memory. */
  readonly prefix: string;
  readonly keyed?: KeyedArgs | undefined;
  readonly hash?: Hash | undefined;
  readonly hashMemory?: Hash | undefined;
}

export class CallKeys {
  readonly #name: string;
  readonly #prefix: string;
  readonly #keyed: KeyedArgs | undefined;
  readonly #hash: Hash | undefined;
  readonly #hashMemory: Hash | undefined;

  constructor({ name, prefix, keyed, hash, hashMemory = hash }: CallKeysParts) {
    this.#name = name;
    this.#prefix = prefix;
    this.#keyed = keyed;
    this.#hash = hash;
    this.#hashMemory = hashMemory;
  }

  /** The arguments that matter. */
  keyed(args: readonly unknown[]): readonly unknown[] {
    return this.#keyed === undefined ? args : this.#keyed(args);
  }

  /** Throws INVALID_KEY. */
  inMemory(keyed: readonly unknown[]): string {
    const prefix = this.#prefix;
    if (this.#hashMemory !== undefined) {
      return prefix + this.#hashed(this.#hashMemory, keyed);
    }
    if (keyed.length === 1) {
      const [arg] = keyed;
      if (typeof arg === 'number') {
        return `${prefix}${NUMBER}${arg}`;
      }
      if (typeof arg === 'string' && isShort(arg) && arg.isWellFormed()) {
        return prefix + arg;
      }
    }
    return prefix + ESCAPE + this.#digest(keyed);
  }

  /** Throws INVALID_KEY. */
  text(keyed: readonly unknown[]): string {
    return this.#hash === undefined ? this.#digest(keyed) : this.#hashed(this.#hash, keyed);
  }

  /** That of a key in memory, as far as it can be told; undefined for a key that is none of this memo's. */
  textOf(key: CacheKey): string | undefined {
    if (typeof key !== 'string' || !key.startsWith(this.#prefix)) {
      return undefined;
    }
    const rest = key.slice(this.#prefix.length);
    if (this.#hashMemory !== undefined) {
      return rest;
    }
    if (rest.charCodeAt(0) !== ESCAPE_CODE) {
      return this.#digest([rest]);
    }
    return rest.startsWith(NUMBER) ? this.#digest([Number(rest.slice(NUMBER.length))]) : rest.slice(1);
  }

  #hashed(hash: Hash, keyed: readonly unknown[]): string {
    return hashedBy(hash, this.#name, keyed);
  }

  #digest(keyed: readonly unknown[]): string {
    return digestOfArgs(this.#name, keyed);
  }
}

/** What a user's hash of a function of that name says. Throws INVALID_KEY. */
export function hashedBy(hash: Hash, name: string, keyed: readonly unknown[]): string {
  // A list of its own: it may sort it, and the function gets the arguments as they came.
  const text: unknown = hash([...keyed]);
  if (typeof text !== 'string' || text === '' || !text.isWellFormed()) {
    const expected = `the \`hash\` of ${name} to return a text that is not empty, without lone surrogates`;
    throw misuse('INVALID_KEY', expected, text, { option: 'hash' });
  }
  return text.length <= HASHED_MAX ? text : ESCAPE + digestOfArgs(name, [text]);
}

/** What arguments of a function of that name are kept under where nothing else is said. Throws INVALID_KEY. */
export function digestOfArgs(name: string, keyed: readonly unknown[]): string {
  let bytes: Uint8Array;
  try {
    const { words, byteLength } = encodeStructured(keyed);
    bytes = new Uint8Array(words.buffer, 0, byteLength);
  } catch {
    // Too long for a key, or none at all: the second try tells which.
    bytes = longBytes(name, keyed);
  }
  return digestOf('sha256', bytes, 'hex').slice(0, DIGEST_CHARACTERS);
}

function longBytes(name: string, keyed: readonly unknown[]): Uint8Array {
  try {
    return encodeLongStructured(keyed, ARGS_BYTES_MAX);
  } catch (cause) {
    const at = keyed.findIndex((arg) => !canBeKeyed(arg));
    const which = at === -1 ? 'arguments' : `argument ${at} (of those that matter, from 0)`;
    const message =
      `The ${which} of ${name} cannot be part of a key: ${describe(at === -1 ? keyed : keyed[at])}. Arguments ` +
      'are told apart by their content, which is plain data: leave others out with `ignore`, put something in their ' +
      'place with `normalize`, or say with `hash` what a call is kept under';
    throw Object.assign(new TypeError(message, { cause }), { code: 'INVALID_KEY' });
  }
}

/** Whether a text may stand for itself. */
function isShort(text: string): boolean {
  return text.length <= TEXT_MAX && text.charCodeAt(0) !== ESCAPE_CODE;
}

function canBeKeyed(arg: unknown): boolean {
  try {
    encodeLongStructured([arg], ARGS_BYTES_MAX);
    return true;
  } catch {
    // That is the answer.
    return false;
  }
}
