/** `shardstash/snapshot`: snapshots without a cache, to look at, to check, to convert and to read. */

export type { CacheKey } from '../../protocol/cache-key.ts';
export { CacheError, type CacheErrorCode, type MisuseCode } from '../../protocol/errors.ts';
export { type ConvertedSnapshot, type ConvertSnapshotOptions, convertSnapshot } from './convert.ts';
export { inspectSnapshot, type SnapshotInspection, type SnapshotInspectOptions } from './inspect.ts';
export { type ReadEntry, readSnapshot } from './read.ts';
export { isSnapshot, type SnapshotFormat, type SnapshotPlaceOptions } from './snapshot-at.ts';
export { verifySnapshot } from './verify.ts';
