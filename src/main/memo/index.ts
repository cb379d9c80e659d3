/** `shardstash/memo`: functions that remember what they have returned, in memory and on disk. */

export { CacheError, type CacheErrorCode, type MisuseCode } from '../../protocol/errors.ts';
export type { LogTo, MemoLogOptions } from './call-log.ts';
export { type MemoizedOptions, memoized } from './decorator.ts';
export type { KeyedArgsOptions } from './keyed-args.ts';
export {
  type InspectedResult,
  inspectMemo,
  isMemoFile,
  type MemoInspection,
  type MemoInspectOptions,
  verifyMemo,
} from './looks.ts';
export type { FileOptions, MemoCallOptions, MemoOptions, MemoSyncOptions } from './memo-options.ts';
export type { MemoStore, RawResult } from './memo-store.ts';
export { type MemoizedFn, type MemoMethods, memoize, openMemo } from './memoize.ts';
export { type MemoizedSyncFn, type MemoSyncMethods, memoizeSync } from './memoize-sync.ts';
export type { MemoStatus } from './missed-call.ts';
export { type CompactOptions, compact, type Rewritten, type UpgradeOptions, upgrade } from './rewrites.ts';
export type { AnyFunction } from './work.ts';
