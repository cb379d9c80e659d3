/**
 * `shardstash/codec`: how values become bytes, on its own. `createCodec` makes bytes or text of any value that a cache takes,
 * and the value again; `hashBytes` is a digest of bytes, `hashValue` one of a value by its content.
 */
export type { CompressionName, CompressionOption } from '../../protocol/compression/index.ts';
export { CacheError, type CacheErrorCode, type MisuseCode } from '../../protocol/errors.ts';
export type {
  BinarySerializer,
  Serializer,
  SerializerModule,
  SerializerName,
  TextSerializer,
} from '../serializers/index.ts';
export { type Codec, type CodecOptions, createCodec, type OpenCodecOptions, openCodec } from './codec.ts';
export { hashBytes } from './hash-bytes.ts';
export { hashValue } from './hash-value.ts';
