/**
 * Values to sealed records and back: what stores and `shardstash/codec` have in common.
 *
 *     value  --serializer-->  tag, bytes  --sealing.ts-->  record
 *
 * A record says itself how it was made, so any codec with the same serializer reads it, whatever its own compression.
 */
import type { Compression } from '../../protocol/compression/index.ts';
import { Sealing, unseal, unsealSync } from '../../protocol/sealing.ts';
import { createCodec, type Serializer, type SerializerName, type ValueCodec } from '../serializers/index.ts';

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
  readonly #sealing: Sealing;

  constructor({ serializer, compression, base64, strict = false }: RecordEncoding) {
    this.#values = createCodec(serializer, { strict });
    this.#sealing = new Sealing({ compression, base64 });
    this.serializerName = this.#values.name;
    this.compressionName = compression?.name ?? false;
    this.base64 = base64;
  }

  /** A promise only where a large value is compressed off the thread. Throws SERIALIZATION_ERROR or VALUE_TOO_LARGE, or rejects. */
  encode(value: unknown, expiresAtMs: number): Buffer | Promise<Buffer> {
    this.#values.encode(value);
    return this.#sealing.seal(this.#values, { expiresAtMs });
  }

  encodeSync(value: unknown, expiresAtMs: number): Buffer {
    this.#values.encode(value);
    return this.#sealing.sealSync(this.#values, { expiresAtMs });
  }

  /**
   * The value, or a promise of it where much is decompressed. Nothing is kept of the bytes after the call. Throws or rejects
   * with STORE_CORRUPT, STORE_FOREIGN, MISSING_DEPENDENCY, or SERIALIZATION_ERROR where another serializer wrote it.
   */
  decode(record: Uint8Array): unknown {
    const opened = unseal(record);
    return opened instanceof Promise
      ? opened.then(({ tag, bytes }) => this.#values.decode(tag, bytes, bytes.length))
      : this.#values.decode(opened.tag, opened.bytes, opened.bytes.length);
  }

  decodeSync(record: Uint8Array): unknown {
    const { tag, bytes } = unsealSync(record);
    return this.#values.decode(tag, bytes, bytes.length);
  }
}
