/** An error of an engine as it crosses to another thread: code and words. */
import { describeThrown } from '../../protocol/describe.ts';
import { isTyped } from '../../protocol/engines/faults.ts';
import type { CacheErrorCode, ErrorRecord } from '../../protocol/errors.ts';

/** What has no code of ours is the engine's fault, whatever it was. */
export function errorRecordOf(error: unknown): ErrorRecord {
  return isTyped(error)
    ? { code: error.code as CacheErrorCode, message: error.message }
    : { code: 'ENGINE_ERROR', message: describeThrown(error) };
}
