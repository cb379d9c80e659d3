/**
 * The key of a record: hashed with the seed of whoever reads it, and looked over. A key has one encoding only, so one that is
 * encoded otherwise could stand beside itself: it is decoded and encoded anew, which must give the same bytes. Latin-1 alone
 * needs no look, as any bytes are a text in it.
 */
import { decodeKey, ENCODING_LATIN1, type KeyEncoder } from '../key.ts';
import { wordsFor } from '../memory.ts';
import type { RecordReader } from './block.ts';

/** The bytes of a record's key, in its memory. */
export function keyBytesOf({ words, keyAt, keyBytes }: RecordReader): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + keyAt * 4, keyBytes);
}

export function valueBytesOf({ words, valueAt, valueBytes }: RecordReader): Buffer {
  return Buffer.from(words.buffer as ArrayBuffer, words.byteOffset + valueAt * 4, valueBytes);
}

/** Puts the key into the encoder, hashed. False where it is none. */
export function encodeChecked(encoder: KeyEncoder, record: RecordReader): boolean {
  const { words, keyAt, keyBytes, encoding } = record;
  if (encoding === ENCODING_LATIN1) {
    encoder.adopt(words, keyAt, keyBytes, encoding);
    return true;
  }
  try {
    encoder.encode(decodeKey(keyBytesOf(record), encoding));
  } catch {
    // Nothing that is thrown says more than that these bytes are no key.
    return false;
  }
  return (
    encoder.encoding === encoding && encoder.byteLength === keyBytes && isSame(encoder.words, words, keyAt, keyBytes)
  );
}

function isSame(encoded: Int32Array, words: Int32Array, keyAt: number, keyBytes: number): boolean {
  const count = wordsFor(keyBytes);
  let i = 0;
  while (i < count && encoded[i] === words[keyAt + i]) {
    i++;
  }
  return i === count;
}
