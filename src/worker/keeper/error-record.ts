/** An error of an engine as it crosses to another thread: code and words. */
import { describeThrown } from '../../protocol/describe.ts';
import type { CacheErrorCode, ErrorRecord } from '../../protocol/errors.ts';

/** What has no code is the engine's fault, whatever it was. */
export function errorRecordOf(error: unknown): ErrorRecord {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return {
    code: typeof code === 'string' ? (code as CacheErrorCode) : 'ENGINE_ERROR',
    message: typeof code === 'string' && typeof message === 'string' ? message : describeThrown(error),
  };
}
