/**
 * What a client can ask of a shard, and the shapes of the answers.
 *
 * A record's `value` field carries a value only for SET; every other operation leaves it empty.
 */
/** Changes nothing; but the owner takes in the hits that wait in the rings. A withdrawn record becomes one. */
export const OP_NONE = 0;
export const OP_GET = 1;
export const OP_PEEK = 2;
export const OP_HAS = 3;
export const OP_SET = 4;
export const OP_DELETE = 5;
export const OP_CLEAR = 6;
export const OP_SIZE = 7;
export const OP_METRICS = 8;

/** Whether an operation changes what its key reads as, so that this client's next get of the key must queue behind. */
export function isWrite(op: number): boolean {
  return op === OP_SET || op === OP_DELETE || op === OP_CLEAR;
}

/**
 * The one tag with a meaning outside the serializers: the value is a number, eight bytes, a little-endian float64. Every
 * serializer reads it so, because the owner of a shard counts in place.
 */
export const TAG_NUMBER = 6;

/** A value as it left a shard: the codec's tag and its bytes, which alias the reply. */
export interface StoredValue {
  readonly tag: number;
  readonly bytes: Buffer;
}

/** Counts and gauges of one shard, clients included. Counts start at zero with the cache and never fall. */
export interface ShardCounts {
  hits: number;
  misses: number;
  sets: number;
  deletes: number;
  evictions: number;
  expirations: number;
  /** Live entries, expired ones that were not yet swept included. */
  entries: number;
  /** Bytes of live blocks and columns: what `maxBytes` bounds. */
  bytes: number;
  /** Bytes of keys and values alone. */
  payloadBytes: number;
  /** Frames and records that this shard has answered. */
  frames: number;
  calls: number;
  droppedTouches: number;
}
