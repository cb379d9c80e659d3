/**
 * A snapshot in a file: what a cache held, to be loaded by a cache of any number of shards.
 *
 *     header           block block ... block                       index                    footer
 *     64 bytes         written by the owners, side by side         which blocks count, and  64 bytes
 *     what this is     and in any order                            what the whole is        where the index is
 *     ends.ts          block.ts                                    block-index.ts           ends.ts
 *
 * One file and not one for each shard, so that there is no half of a set. It is written under another name, its footer last, and
 * then renamed. Bytes between the parts mean nothing: an owner that died has left them.
 *
 * All of it is little-endian and begins at whole words. Every part has the id of the snapshot, 16 random bytes, so that a part of
 * another one is told from its own, and every byte that means something is covered by a CRC-32: that of a header and a footer is
 * in themselves, that of the index in the footer, that of a block in the index.
 */

/** Versions that this code reads. A new layout takes a new number. */
export const SNAPSHOT_VERSION = 1;
export const SNAPSHOT_MAGIC = 'SHSTSNAP';
export const ID_BYTES = 16;
export const HEADER_BYTES = 64;
export const FOOTER_BYTES = 64;

/** What the index says of the whole. */
export interface SnapshotFacts {
  /** Of the cache that saved it. */
  readonly serializer: string;
  /** Of V8, where the serializer is 'v8': an older V8 does not read it. */
  readonly v8?: string | undefined;
  /** The name of the eviction policy, by which the standings of entries are to be understood. */
  readonly eviction: string;
  readonly shards: number;
  /** Milliseconds since 1970. */
  readonly savedAtMs: number;
  /** Those that were alive when they were written. */
  readonly entries: number;
}
