/** The public surface of shardstash. */

export { CacheError, type CacheErrorCode, type MisuseCode, type Outcome } from '../protocol/errors.ts';
export { type Cache, openCache, type SetOptions } from './cache.ts';
export type { CallOptions } from './call.ts';
export type { CacheMetrics, ShardMetrics } from './metrics.ts';
export type { CacheConfig, CacheOptions } from './options.ts';
