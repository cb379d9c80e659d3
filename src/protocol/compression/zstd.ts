/**
 * Zstandard, which Node has since 22.15 and 23.8, at the level that is its own (3). For large values: 100 kB of JSON take 1.0 ms
 * and become 20.4 kB, where zlib takes 1.6 ms for 19.3 kB; but each stream costs it more, and 1 kB takes twice as long
 * (52 us), and 35 us to read, where zlib takes 10.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { type CompressionKind, missing } from './compression.ts';
import { type StreamCalls, type StreamOptions, streamCompression } from './node-zlib.ts';

type Callback = (bytes: Uint8Array, options: StreamOptions, done: (error: Error | null, made: Buffer) => void) => void;

/** The part of node:zlib that older ones do not have. */
export interface ZstdCalls {
  readonly zstdCompressSync: StreamCalls['compressSync'];
  readonly zstdCompress: Callback;
  readonly zstdDecompressSync: StreamCalls['decompressSync'];
  readonly zstdDecompress: Callback;
}

const ID = 5;
const NAME = 'zstd';

/** `calls` is node:zlib, whatever it has. */
export function zstdFrom(calls: object): CompressionKind {
  return {
    id: ID,
    load() {
      if (!('zstdCompressSync' in calls)) {
        const next = `use Node 22.15 or later (this is ${process.version}), or another compression, such as 'brotli'`;
        throw missing(NAME, next);
      }
      const { zstdCompressSync, zstdCompress, zstdDecompressSync, zstdDecompress } = calls as unknown as ZstdCalls;
      const streams: StreamCalls = {
        compressSync: zstdCompressSync,
        compress: promisify(zstdCompress),
        decompressSync: zstdDecompressSync,
        decompress: promisify(zstdDecompress),
      };
      return streamCompression(NAME, ID, streams, () => ({}));
    },
  };
}

export const zstdKind = zstdFrom(zlib);
