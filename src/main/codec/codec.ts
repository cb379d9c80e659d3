/**
 * A codec on its own: any value to bytes, or to text, and back. The bytes are a sealed record (protocol/record.ts), with its
 * checksum and a note of how it was made, so every codec with the same serializer reads them, and damage is an error.
 *
 *     createCodec({ ... })         at once, for everything but a serializer in a module
 *     await openCodec({ ... })     for that, too
 */
import { constants } from 'node:buffer';
import type { CompressionName, CompressionOption } from '../../protocol/compression/index.ts';
import { CacheError, misuse } from '../../protocol/errors.ts';
import { loadSerializer, type Serializer, type SerializerModule, type SerializerName } from '../serializers/index.ts';
import { type EncodingOptions, type ResolvedEncoding, recordCodecOf, resolveEncoding } from './encoding.ts';
import { assertOptions } from './known-options.ts';
import type { RecordCodec } from './record-codec.ts';

export interface CodecOptions {
  /** 'msgpack' (default), 'json', 'v8', 'raw', or one of your own. */
  serializer?: SerializerName | Serializer | undefined;
  /**
   * 'zlib' (which is what `true` means), 'gzip', 'brotli', 'deflate-raw', 'zstd' (Node 22.15 and later) or 'lz4' (with the
   * package `lz4-napi`). Default false. A value that gains less than a sixteenth is left as it is.
   */
  compression?: CompressionOption | undefined;
  /** Whether `encode` makes text, a third longer than the bytes. Default false. */
  base64?: boolean | undefined;
  /** With 'json': refuses what plain JSON does not carry, instead of tagging it. Default false. */
  strict?: boolean | undefined;
}

export interface OpenCodecOptions extends Omit<CodecOptions, 'serializer'> {
  /** The same, or a module that exports one. */
  serializer?: SerializerName | Serializer | SerializerModule | undefined;
}

export interface Codec<Encoded extends Uint8Array | string = Uint8Array> {
  /** The name of the serializer. */
  readonly serializer: string;
  readonly compression: CompressionName | false;
  readonly base64: boolean;
  /** Throws SERIALIZATION_ERROR for a value that would not come back equal, VALUE_TOO_LARGE for more than 900 MiB. */
  encode(value: unknown): Encoded;
  /**
   * A copy of the value, from what any codec with the same serializer made: bytes or text, compressed or not. Throws
   * STORE_CORRUPT for damage, STORE_FOREIGN for what another version made, MISSING_DEPENDENCY for a compression
   * that is not there, SERIALIZATION_ERROR for another serializer's.
   */
  decode(encoded: Uint8Array | string): unknown;
}

/**
 * ```ts
 * const codec = createCodec({ compression: 'brotli' });
 * const bytes = codec.encode({ at: new Date(), seen: new Set([1, 2]) });
 * codec.decode(bytes);
 * ```
 * Throws INVALID_CONFIG, UNKNOWN_PLUGIN with the names there are, DUPLICATE_PLUGIN, or MISSING_DEPENDENCY.
 */
export function createCodec(options: CodecOptions & { base64: true }): Codec<string>;
export function createCodec(options?: CodecOptions & { base64?: false | undefined }): Codec;
export function createCodec(options?: CodecOptions): Codec<Uint8Array | string>;
export function createCodec(options: CodecOptions = {}): Codec<Uint8Array | string> {
  const encoding = resolved(options);
  const { serializer } = encoding;
  if (typeof serializer === 'object' && 'module' in serializer) {
    const expected = '`serializer` to be a name or an object with `encode` and `decode` (`openCodec` loads modules)';
    throw misuse('INVALID_CONFIG', expected, options.serializer, { option: 'serializer' });
  }
  return codecOf(encoding, serializer);
}

/** As `createCodec`, and loads a serializer that is in a module. Rejects where `createCodec` throws. */
export function openCodec(options: OpenCodecOptions & { base64: true }): Promise<Codec<string>>;
export function openCodec(options?: OpenCodecOptions & { base64?: false | undefined }): Promise<Codec>;
export function openCodec(options?: OpenCodecOptions): Promise<Codec<Uint8Array | string>>;
export async function openCodec(options: OpenCodecOptions = {}): Promise<Codec<Uint8Array | string>> {
  const encoding = resolved(options);
  return codecOf(encoding, await loadSerializer(encoding.serializer));
}

const KNOWN = ['serializer', 'compression', 'base64', 'strict'];
const FOR_EVER = Number.POSITIVE_INFINITY;
/** No string is longer. */
const TEXT_BYTES_MAX = Math.floor(constants.MAX_STRING_LENGTH / 4) * 3;

function resolved(options: EncodingOptions): ResolvedEncoding {
  assertOptions(options, KNOWN);
  return resolveEncoding(options);
}

/** Text is the whole record in base64: to write its payload in base64 as well would make it longer twice. */
function codecOf(encoding: ResolvedEncoding, serializer: SerializerName | Serializer): Codec<Uint8Array | string> {
  const { compression, base64 } = encoding;
  const records = recordCodecOf({ ...encoding, base64: false }, serializer);
  return Object.freeze({
    serializer: records.serializerName,
    compression,
    base64,
    encode: base64
      ? (value: unknown) => textOf(records.encodeSync(value, FOR_EVER))
      : (value: unknown) => records.encodeSync(value, FOR_EVER),
    decode: (encoded: Uint8Array | string) => decoded(records, encoded),
  });
}

function textOf(record: Buffer): string {
  if (record.length > TEXT_BYTES_MAX) {
    const message = `A value of ${record.length} bytes is too long for text, which takes ${TEXT_BYTES_MAX}. Next: encode it without \`base64\``;
    throw new CacheError('VALUE_TOO_LARGE', message);
  }
  return record.toString('base64');
}

function decoded(records: RecordCodec, encoded: unknown): unknown {
  if (typeof encoded === 'string') {
    return records.decodeSync(Buffer.from(encoded, 'base64'));
  }
  if (!(encoded instanceof Uint8Array)) {
    throw misuse('SERIALIZATION_ERROR', 'bytes or text that a codec has made', encoded);
  }
  return records.decodeSync(encoded);
}
