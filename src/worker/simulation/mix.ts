/**
 * Numbers of keys as hashes of keys: Murmur's finalizer (Austin Appleby, public domain), which is a bijection of 32-bit
 * words. Two keys of a simulation never share a hash, so a hash is as good as the key, and the way back is open.
 */

export function mixed(id: number): number {
  let hash = id | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}

/** The way back: the multipliers are the inverses modulo 2^32. */
export function unmixed(hash: number): number {
  let id = Math.imul(hash ^ (hash >>> 16), 0x7ed1_b41d);
  id = Math.imul(id ^ (id >>> 13) ^ (id >>> 26), 0xa5cb_9243);
  return id ^ (id >>> 16);
}

/**
 * The shard of a key. Other steps than `mixed` (Chris Wellons' lowbias32), so that the hashes within a shard are spread
 * over all words, as in the cache, where the two come from different halves of a hash.
 */
export function shardOf(id: number, shards: number): number {
  let word = id | 0;
  word = Math.imul(word ^ (word >>> 16), 0x21f0_aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a_2d97);
  word ^= word >>> 15;
  return Math.floor(((word >>> 0) / 2 ** 32) * shards);
}
