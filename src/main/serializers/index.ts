/**
 * How values become bytes: the contract. Values are encoded where they are produced and decoded where they are used;
 * a shard never looks into one.
 */

/** A tag from 0 to 127 that a codec gives each of its encodings; it is stored beside the bytes. */
export type Tag = number;

/**
 * Encodes one value at a time into memory that it reuses: `tag`, `bytes` and `byteLength` are good until the next call.
 */
export interface ValueCodec {
  readonly tag: Tag;
  readonly bytes: Uint8Array;
  readonly byteLength: number;
  /** Throws SERIALIZATION_ERROR when `encode` would. */
  check(value: unknown): void;
  /** Throws SERIALIZATION_ERROR when the value would not come back equal. */
  encode(value: unknown): void;
  /** The value again; it keeps nothing of `bytes`, of which the first `byteLength` are the value's. */
  decode(tag: Tag, bytes: Buffer, byteLength: number): unknown;
}
