/**
 * The entries of a snapshot outside any cache: read one after the other, to look at or to convert, and written into a new
 * snapshot, which is then that of one shard. Values stay bytes; what they mean the serializer knows that the facts name.
 */
import { randomBytes } from 'node:crypto';
import type { CacheKey } from '../cache-key.ts';
import { diskFiles, type Files, writeWhole } from '../files.ts';
import { decodeKey, KeyEncoder } from '../key.ts';
import { META_TAG_SHIFT, wordsFor } from '../memory.ts';
import type { Tag } from '../value-tags.ts';
import { BlockWriter, expiryFlags, type RecordReader, wordsOf } from './block.ts';
import { coldestFirst, type SnapshotIndex, sealIndex } from './block-index.ts';
import { snapshotHeader } from './ends.ts';
import { HEADER_BYTES, ID_BYTES, type SnapshotFacts } from './file.ts';
import { encodeChecked, keyBytesOf, valueBytesOf } from './record-key.ts';
import { blockIn, type SnapshotSource, withSource } from './source.ts';
import type { BlockPlace } from './tasks.ts';

export interface SnapshotEntry {
  readonly key: CacheKey;
  readonly tag: Tag;
  /** A copy. */
  readonly value: Buffer;
  /** Milliseconds since 1970; Infinity for ever. */
  readonly deadlineMs: number;
  /** For how long a read lets it live on, in ms; 0 where it does not slide. */
  readonly slideMs: number;
  /** For how long it may be served when it has expired, in ms; 0 for not at all. */
  readonly graceMs: number;
  /** What the policy that the facts name knew of it; a uint32. */
  readonly standing: number;
}

/**
 * All entries of a snapshot, coldest first, those that have expired, too. The file is open while a block is read, and never when an
 * entry is yielded. Throws CACHE_LOAD_ERROR.
 */
export function* entriesOf(index: SnapshotIndex, path: string, files: Files = diskFiles): Generator<SnapshotEntry> {
  for (const place of coldestFirst(index)) {
    yield* withSource(files, path, (source) => entriesIn(source, place, index.id));
  }
}

/** The entries of one block. Throws CACHE_LOAD_ERROR. */
export function entriesIn(source: SnapshotSource, place: BlockPlace, id: Uint8Array): SnapshotEntry[] {
  const block = blockIn(source, place, id);
  const entries: SnapshotEntry[] = [];
  while (block.advance()) {
    if (!encodeChecked(checker, block.record)) {
      block.refuse();
    }
    entries.push(entryOf(block.record));
  }
  return entries;
}

/**
 * Writes entries into an empty file that is open for writing, in the order in which they are added: the coldest comes first. Throws what the
 * file system throws.
 */
export class SnapshotWriter {
  readonly #files: Files;
  readonly #fd: number;
  readonly #id = randomBytes(ID_BYTES);
  readonly #encoder = new KeyEncoder({ low: 0, high: 0 });
  readonly #block = new BlockWriter(this.#id);
  readonly #places: BlockPlace[] = [];
  #offset = HEADER_BYTES;
  #entries = 0;

  constructor(fd: number, files: Files = diskFiles) {
    this.#files = files;
    this.#fd = fd;
    writeWhole(files, fd, snapshotHeader(this.#id), 0);
  }

  /** Throws INVALID_KEY for a key that a cache refuses. */
  add({ key, tag, value, deadlineMs, slideMs, graceMs, standing }: SnapshotEntry): void {
    const encoder = this.#encoder;
    const block = this.#block;
    encoder.encode(key);
    const keyWords = wordsFor(encoder.byteLength);
    if (!block.hasRoom(keyWords + wordsOf(value.length))) {
      this.#flush();
    }
    const meta = encoder.meta | (tag << META_TAG_SHIFT) | expiryFlags(deadlineMs, slideMs, graceMs);
    const at = block.add({ meta, valueBytes: value.length, standing, deadlineMs, slideMs, graceMs });
    block.words.set(encoder.words.subarray(0, keyWords), at);
    const valueAt = at + keyWords;
    // The rest of the last word has what was written there before.
    if ((value.length & 3) !== 0) block.words[valueAt + (value.length >> 2)] = 0;
    new Uint8Array(block.words.buffer).set(value, valueAt * 4);
    this.#entries++;
  }

  /** Writes what is left, index and footer. The file is neither synced nor closed. */
  finish(facts: Omit<SnapshotFacts, 'shards' | 'entries'>): { readonly entries: number; readonly bytes: number } {
    this.#flush();
    const entries = this.#entries;
    const end = sealIndex(this.#id, { ...facts, shards: 1, entries }, [this.#places], this.#offset);
    writeWhole(this.#files, this.#fd, end, this.#offset);
    return { entries, bytes: this.#offset + end.length };
  }

  #flush(): void {
    if (this.#block.entries === 0) {
      return;
    }
    const { bytes, entries, checksum } = this.#block.seal();
    writeWhole(this.#files, this.#fd, bytes, this.#offset);
    this.#places.push({ offset: this.#offset, bytes: bytes.length, entries, checksum });
    this.#offset += bytes.length;
  }
}

/** Keys are checked with it, whatever their hash. */
const checker = new KeyEncoder({ low: 0, high: 0 });

function entryOf(record: RecordReader): SnapshotEntry {
  const { tag, deadlineMs, slideMs, graceMs, standing } = record;
  const key = decodeKey(keyBytesOf(record), record.encoding);
  return { key, tag, value: Buffer.from(valueBytesOf(record)), deadlineMs, slideMs, graceMs, standing };
}
