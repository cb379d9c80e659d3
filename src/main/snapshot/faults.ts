/** The errors of saving and loading, as callers meet them: with the path that they gave, and with what stood in the way. */
import { CacheError, type CacheErrorCode } from '../../protocol/errors.ts';
import { diskError } from '../../protocol/snapshot/faults.ts';

export type FileErrorCode = 'CACHE_SAVE_ERROR' | 'CACHE_LOAD_ERROR' | 'CACHE_METRICS_SAVE_ERROR';

const DOING: Readonly<Record<FileErrorCode, string>> = {
  CACHE_SAVE_ERROR: 'save the cache',
  CACHE_LOAD_ERROR: 'load the cache',
  CACHE_METRICS_SAVE_ERROR: 'save the metrics',
};

/** What stopped a call. What has another code of ours lies with the cache, not with the file, and stays as it is. */
export function fileError(code: FileErrorCode, path: string, cause: unknown): unknown {
  // What an owner says of the file has no path with it.
  return cause instanceof CacheError && cause.path === undefined
    ? aboutFile(code, path, '', cause)
    : diskError(code, DOING[code], path, cause);
}

/** An error about a temporary file, which nobody knows, in terms of the file that was meant. */
export function aboutFile(code: CacheErrorCode, path: string, temporary: string, error: unknown): unknown {
  if (!(error instanceof CacheError && error.code === code)) {
    return error;
  }
  const { message, cause, shard } = error;
  return new CacheError(code, temporary === '' ? message : message.replaceAll(temporary, path), { path, shard, cause });
}
