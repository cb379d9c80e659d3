/**
 * JSON text, for values that other programs read, too. What JSON carries faithfully is plain JSON; the rest of the
 * allow-list is written with the tags of json-tags.ts, and the codec's own tag says which of the two it is, so that plain
 * text is parsed and nothing more.
 */

import { describe } from '../../protocol/describe.ts';
import { misuse } from '../../protocol/errors.ts';
import { TAG_JSON, TAG_TAGGED_JSON, type Tag } from '../../protocol/value-tags.ts';
import { BareCodec } from './bare-values.ts';
import { unknownTag } from './codec.ts';
import { tagged, untagged } from './json-tags.ts';

export class JsonCodec extends BareCodec {
  readonly name = 'json';

  protected override checkRest(value: unknown): void {
    tagged(value);
  }

  protected override encodeRest(value: unknown): void {
    const json = tagged(value);
    this.takeText(json === value ? TAG_JSON : TAG_TAGGED_JSON, JSON.stringify(json));
  }

  protected override decodeRest(tag: Tag, bytes: Buffer, byteLength: number): unknown {
    switch (tag) {
      case TAG_JSON:
        return JSON.parse(bytes.toString('utf8', 0, byteLength));
      case TAG_TAGGED_JSON:
        return untagged(JSON.parse(bytes.toString('utf8', 0, byteLength)));
      default:
        throw unknownTag(this.name, tag);
    }
  }
}

/**
 * The same bytes, for nothing but what `JSON.parse(JSON.stringify(value))` brings back: what would need a tag is refused, and so
 * are bytes. It reads what the other has written.
 */
export class StrictJsonCodec extends JsonCodec {
  override check(value: unknown): void {
    super.check(value);
    if (tagged(value) !== value) {
      const expected = 'a value that plain JSON brings back equal (without `strict`, the serializer tags it)';
      throw misuse('SERIALIZATION_ERROR', expected, value, { value: describe(value) });
    }
  }

  override encode(value: unknown): void {
    this.check(value);
    super.encode(value);
  }
}
