/** The hashes of a set of keys, each once: what a static filter is made of, which cannot be where two of them are equal. */
import { misuse } from '../../protocol/errors.ts';
import type { KeyEncoder } from '../../protocol/key.ts';
import { optionError } from './options.ts';

/** More would need a table of more cells than 32 bits of a hash tell apart evenly. */
export const KEYS_MAX = 2 ** 27;
const KEYS_MIN = 1024;

/** [low, high] of each hash, in no order that means anything. Throws INVALID_KEY, or INVALID_CONFIG for too many keys. */
export function distinctHashes(keys: unknown, encoder: KeyEncoder): Int32Array {
  let hashes = new Int32Array(2 * KEYS_MIN);
  let length = 0;
  for (const key of iterable(keys)) {
    if (length === hashes.length) {
      hashes = enlarged(hashes);
    }
    encoder.encode(key);
    hashes[length++] = encoder.hashLow;
    hashes[length++] = encoder.hashHigh;
  }
  return withoutRepeats(hashes.subarray(0, length));
}

function iterable(keys: unknown): Iterable<unknown> {
  // A string is iterable, and its characters are hardly ever what was meant.
  if (typeof keys !== 'object' || keys === null || typeof (keys as Iterable<unknown>)[Symbol.iterator] !== 'function') {
    throw misuse('INVALID_CONFIG', '`keys` to be an iterable of keys, such as an array or a Set', keys, {
      option: 'keys',
    });
  }
  return keys as Iterable<unknown>;
}

function enlarged(hashes: Int32Array): Int32Array<ArrayBuffer> {
  if (hashes.length >= 2 * KEYS_MAX) {
    throw optionError('keys', `at most ${KEYS_MAX}`, hashes.length / 2 + 1);
  }
  const larger = new Int32Array(hashes.length * 2);
  larger.set(hashes);
  return larger;
}

/** As numbers of 64 bits, which the engine sorts without making an object of any: 90 ms for a million. */
function withoutRepeats(hashes: Int32Array<ArrayBuffer>): Int32Array {
  new BigUint64Array(hashes.buffer, 0, hashes.length / 2).sort();
  let kept = 0;
  for (let i = 0; i < hashes.length; i += 2) {
    const isRepeat = kept > 0 && hashes[i] === hashes[kept - 2] && hashes[i + 1] === hashes[kept - 1];
    if (!isRepeat) {
      hashes[kept++] = hashes[i] as number;
      hashes[kept++] = hashes[i + 1] as number;
    }
  }
  return hashes.subarray(0, kept);
}
