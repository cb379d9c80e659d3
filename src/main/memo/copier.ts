/**
 * A copy of a value as a cache would give it: what it encodes, decoded. Strings, numbers and the like are their own copies. The codec of
 * `shardstash/codec` would do it, too, but seals what it encodes, which takes as long as all the rest.
 */
import { createCodec, isSerializerName } from '../serializers/index.ts';

/** Throws SERIALIZATION_ERROR for what cannot be encoded. */
export type Copier = (value: unknown) => unknown;

/** Of a cache with such a serializer; undefined where it is somebody's own. */
export function copierOf(serializer: unknown): Copier | undefined {
  if (typeof serializer !== 'string' || !isSerializerName(serializer)) {
    return undefined;
  }
  const codec = createCodec(serializer);
  return (value) => {
    if (isCopy(value)) {
      return value;
    }
    codec.encode(value);
    const { tag, byteLength } = codec;
    // Decoding may run code that encodes something else.
    return codec.decode(tag, Buffer.from(codec.bytes.subarray(0, byteLength)), byteLength);
  };
}

/** Whether a value is its own copy. */
export function isCopy(value: unknown): boolean {
  switch (typeof value) {
    case 'object':
      return value === null;
    case 'function':
    case 'symbol':
      return false;
    default:
      return true;
  }
}
