/**
 * V8's structured serializer for every structure. Against msgpack: larger and slower for small objects, faster for Maps,
 * Sets and typed arrays; and its bytes are only for processes with the same major version of Node.
 */
import { isPlain } from './allow-list.ts';
import { BareCodec } from './bare-values.ts';
import { TAG_STRUCTURED, TAG_STRUCTURED_WITH_ERRORS, type Tag, unknownTag } from './codec.ts';
import { decodeStructured, encodeStructured } from './structured.ts';

export class V8Codec extends BareCodec {
  readonly name = 'v8';

  protected override checkRest(value: unknown): void {
    isPlain(value);
  }

  protected override encodeRest(value: unknown): void {
    this.checkRest(value);
    const { tag, bytes } = encodeStructured(value);
    this.take(tag, bytes, bytes.length);
  }

  protected override decodeRest(tag: Tag, bytes: Buffer, byteLength: number): unknown {
    if (tag !== TAG_STRUCTURED && tag !== TAG_STRUCTURED_WITH_ERRORS) {
      throw unknownTag(this.name, tag);
    }
    return decodeStructured(tag, bytes, byteLength);
  }
}
