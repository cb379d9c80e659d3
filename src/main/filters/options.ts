/** What a user may ask of a filter, and what it becomes: every default and every option error. */
import { randomBytes } from 'node:crypto';
import { misuse } from '../../protocol/errors.ts';
import { type HashSeed, KeyEncoder } from '../../protocol/key.ts';

export interface FilterOptions {
  /** Keys for which the filter has its rate: 1 or more. */
  capacity: number;
  /** The share of keys that were never added for which `has` may be true, between 0 and 1. Default 0.01. */
  falsePositiveRate?: number;
  /** Fixes the hash of keys, so that equal calls make equal filters: an integer of 32 bits. Default: drawn at random. */
  seed?: number;
}

export interface StaticFilterOptions {
  /** Bits of a fingerprint: 8 (default) for 0.39 % of false positives, 16 for 0.0015 %. */
  bits?: 8 | 16;
  /** Fixes the hash of keys, so that equal calls make equal filters: an integer of 32 bits. Default: drawn at random. */
  seed?: number;
}

export interface FilterSetup {
  readonly capacity: number;
  readonly falsePositiveRate: number;
  readonly seed: HashSeed;
}

const DEFAULT_FALSE_POSITIVES = 0.01;
const SEED_MAX = 2 ** 32 - 1;
/** 2 GiB: longer lists of words exist on no machine that this is made for. */
const WORDS_MAX = 2 ** 29;
/** No filter keeps the bytes of a key, so all encode theirs into this: 64 KiB each would outweigh many a filter. */
const SCRATCH = new KeyEncoder({ low: 0, high: 0 }).words;

export function resolveFilter(options: FilterOptions): FilterSetup {
  known(options, ['capacity', 'falsePositiveRate', 'seed']);
  const { capacity, falsePositiveRate = DEFAULT_FALSE_POSITIVES, seed } = options;
  if (!Number.isSafeInteger(capacity) || capacity < 1) {
    throw optionError('capacity', 'an integer of at least 1', capacity);
  }
  if (typeof falsePositiveRate !== 'number' || !(falsePositiveRate > 0 && falsePositiveRate < 1)) {
    throw optionError('falsePositiveRate', 'a number between 0 and 1', falsePositiveRate);
  }
  return { capacity, falsePositiveRate, seed: resolveSeed(seed) };
}

export function resolveStatic(options: StaticFilterOptions): { bits: 8 | 16; seed: HashSeed } {
  known(options, ['bits', 'seed']);
  const { bits = 8, seed } = options;
  if (bits !== 8 && bits !== 16) {
    throw optionError('bits', '8 or 16', bits);
  }
  return { bits, seed: resolveSeed(seed) };
}

/** The words of a filter. Throws INVALID_CONFIG if there cannot be so many. */
export function reserveWords(words: number, capacity: number): Int32Array {
  if (words > WORDS_MAX) {
    throw optionError('capacity', 'so small that the filter takes at most 2 GiB', capacity);
  }
  try {
    return new Int32Array(words);
  } catch (cause) {
    const error = optionError('capacity', 'so small that this machine can reserve the filter', capacity);
    throw Object.assign(error, { cause });
  }
}

/** What hashes the keys of a filter. Only its hash outlives the call. */
export function encoderOf(seed: HashSeed): KeyEncoder {
  return new KeyEncoder(seed, SCRATCH);
}

export function optionError(option: string, expected: string, got: unknown): TypeError {
  return misuse('INVALID_CONFIG', `\`${option}\` to be ${expected}`, got, { option });
}

function known(options: unknown, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw optionError('options', `an object of ${names.join(', ')}`, options);
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const message = `Unknown option \`${unknown}\`. Known: ${names.join(', ')}`;
    throw Object.assign(new TypeError(message), { code: 'INVALID_CONFIG', option: unknown });
  }
}

function resolveSeed(seed: unknown): HashSeed {
  if (seed === undefined) {
    const bytes = randomBytes(8);
    return { low: bytes.readInt32LE(0), high: bytes.readInt32LE(4) };
  }
  if (!Number.isInteger(seed) || (seed as number) < 0 || (seed as number) > SEED_MAX) {
    throw optionError('seed', `an integer from 0 to ${SEED_MAX}`, seed);
  }
  return { low: (seed as number) | 0, high: Math.imul((seed as number) ^ 0x9e37_79b9, 0x85eb_ca6b) };
}
