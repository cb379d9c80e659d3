/** Snapshots for tests: entries of every kind, files that are nothing but bytes, and what is in them. */

import type { CacheKey } from '../../src/protocol/cache-key.ts';
import { diskFiles, type Files } from '../../src/protocol/files.ts';
import { coldestFirst } from '../../src/protocol/snapshot/block-index.ts';
import { entriesIn, type SnapshotEntry, SnapshotWriter } from '../../src/protocol/snapshot/entry.ts';
import type { SnapshotFacts } from '../../src/protocol/snapshot/file.ts';
import { indexIn, sourceOf } from '../../src/protocol/snapshot/source.ts';
import { TAG_CUSTOM, TAG_NUMBER } from '../../src/protocol/value-tags.ts';
import type { Random } from './random.ts';

export const FACTS: Omit<SnapshotFacts, 'shards' | 'entries'> = {
  serializer: 'msgpack',
  eviction: 'lru',
  savedAtMs: 1_700_000_000_000,
};

/** One key of each kind that has an encoding or a canonical form of its own. */
export const KEYS: readonly CacheKey[] = [
  '',
  'a',
  'abc',
  'abcd',
  'caf\u00e9',
  '\u0394 wide',
  '\u{1f600}',
  0,
  -1.5,
  Number.NaN,
  Number.NEGATIVE_INFINITY,
  true,
  null,
  12n,
  -(2n ** 70n),
  new Date(5),
  ['user', 7],
  { b: 1, a: [undefined, new Set([1])] },
  new Map([['k', new Uint8Array([1, 2, 3])]]),
  'x'.repeat(3_000),
];

/** An entry with every field drawn; its deadline, where it has one, is within an hour of `aroundMs`. */
export function drawEntry(random: Random, key: CacheKey, aroundMs: number, valueMax = 300): SnapshotEntry {
  const expires = random.oneIn(2);
  const tag = random.below(TAG_CUSTOM + 1);
  return {
    key,
    tag,
    value: random.bytes(tag === TAG_NUMBER ? 8 : random.below(valueMax)),
    deadlineMs: expires ? aroundMs + random.below(7_200_000) - 3_600_000 : Number.POSITIVE_INFINITY,
    slideMs: expires && random.oneIn(2) ? 1 + random.below(1e9) : 0,
    graceMs: expires && random.oneIn(2) ? 1 + random.below(1e9) : 0,
    standing: random.oneIn(3) ? 0 : random.word(),
  };
}

/** A file in memory: what is written to any descriptor is in `bytes`. */
export class MemoryFile {
  bytes = Buffer.alloc(0);
  readonly files: Files = {
    ...diskFiles,
    writeSync: ((_fd: number, from: Uint8Array, at: number, length: number, position: number): number => {
      if (this.bytes.length < position + length) {
        this.bytes = Buffer.concat([this.bytes, Buffer.alloc(position + length - this.bytes.length)]);
      }
      this.bytes.set(from.subarray(at, at + length), position);
      return length;
    }) as Files['writeSync'],
  };
}

/** The bytes of a snapshot of these entries. */
export function snapshotOf(entries: Iterable<SnapshotEntry>, facts = FACTS): Buffer {
  const file = new MemoryFile();
  const writer = new SnapshotWriter(0, file.files);
  for (const entry of entries) {
    writer.add(entry);
  }
  writer.finish(facts);
  return file.bytes;
}

/** All entries of a snapshot, coldest first. Throws CACHE_LOAD_ERROR. */
export function entriesOfBytes(bytes: Uint8Array): SnapshotEntry[] {
  const source = sourceOf(bytes, 'given');
  const index = indexIn(source);
  return coldestFirst(index).flatMap((place) => entriesIn(source, place, index.id));
}
