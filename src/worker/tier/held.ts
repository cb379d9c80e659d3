/** A value as an owner works with it while it waits for the tier: a copy that nobody else changes. */
import type { FrameReader } from '../../protocol/frame.ts';
import { wordsFor } from '../../protocol/memory.ts';
import type { Tag } from '../../protocol/value-tags.ts';
import type { EntrySource, Expiry, KeySource } from '../blocks.ts';

export interface Held {
  readonly tag: Tag;
  readonly bytes: Uint8Array;
  /** Monotonic. */
  readonly expiry: Expiry;
}

type KeyOfEntry = KeySource & Pick<EntrySource, 'hashHigh'>;

/** The entry of a key with this value, to be written into memory. No copy where the bytes are words already. */
export function entryWith(key: KeyOfEntry, { tag, bytes }: Pick<Held, 'tag' | 'bytes'>): EntrySource {
  const words = wordsOf(bytes);
  return {
    hashLow: key.hashLow,
    hashHigh: key.hashHigh,
    keyBytes: key.keyBytes,
    encoding: key.encoding,
    keyWord: (index) => key.keyWord(index),
    tag,
    words,
    valueAt: 0,
    valueBytes: bytes.length,
    value: bytes,
  };
}

/** What is left of the last word is anything. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const { buffer, byteOffset } = bytes;
  const count = Math.ceil(bytes.length / 4);
  if (byteOffset % 4 === 0 && byteOffset + count * 4 <= buffer.byteLength) {
    return new Int32Array(buffer, byteOffset, count);
  }
  const words = new Int32Array(count);
  new Uint8Array(words.buffer).set(bytes);
  return words;
}

/** What a record of a detached frame stores. */
export function stored(record: FrameReader): Pick<Held, 'tag' | 'bytes'> {
  return { tag: record.tag, bytes: record.value };
}

/** A key that was just encoded, for as long as no other is. */
export function keyOf(
  encoder: { readonly words: Int32Array; readonly byteLength: number } & Omit<KeyOfEntry, 'keyBytes' | 'keyWord'>,
): KeyOfEntry {
  const words = encoder.words.slice(0, wordsFor(encoder.byteLength));
  return {
    hashLow: encoder.hashLow,
    hashHigh: encoder.hashHigh,
    encoding: encoder.encoding,
    keyBytes: encoder.byteLength,
    keyWord: (index) => words[index] as number,
  };
}
