/**
 * Values that can tell on themselves. Each carries its key, its version, its deadline and its length, and every further
 * word follows from key, version and place, so that a value that is torn, foreign, stale or expired is known as such.
 *
 *     word 0       1        2-3              4            5 and up
 *       +--------+--------+----------------+------------+- - - - - - - - - - - - - - - - -+
 *       | key    | version| deadline, f64  | bytes      | filler, cut off at the length   |
 *       +--------+--------+----------------+------------+- - - - - - - - - - - - - - - - -+
 */
import { TAG_NUMBER } from '../../dist/protocol/value-tags.js';

export const HEAD_WORDS = 5;
export const VALUE_BYTES_MIN = HEAD_WORDS * 4;
const VALUE_BYTES_MAX = 256 * 1024;

/** Words of the control block that all threads of a torture share. */
export const STOP = 0;
export const ROUND = 1;
export const ACKS = 2;
/** From here on the keys of the frame that the owner applies now: readers that look at them meet it at work. */
export const HINTS_AT = 16;
export const HINTS = 32;

/**
 * What is done to a key beside setting and deleting it:
 *
 *     PLAIN    nothing; its values carry their deadline
 *     COUNTER  it is a number, counted up in place by STEP: n * STEP after n times
 *     MOVING   its deadline is moved in place, back and forth; what counts is the last one that was acknowledged
 *     SLIDING  every use lets it live for SLIDE_MS again
 */
export const PLAIN = 0;
export const COUNTER = 1;
export const MOVING = 2;
export const SLIDING = 3;
const KINDS = [PLAIN, PLAIN, PLAIN, COUNTER, PLAIN, MOVING, SLIDING, PLAIN];

export function kindOf(id) {
  return KINDS[id % KINDS.length];
}

/**
 * A step changes both words of a float64, and two multiples of it are never as near to each other as numbers are that
 * share their upper word: so halves of two counts are no count. That holds up to 2^52.
 */
export const STEP = 2 ** 32 + 15;
export const SLIDE_MS = 4;

export function textOf(id) {
  return id % 7 === 0 ? `ключ:${id}` : `key:${id}:${'x'.repeat(id % 13)}`;
}

/** A tag that most versions of a key do not share. */
export function tagOf(version) {
  return version & 0x7f;
}

const number = new Float64Array(1);
const numberWords = new Int32Array(number.buffer);

export class ValueWriter {
  #words = new Int32Array(VALUE_BYTES_MAX / 4 + 1);
  bytes = new Uint8Array(this.#words.buffer);

  /** Afterwards `bytes` begins with the value. */
  write(id, version, deadlineMs, byteLength) {
    const words = this.#words;
    const seed = seedOf(id, version);
    number[0] = deadlineMs;
    words[0] = id;
    words[1] = version;
    words[2] = numberWords[0];
    words[3] = numberWords[1];
    words[4] = byteLength;
    for (let i = HEAD_WORDS; i * 4 < byteLength; i++) {
      words[i] = filler(seed, i);
    }
  }
}

/** What is wrong with the bytes as a value of the key: '' when nothing is. Leaves version and deadline in `seen`. */
export function faultOf(id, words, bytes, byteLength, tag, seen) {
  if (byteLength < VALUE_BYTES_MIN) {
    return 'torn';
  }
  const version = words[1];
  number[0] = 0;
  numberWords[0] = words[2];
  numberWords[1] = words[3];
  seen.version = version;
  seen.deadlineMs = number[0];
  if (words[0] !== id) {
    return 'foreign';
  }
  if (words[4] !== byteLength || tag !== tagOf(version)) {
    return 'torn';
  }
  const seed = seedOf(id, version);
  const whole = byteLength >> 2;
  for (let i = HEAD_WORDS; i < whole; i++) {
    if (words[i] !== filler(seed, i)) {
      return 'torn';
    }
  }
  const last = filler(seed, whole);
  for (let at = whole * 4; at < byteLength; at++) {
    if (bytes[at] !== ((last >>> ((at & 3) * 8)) & 0xff)) {
      return 'torn';
    }
  }
  return '';
}

/** As `faultOf`, of a counter; the count is the version. */
export function faultOfCount(words, byteLength, tag, seen) {
  numberWords[0] = words[0];
  numberWords[1] = words[1];
  const count = number[0] / STEP;
  seen.version = count;
  seen.deadlineMs = Number.POSITIVE_INFINITY;
  return byteLength === 8 && tag === TAG_NUMBER && Number.isInteger(count) && count * STEP === number[0] ? '' : 'torn';
}

function seedOf(id, version) {
  return Math.imul(id + 1, 0x9e37_79b1) ^ Math.imul(version, 0x85eb_ca6b);
}

function filler(seed, index) {
  return Math.imul(seed + index, 0xc2b2_ae35) ^ seed;
}
