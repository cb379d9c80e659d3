/**
 * How values become bytes: the contract of all serializers. Values are encoded where they are produced and decoded where
 * they are used; a shard never looks into one, except that it counts in numbers (TAG_NUMBER).
 *
 * The promise: a value that is stored comes back equal, or the call that stores it fails with SERIALIZATION_ERROR. It
 * never comes back different, and it is always a copy.
 */
import { describe } from '../../protocol/describe.ts';
import { misuse } from '../../protocol/errors.ts';
import type { Tag } from '../../protocol/value-tags.ts';

/**
 * Encodes one value at a time into memory that it reuses: `tag`, `bytes` and `byteLength` are good until the next call.
 * `bytes` may be the caller's own memory, or a serializer's: copy them before anybody else's code runs.
 */
export interface ValueCodec {
  readonly name: string;
  readonly tag: Tag;
  readonly bytes: Uint8Array;
  readonly byteLength: number;
  /** Throws SERIALIZATION_ERROR when `encode` would. */
  check(value: unknown): void;
  /** Throws SERIALIZATION_ERROR when the value would not come back equal. */
  encode(value: unknown): void;
  /**
   * The value again; it keeps nothing of `bytes`, of which the first `byteLength` are the value's. Throws
   * SERIALIZATION_ERROR when this codec did not write them and can tell.
   */
  decode(tag: Tag, bytes: Buffer, byteLength: number): unknown;
}

/** The error of a codec that is given bytes it never writes. */
export function unknownTag(name: string, tag: Tag): TypeError {
  return misuse('SERIALIZATION_ERROR', `what this version of the serializer '${name}' stores`, `tag ${tag}`);
}

/** What somebody else's code threw at a codec, with the code that callers look for. */
export function failed(what: string, cause: unknown): TypeError {
  if (cause instanceof TypeError && (cause as { code?: unknown }).code === 'SERIALIZATION_ERROR') {
    return cause;
  }
  const why = cause instanceof Error ? cause.message : describe(cause);
  return Object.assign(new TypeError(`${what}: ${why}`, { cause }), { code: 'SERIALIZATION_ERROR' });
}
