/**
 * `shardstash/filters`: membership filters on their own. A filter answers "is this key in the set?" with "no" or "perhaps",
 * from a few bits a key; "no" is never wrong.
 *
 * `BloomFilter` and `BlockedBloomFilter` grow, `CuckooFilter` forgets, too; `XorFilter` and `BinaryFuseFilter` are made once,
 * from all keys, and are smaller for it. Keys are those of a cache, by value.
 */
export type { CacheKey, CacheKeyPart } from '../../protocol/cache-key.ts';
export { CacheError, type CacheErrorCode, type MisuseCode } from '../../protocol/errors.ts';
export { BinaryFuseFilter } from './binary-fuse.ts';
export { BlockedBloomFilter, BloomFilter } from './bloom.ts';
export { CuckooFilter } from './cuckoo.ts';
export type { FilterOptions, StaticFilterOptions } from './options.ts';
export { XorFilter } from './xor.ts';
