/**
 * The compressions that every Node has: zlib, gzip, brotli and deflate-raw. Each call makes a stream of its own, which takes
 * about 10 us, so they are for values of some hundred bytes and more; a 1 kB value takes 20 us and becomes a third.
 *
 * Brotli at its own quality, 11, takes seconds for a megabyte. At 4 it takes half the time of zlib and gives 9 % more bytes
 * (100 kB of JSON: 0.9 ms and 20.4 kB against 1.8 ms and 18.8 kB), at 5 the time of zlib and its bytes.
 */
import { promisify } from 'node:util';
import zlib, { constants } from 'node:zlib';
import type { Compression, CompressionKind } from './compression.ts';

/** What `true` means. */
const LEVEL = 6;
const BROTLI_QUALITY = 4;
/** 64 kB take zlib about 1 ms, to hand them over takes 20 us. */
const COMPRESS_LONG_BYTES = 64 * 1024;
const DECOMPRESS_LONG_BYTES = 512 * 1024;
/** The memory that is taken at once for what comes out, so that a forged length takes no more than this by itself. */
const CHUNK_BYTES_MIN = 64;
const CHUNK_BYTES_MAX = 1024 * 1024;

export interface StreamOptions {
  readonly level?: number;
  readonly params?: Readonly<Record<number, number>>;
  readonly chunkSize?: number;
  readonly maxOutputLength?: number;
}

/** One of Node's pairs of functions, each in two forms. */
export interface StreamCalls {
  compressSync(bytes: Uint8Array, options: StreamOptions): Buffer;
  compress(bytes: Uint8Array, options: StreamOptions): Promise<Buffer>;
  decompressSync(bytes: Uint8Array, options: StreamOptions): Buffer;
  decompress(bytes: Uint8Array, options: StreamOptions): Promise<Buffer>;
}

/** A compression made of Node's functions. `optionsFor` makes the options for so many bytes. */
export function streamCompression(
  name: string,
  id: number,
  calls: StreamCalls,
  optionsFor: (byteLength: number) => StreamOptions,
): Compression {
  return {
    name,
    id,
    compressLongBytes: COMPRESS_LONG_BYTES,
    decompressLongBytes: DECOMPRESS_LONG_BYTES,
    compressSync: (bytes) => calls.compressSync(bytes, optionsFor(bytes.length)),
    compress: (bytes) => calls.compress(bytes, optionsFor(bytes.length)),
    decompressSync: (bytes, length) => calls.decompressSync(bytes, boundedBy(length)),
    decompress: (bytes, length) => calls.decompress(bytes, boundedBy(length)),
  };
}

/** One byte more than is needed tells the stream that it has come to its end, where it would ask for another chunk. */
function boundedBy(length: number): StreamOptions {
  const chunkSize = Math.min(Math.max(length + 1, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX);
  return { maxOutputLength: length, chunkSize };
}

function builtIn(
  name: string,
  id: number,
  calls: StreamCalls,
  optionsFor: (byteLength: number) => StreamOptions,
): CompressionKind {
  const compression = streamCompression(name, id, calls, optionsFor);
  return { id, load: () => compression };
}

const deflateOptions = () => ({ level: LEVEL });

export const zlibKind = builtIn(
  'zlib',
  1,
  {
    compressSync: zlib.deflateSync,
    compress: promisify<Uint8Array, StreamOptions, Buffer>(zlib.deflate),
    decompressSync: zlib.inflateSync,
    decompress: promisify<Uint8Array, StreamOptions, Buffer>(zlib.inflate),
  },
  deflateOptions,
);

export const gzipKind = builtIn(
  'gzip',
  2,
  {
    compressSync: zlib.gzipSync,
    compress: promisify<Uint8Array, StreamOptions, Buffer>(zlib.gzip),
    decompressSync: zlib.gunzipSync,
    decompress: promisify<Uint8Array, StreamOptions, Buffer>(zlib.gunzip),
  },
  deflateOptions,
);

export const brotliKind = builtIn(
  'brotli',
  3,
  {
    compressSync: zlib.brotliCompressSync,
    compress: promisify<Uint8Array, StreamOptions, Buffer>(zlib.brotliCompress),
    decompressSync: zlib.brotliDecompressSync,
    decompress: promisify<Uint8Array, StreamOptions, Buffer>(zlib.brotliDecompress),
  },
  (byteLength) => ({
    params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: byteLength },
  }),
);

export const deflateRawKind = builtIn(
  'deflate-raw',
  4,
  {
    compressSync: zlib.deflateRawSync,
    compress: promisify<Uint8Array, StreamOptions, Buffer>(zlib.deflateRaw),
    decompressSync: zlib.inflateRawSync,
    decompress: promisify<Uint8Array, StreamOptions, Buffer>(zlib.inflateRaw),
  },
  deflateOptions,
);
