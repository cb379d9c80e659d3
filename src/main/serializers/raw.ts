/** Bytes and nothing else, stored as they are: for values that somebody has encoded already. */
import { misuse } from '../../protocol/errors.ts';
import { TAG_BUFFER, TAG_NUMBER, TAG_UINT8_ARRAY, type Tag } from '../../protocol/value-tags.ts';
import { bytesTagOf, decodeBuffer, decodeNumber, decodeUint8Array } from './bare-values.ts';
import { unknownTag, type ValueCodec } from './codec.ts';

const NOTHING = new Uint8Array(0);

export class RawCodec implements ValueCodec {
  readonly name = 'raw';
  tag: Tag = TAG_BUFFER;
  bytes: Uint8Array = NOTHING;

  get byteLength(): number {
    return this.bytes.length;
  }

  check(value: unknown): void {
    if (bytesTagOf(value) === undefined) {
      throw misuse(
        'SERIALIZATION_ERROR',
        "a Buffer or Uint8Array, which the serializer 'raw' stores as it is ('msgpack', 'json' and 'v8' take other data)",
        value,
      );
    }
  }

  encode(value: unknown): void {
    this.check(value);
    this.tag = bytesTagOf(value) as Tag;
    this.bytes = value as Uint8Array;
  }

  decode(tag: Tag, bytes: Buffer, byteLength: number): unknown {
    switch (tag) {
      case TAG_BUFFER:
        return decodeBuffer(bytes, byteLength);
      case TAG_UINT8_ARRAY:
        return decodeUint8Array(bytes, byteLength);
      case TAG_NUMBER:
        // What a counter has become in the shard.
        return decodeNumber(bytes, byteLength);
      default:
        throw unknownTag(this.name, tag);
    }
  }
}
