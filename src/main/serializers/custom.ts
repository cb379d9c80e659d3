/**
 * A serializer that the user brings. What it takes, and whether a value comes back equal, is its own business; all that is
 * asked of it is bytes, or text when it says `binary: false`.
 *
 * Its bytes are copied into a frame before any other code runs, so it may go on using the memory it returned. What it is
 * given to decode is a copy that it may keep. Every value it encodes has one tag; a number that a shard has counted
 * has TAG_NUMBER and is decoded without it.
 */
import { misuse } from '../../protocol/errors.ts';
import { TAG_CUSTOM, TAG_NUMBER } from '../../protocol/value-tags.ts';
import { decodeNumber, decodeUint8Array } from './bare-values.ts';
import { failed, unknownTag, type ValueCodec } from './codec.ts';

interface Named {
  /** Shown in `cache.config`. Not the name of a built-in serializer. */
  readonly name: string;
  /** Of snapshots that hold its values, without the dot. Default 'snapshot'. With 'json' they are text. */
  readonly extension?: string | undefined;
}

/** Values to bytes, and back. TypeScript infers the parameters when `binary` is written out. */
export interface BinarySerializer extends Named {
  readonly binary?: true | undefined;
  encode(value: unknown): Uint8Array;
  /** The bytes are its own to keep. */
  decode(bytes: Buffer): unknown;
}

/** Values to text, which is stored as UTF-8, and back. */
export interface TextSerializer extends Named {
  readonly binary: false;
  encode(value: unknown): string;
  decode(text: string): unknown;
}

export type Serializer = BinarySerializer | TextSerializer;

export class CustomCodec implements ValueCodec {
  readonly name: string;
  readonly tag = TAG_CUSTOM;
  bytes: Uint8Array = new Uint8Array(0);
  readonly #serializer: Serializer;

  constructor(serializer: Serializer) {
    this.name = serializer.name;
    this.#serializer = serializer;
  }

  get byteLength(): number {
    return this.bytes.length;
  }

  /** There is no other way to know. */
  check(value: unknown): void {
    this.encode(value);
  }

  encode(value: unknown): void {
    let encoded: unknown;
    try {
      encoded = this.#serializer.encode(value);
    } catch (cause) {
      throw failed(`The serializer '${this.name}' cannot encode this value`, cause);
    }
    this.bytes = this.#serializer.binary === false ? this.#bytesOf(encoded) : this.#assertBytes(encoded);
  }

  decode(tag: number, bytes: Buffer, byteLength: number): unknown {
    if (tag === TAG_NUMBER) {
      return decodeNumber(bytes, byteLength);
    }
    if (tag !== TAG_CUSTOM) {
      throw unknownTag(this.name, tag);
    }
    const serializer = this.#serializer;
    try {
      return serializer.binary === false
        ? serializer.decode(bytes.toString('utf8', 0, byteLength))
        : serializer.decode(Buffer.from(decodeUint8Array(bytes, byteLength).buffer));
    } catch (cause) {
      throw failed(`The serializer '${this.name}' cannot decode what it stored`, cause);
    }
  }

  /** UTF-8 has no bytes for half a surrogate pair: such text would come back as other text. */
  #bytesOf(text: unknown): Uint8Array {
    if (typeof text !== 'string' || !text.isWellFormed()) {
      throw misuse(
        'SERIALIZATION_ERROR',
        `the serializer '${this.name}' (\`binary: false\`) to encode to a well-formed string`,
        text,
      );
    }
    return Buffer.from(text);
  }

  #assertBytes(bytes: unknown): Uint8Array {
    if (!(bytes instanceof Uint8Array)) {
      throw misuse(
        'SERIALIZATION_ERROR',
        `the serializer '${this.name}' to encode to a Uint8Array or Buffer (to a string with \`binary: false\`)`,
        bytes,
      );
    }
    return bytes;
  }
}
