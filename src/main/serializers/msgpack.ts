/**
 * The default serializer: msgpack, with a promise that msgpack alone does not make. Structures that msgpack carries
 * faithfully go through msgpackr. Those within the allow-list that it would bend (-0, Set, Map, RegExp, Error, typed
 * arrays, holes, large bigints, ill-formed strings, `__proto__` keys) go through V8's structured serializer.
 */
import { Packr } from 'msgpackr';
import { TAG_MSGPACK, TAG_STRUCTURED, TAG_STRUCTURED_WITH_ERRORS, type Tag } from '../../protocol/value-tags.ts';
import { isPlain } from './allow-list.ts';
import { BareCodec } from './bare-values.ts';
import { unknownTag } from './codec.ts';
import { decodeStructured, encodeStructured } from './structured.ts';

export class MsgpackCodec extends BareCodec {
  readonly name = 'msgpack';
  readonly #packr = new Packr({ useRecords: false, moreTypes: true, copyBuffers: true });

  protected override checkRest(value: unknown): void {
    isPlain(value);
  }

  protected override encodeRest(value: unknown): void {
    if (isPlain(value)) {
      const packed = this.#packr.pack(value);
      return this.take(TAG_MSGPACK, packed, packed.length);
    }
    const { tag, bytes } = encodeStructured(value);
    this.take(tag, bytes, bytes.length);
  }

  protected override decodeRest(tag: Tag, bytes: Buffer, byteLength: number): unknown {
    switch (tag) {
      case TAG_MSGPACK:
        return this.#packr.unpack(bytes, byteLength);
      case TAG_STRUCTURED:
      case TAG_STRUCTURED_WITH_ERRORS:
        return decodeStructured(tag, bytes, byteLength);
      default:
        throw unknownTag(this.name, tag);
    }
  }
}
