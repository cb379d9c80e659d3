/** `shardstash/store`: stores that need no worker and no cache. */

export type { CacheKey } from '../../protocol/cache-key.ts';
export type { Answer, Engine, EngineFacts, EngineKind, ManifestPlace, Place } from '../../protocol/engines/engine.ts';
export { CacheError, type CacheErrorCode, type MisuseCode, type StoreErrorCode } from '../../protocol/errors.ts';
export type { Files } from '../../protocol/files.ts';
export { type EngineModule, type EngineName, registerEngine } from '../engines/engine-registry.ts';
export { type Compacted, compactStore } from './compact.ts';
export { type Converted, type ConvertOptions, convertStore } from './convert.ts';
export type { StoreSetOptions } from './deadline.ts';
export { type InspectedEntry, type Inspection, type InspectOptions, inspectStore } from './inspect.ts';
export { openStore, openStoreAt } from './open.ts';
export type { StoreAtOptions, StoreOptions } from './options.ts';
export { type ProfileOptions, profile } from './profile.ts';
export type { Profile, ProfileOperation, ProfileRow } from './profile-table.ts';
export type { Row } from './rows.ts';
export { type LoadedStore, type SavedStore, snapshotToStore, storeToSnapshot } from './snapshots.ts';
export type { Store, StoreConfig, StoreFacts, Version } from './store.ts';
export type { PlaceOptions } from './store-at.ts';
export { verifyStore } from './verify.ts';
