/**
 * The contract of all compressions, and how what they make stands in a record:
 *
 *     payload   length (uint32, little-endian) | what the compression made of so many bytes
 *
 * Nobody believes a length more than is safe: it is at most COMPRESSED_BYTES_MAX, decompression stops where it ends, and a
 * payload that gives less or more is STORE_CORRUPT. A few forged bytes cost no gigabytes.
 *
 * What does not gain is left as it is. Below COMPRESS_BYTES_MIN nothing does (64 bytes of JSON become 68 with zlib, 69 with
 * lz4), and a sixteenth is the least that is worth a decompression at every get: 6 us of a get that takes 1.
 *
 * A new compression is one file with a CompressionKind, and one line in index.ts.
 */
import { CacheError } from '../errors.ts';

export interface Compression {
  readonly name: string;
  /** As records keep it: 1 to 255, for ever the same. */
  readonly id: number;
  /** From so many bytes on, a compression takes more than a millisecond, and is better done off the thread. */
  readonly compressLongBytes: number;
  /** The same for a decompression, counted in the bytes that come out. */
  readonly decompressLongBytes: number;
  compressSync(bytes: Uint8Array): Buffer;
  /** Off the thread. The bytes must not change meanwhile. */
  compress(bytes: Uint8Array): Promise<Buffer>;
  /** At most `length` bytes in memory of their own. Throws whatever it likes for bytes that are none of its own. */
  decompressSync(bytes: Buffer, length: number): Buffer;
  decompress(bytes: Buffer, length: number): Promise<Buffer>;
}

export interface CompressionKind {
  readonly id: number;
  /** Throws MISSING_DEPENDENCY where this Node has not got it, or nobody has installed it. */
  load(): Compression;
}

export const COMPRESS_BYTES_MIN = 64;
/** What is larger is stored as it is. */
export const COMPRESSED_BYTES_MAX = 256 * 1024 * 1024;
/** The least gain that is taken: one part in so many. */
const GAIN_PARTS = 16;
const LENGTH_BYTES = 4;

/** Whether it makes sense to try. */
export function isCompressible(byteLength: number): boolean {
  return byteLength >= COMPRESS_BYTES_MIN && byteLength <= COMPRESSED_BYTES_MAX;
}

/** The payload that says how long it was; undefined where it gains too little. */
export function framed(compressed: Buffer, byteLength: number): Buffer | undefined {
  if ((compressed.length + LENGTH_BYTES) * GAIN_PARTS > byteLength * (GAIN_PARTS - 1)) {
    return undefined;
  }
  const payload = Buffer.allocUnsafe(LENGTH_BYTES + compressed.length);
  payload.writeUInt32LE(byteLength, 0);
  payload.set(compressed, LENGTH_BYTES);
  return payload;
}

/** The length that a payload says it had. Throws STORE_CORRUPT for one that nothing here has written. */
export function lengthOf({ name }: Compression, payload: Buffer): number {
  const length = payload.length < LENGTH_BYTES ? 0 : payload.readUInt32LE(0);
  if (length < COMPRESS_BYTES_MIN || length > COMPRESSED_BYTES_MAX) {
    const told = payload.length < LENGTH_BYTES ? 'ends within its length' : `says that it was ${length} bytes`;
    const bounds = `${COMPRESS_BYTES_MIN} to ${COMPRESSED_BYTES_MAX}`;
    throw corrupt(`A stored value, compressed with ${name}, ${told}; it would be ${bounds}`);
  }
  return length;
}

export function unframeSync(compression: Compression, payload: Buffer): Buffer {
  const length = lengthOf(compression, payload);
  let bytes: Buffer;
  try {
    bytes = compression.decompressSync(payload.subarray(LENGTH_BYTES), length);
  } catch (cause) {
    throw damaged(compression, length, cause);
  }
  return whole(compression, length, bytes);
}

/** Off the thread. The payload must not change meanwhile. */
export async function unframe(compression: Compression, payload: Buffer): Promise<Buffer> {
  const length = lengthOf(compression, payload);
  let bytes: Buffer;
  try {
    bytes = await compression.decompress(payload.subarray(LENGTH_BYTES), length);
  } catch (cause) {
    throw damaged(compression, length, cause);
  }
  return whole(compression, length, bytes);
}

function whole(compression: Compression, length: number, bytes: Buffer): Buffer {
  if (bytes.length !== length) {
    throw damaged(compression, length, undefined);
  }
  return bytes;
}

function damaged({ name }: Compression, length: number, cause: unknown): CacheError {
  return corrupt(
    `A stored value, compressed with ${name}, does not give the ${length} bytes that it says it was`,
    cause,
  );
}

function corrupt(what: string, cause?: unknown): CacheError {
  return new CacheError('STORE_CORRUPT', `${what}. Next: delete it, or set it again`, { cause });
}

/** Of a compression that is not there. `next` says what to install, or which Node has it. */
export function missing(name: string, next: string, cause?: unknown): CacheError {
  return new CacheError('MISSING_DEPENDENCY', `The compression '${name}' is not there. Next: ${next}`, { cause });
}
