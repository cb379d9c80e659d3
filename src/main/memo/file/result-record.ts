/**
 * A result as a memo file keeps it: one sealed record of what is known of it, without what is not. Arguments that cannot be
 * stored are left out: they are for `upgrade` and for people who look.
 */
import { CacheError } from '../../../protocol/errors.ts';
import type { RecordCodec } from '../../codec/record-codec.ts';
import type { MemoRecord } from '../tier.ts';

interface Kept {
  result?: unknown;
  args?: readonly unknown[];
  version?: string;
}

/** Throws SERIALIZATION_ERROR or VALUE_TOO_LARGE for the result. */
export function encodeResult(codec: RecordCodec, { result, args, version, expiresAtMs }: MemoRecord): Buffer {
  const kept: Kept = {};
  if (result !== undefined) kept.result = result;
  if (version !== undefined) kept.version = version;
  if (args === undefined) {
    return codec.encodeSync(kept, expiresAtMs);
  }
  kept.args = args;
  try {
    return codec.encodeSync(kept, expiresAtMs);
  } catch {
    // Where it is the result that cannot be stored, this says so.
    delete kept.args;
    return codec.encodeSync(kept, expiresAtMs);
  }
}

/** Throws STORE_CORRUPT, STORE_FOREIGN, MISSING_DEPENDENCY, or SERIALIZATION_ERROR where another serializer wrote it. */
export function decodeResult(
  codec: RecordCodec,
  payload: Uint8Array,
  times: Pick<MemoRecord, 'createdAtMs' | 'expiresAtMs'>,
): MemoRecord {
  const kept = codec.decodeSync(payload);
  if (typeof kept !== 'object' || kept === null) {
    throw new CacheError('STORE_CORRUPT', 'A record of a memo file holds no result. Next: compute it again');
  }
  const { result, args, version } = kept as Kept;
  return { result, args, version, createdAtMs: times.createdAtMs, expiresAtMs: times.expiresAtMs };
}
