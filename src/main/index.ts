/** The public surface of shardstash. */

export type { CacheKey, CacheKeyPart } from '../protocol/cache-key.ts';
export { CacheError, type CacheErrorCode, type MisuseCode, type Outcome } from '../protocol/errors.ts';
export type {
  EvictionPolicy,
  HitMode,
  PolicyContext,
  PolicyFactory,
  PolicyOptions,
  RemovalCause,
  SlotOrder,
} from '../protocol/policy.ts';
export type {
  CacheAdvice,
  HotKey,
  PolicyPrediction,
  Prediction,
  ShardLoad,
  SizePrediction,
} from './advice.ts';
export { type AttachOptions, attachCache } from './attach.ts';
export { type Cache, type Lookup, openCache } from './cache.ts';
export type { CallOptions } from './call.ts';
export type { TaskModule } from './compute.ts';
export type { ComputeOptions, IncrementOptions, SetOptions, TaskOptions, UpdateOptions } from './entry-options.ts';
export type { CacheEventName, CacheEvents, CacheListener } from './events.ts';
export {
  type EvictionConfig,
  type EvictionModule,
  type EvictionName,
  type EvictionOption,
  type NamedEviction,
  registerEvictionPolicy,
} from './eviction.ts';
export type { Factory, FactoryContext } from './flights.ts';
export type { CacheHandle } from './handle.ts';
export type { CacheMetrics, ShardMetrics } from './metrics.ts';
export type { NearCacheConfig, NearCacheOptions } from './near-options.ts';
export type { CacheLogger } from './notices.ts';
export type { AdviseConfig, CacheConfig, CacheOptions, ComputeConfig, FilterConfig } from './options.ts';
export type { ScanOptions } from './pages.ts';
export type { PluginModule, ResolvedModule } from './plugin.ts';
export type { BinarySerializer, Serializer, SerializerModule, TextSerializer } from './serializers/index.ts';
export type { SnapshotMetrics } from './snapshot/counts.ts';
export type { SavedMetrics } from './snapshot/metrics-file.ts';
export type {
  LoadedSnapshot,
  LoadOptions,
  SavedSnapshot,
  SaveMetricsOptions,
  SaveOptions,
} from './snapshot/requests.ts';
export type {
  AutosaveConfig,
  AutosaveOptions,
  MetricsFormat,
  MetricsStorageConfig,
  MetricsStorageOptions,
  StorageConfig,
  StorageOptions,
} from './snapshot/storage-options.ts';
export type { TierMetrics } from './tier/metrics.ts';
export type { TierConfig, TierOptions } from './tier/options.ts';
