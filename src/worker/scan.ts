/**
 * Walks a table that grows while it is walked: buckets in the order of their numbers with the bits reversed (as Redis
 * scans its tables). A bucket then holds the hashes of one interval of reversed numbers, and splitting it cuts the interval
 * in two. A walk that stands at the border of an interval stands at the border of one ever after, so it meets each key
 * at most once, and exactly once if the key stays.
 *
 *     buckets 4          0         2         1         3          bucket 0 is split:
 *     buckets 5        0   4       2         1         3
 *     reversed      0 ------- 2^30 ---- 2^31 ---------------- 2^32
 */
import { BLOCK_NEXT, bucketOf, HEADER_BUCKETS, type ShardMemory } from '../protocol/memory.ts';
import { SCAN_END } from '../protocol/operations.ts';

/** Buckets that one page may look into: a table that has shed its entries is mostly empty. */
export const BUCKETS_MAX = 65_536;

/**
 * Hands the blocks of whole buckets to `visit`, from the cursor on, while `visit` answers that there is room for more, and
 * returns the next cursor. A bucket is never cut.
 */
export function scan(memory: ShardMemory, cursor: number, visit: (block: number) => boolean): number {
  const { heads, words, header } = memory;
  const buckets = header[HEADER_BUCKETS] as number;
  let at = cursor;
  let goesOn = true;
  for (let i = 0; i < BUCKETS_MAX && goesOn && at < SCAN_END; i++) {
    const bucket = bucketOf(reversed(at), buckets);
    for (let block = heads[bucket << 1] as number; block !== 0; block = words[block + BLOCK_NEXT] as number) {
      goesOn = visit(block);
    }
    at += 2 ** (32 - bitsOf(bucket, buckets));
  }
  return at;
}

/** How many low bits of a hash decide that it belongs into this bucket. */
function bitsOf(bucket: number, buckets: number): number {
  const bits = 31 - Math.clz32(buckets);
  const top = 1 << bits;
  return bucket >= top || bucket + top < buckets ? bits + 1 : bits;
}

function reversed(position: number): number {
  let bits = position | 0;
  bits = ((bits >>> 1) & 0x5555_5555) | ((bits & 0x5555_5555) << 1);
  bits = ((bits >>> 2) & 0x3333_3333) | ((bits & 0x3333_3333) << 2);
  bits = ((bits >>> 4) & 0x0f0f_0f0f) | ((bits & 0x0f0f_0f0f) << 4);
  bits = ((bits >>> 8) & 0x00ff_00ff) | ((bits & 0x00ff_00ff) << 8);
  return (bits >>> 16) | (bits << 16);
}
