/**
 * Values to sealed records and back: what stores, tiers and `shardstash/codec` have in common.
 *
 *     value  --serializer-->  tag, bytes  --compression?-->  --base64?-->  payload  --seal-->  record
 *
 * A record says itself how it was made, so any codec with the same serializer reads it, whatever its own compression. What
 * takes more than a millisecond to compress goes to Node's thread pool, at most OFF_THREAD_MAX values of all codecs at a
 * time: each holds a copy. What comes beyond is done at once and holds up the thread, which is what slows down its callers.
 */
import {
  type Compression,
  compressionOfId,
  framed,
  isCompressible,
  lengthOf,
  unframe,
  unframeSync,
} from '../../protocol/compression/index.ts';
import { CacheError } from '../../protocol/errors.ts';
import { openRecord, sealRecord } from '../../protocol/record.ts';
import type { Tag } from '../../protocol/value-tags.ts';
import { createCodec, type Serializer, type SerializerName, type ValueCodec } from '../serializers/index.ts';

const OFF_THREAD_MAX = 16;
/** Whole groups of three bytes, which are four characters. */
const BASE64_STEP_BYTES = 3 * 2 ** 20;
const BASE64_STEP_CHARACTERS = 4 * 2 ** 20;
let offThread = 0;

export interface RecordEncoding {
  readonly serializer: SerializerName | Serializer;
  /** Loaded. */
  readonly compression: Compression | undefined;
  /** Whether payloads are written as text. */
  readonly base64: boolean;
  /** With 'json': refuses what plain JSON does not carry. Default false. */
  readonly strict?: boolean;
}

export class RecordCodec {
  readonly serializerName: string;
  readonly compressionName: string | false;
  readonly base64: boolean;
  readonly #values: ValueCodec;
  readonly #compression: Compression | undefined;

  constructor({ serializer, compression, base64, strict = false }: RecordEncoding) {
    this.#values = createCodec(serializer, { strict });
    this.#compression = compression;
    this.serializerName = this.#values.name;
    this.compressionName = compression?.name ?? false;
    this.base64 = base64;
  }

  /** A promise only where a large value is compressed off the thread. Throws SERIALIZATION_ERROR or VALUE_TOO_LARGE, or rejects. */
  encode(value: unknown, expiresAtMs: number): Buffer | Promise<Buffer> {
    const values = this.#values;
    values.encode(value);
    const compression = this.#compression;
    if (
      compression !== undefined &&
      values.byteLength >= compression.compressLongBytes &&
      isCompressible(values.byteLength) &&
      offThread < OFF_THREAD_MAX
    ) {
      const bytes = Buffer.from(values.bytes.subarray(0, values.byteLength));
      return this.#sealOffThread(compression, values.tag, bytes, expiresAtMs);
    }
    return this.#sealNow(values, expiresAtMs);
  }

  encodeSync(value: unknown, expiresAtMs: number): Buffer {
    this.#values.encode(value);
    return this.#sealNow(this.#values, expiresAtMs);
  }

  /**
   * The value, or a promise of it where much is decompressed. Nothing is kept of the bytes after the call. Throws or rejects
   * with STORE_CORRUPT, STORE_FOREIGN, MISSING_DEPENDENCY, or SERIALIZATION_ERROR where another serializer wrote it.
   */
  decode(record: Uint8Array): unknown {
    const { tag, compression: id, base64, payload } = openRecord(record);
    if (id === 0) {
      return this.#value(tag, base64 ? fromBase64(payload) : payload);
    }
    const compression = compressionOfId(id);
    const bytes = base64 ? fromBase64(payload) : payload;
    if (lengthOf(compression, bytes) < compression.decompressLongBytes || offThread >= OFF_THREAD_MAX) {
      return this.#value(tag, unframeSync(compression, bytes));
    }
    return this.#decodeOffThread(compression, tag, base64 ? bytes : Buffer.from(bytes));
  }

  decodeSync(record: Uint8Array): unknown {
    const { tag, compression: id, base64, payload } = openRecord(record);
    const bytes = base64 ? fromBase64(payload) : payload;
    return this.#value(tag, id === 0 ? bytes : unframeSync(compressionOfId(id), bytes));
  }

  #value(tag: Tag, bytes: Buffer): unknown {
    return this.#values.decode(tag, bytes, bytes.length);
  }

  #sealNow({ tag, bytes, byteLength }: ValueCodec, expiresAtMs: number): Buffer {
    const compression = this.#compression;
    if (compression === undefined || !isCompressible(byteLength)) {
      return this.#seal(tag, 0, bytes, byteLength, expiresAtMs);
    }
    const plain = byteLength === bytes.length ? bytes : bytes.subarray(0, byteLength);
    let compressed: Buffer;
    try {
      compressed = compression.compressSync(plain);
    } catch (cause) {
      throw notCompressed(compression, cause);
    }
    return this.#sealSmaller(compression, tag, plain, compressed, expiresAtMs);
  }

  async #sealOffThread(compression: Compression, tag: Tag, bytes: Buffer, expiresAtMs: number): Promise<Buffer> {
    offThread++;
    let compressed: Buffer;
    try {
      compressed = await compression.compress(bytes);
    } catch (cause) {
      throw notCompressed(compression, cause);
    } finally {
      offThread--;
    }
    return this.#sealSmaller(compression, tag, bytes, compressed, expiresAtMs);
  }

  async #decodeOffThread(compression: Compression, tag: Tag, payload: Buffer): Promise<unknown> {
    offThread++;
    let bytes: Buffer;
    try {
      bytes = await unframe(compression, payload);
    } finally {
      offThread--;
    }
    return this.#value(tag, bytes);
  }

  #sealSmaller(compression: Compression, tag: Tag, plain: Uint8Array, made: Buffer, expiresAtMs: number): Buffer {
    const smaller = framed(made, plain.length);
    return smaller === undefined
      ? this.#seal(tag, 0, plain, plain.length, expiresAtMs)
      : this.#seal(tag, compression.id, smaller, smaller.length, expiresAtMs);
  }

  #seal(tag: Tag, compression: number, bytes: Uint8Array, byteLength: number, expiresAtMs: number): Buffer {
    const head = { tag, compression, base64: this.base64, expiresAtMs };
    return this.base64 ? sealRecord(head, inBase64(bytes, byteLength)) : sealRecord(head, bytes, byteLength);
  }
}

/** In steps: no string holds 512 MiB. */
function inBase64(bytes: Uint8Array, byteLength: number): Buffer {
  const plain = Buffer.from(bytes.buffer, bytes.byteOffset, byteLength);
  const text = Buffer.allocUnsafe(Math.ceil(byteLength / 3) * 4);
  let written = 0;
  for (let at = 0; at < byteLength; at += BASE64_STEP_BYTES) {
    written += text.write(plain.toString('base64', at, at + BASE64_STEP_BYTES), written, 'latin1');
  }
  return text;
}

function fromBase64(payload: Buffer): Buffer {
  const plain = Buffer.allocUnsafe(Math.ceil(payload.length / 4) * 3);
  let written = 0;
  for (let at = 0; at < payload.length; at += BASE64_STEP_CHARACTERS) {
    written += plain.write(payload.toString('latin1', at, at + BASE64_STEP_CHARACTERS), written, 'base64');
  }
  return plain.subarray(0, written);
}

function notCompressed({ name }: Compression, cause: unknown): CacheError {
  const message = `Cannot compress a value with ${name}. Next: see the cause; \`compression: false\` stores it as it is`;
  return new CacheError('ENGINE_ERROR', message, { cause });
}
