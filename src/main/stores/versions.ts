/**
 * All values of a key in one record, for stores in append mode: each set adds one, and the last is the value.
 *
 *     payload of a record with TAG_VERSIONS:   stored at (float64 ms) | length (uint32) | record      ... once for each
 *
 * A set so costs as much as all values of its key together.
 */
import { CacheError } from '../../protocol/errors.ts';
import { openRecord, sealRecord } from '../../protocol/record.ts';
import { TAG_VERSIONS } from '../../protocol/value-tags.ts';

const HEAD_BYTES = 12;

export interface StoredVersion {
  readonly storedAtMs: number;
  /** Part of the record that it was read from. */
  readonly record: Uint8Array;
}

/** A record with one version more. It expires when the last one does. */
export function withVersion(
  before: Uint8Array | undefined,
  record: Uint8Array,
  expiresAtMs: number,
  nowMs: number,
): Buffer {
  const payload = before === undefined ? Buffer.alloc(0) : openRecord(before).payload;
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeDoubleLE(nowMs, 0);
  head.writeUInt32LE(record.length, 8);
  const kind = { tag: TAG_VERSIONS, compression: 0, base64: false, expiresAtMs };
  return sealRecord(kind, Buffer.concat([payload, head, record]));
}

/** Oldest first. Throws STORE_CORRUPT. */
export function versionsOf(container: Uint8Array): StoredVersion[] {
  const { tag, payload } = openRecord(container);
  const versions: StoredVersion[] = [];
  let at = 0;
  while (tag === TAG_VERSIONS && at + HEAD_BYTES <= payload.length) {
    const end = at + HEAD_BYTES + payload.readUInt32LE(at + 8);
    if (end > payload.length) break;
    versions.push({ storedAtMs: payload.readDoubleLE(at), record: payload.subarray(at + HEAD_BYTES, end) });
    at = end;
  }
  if (tag !== TAG_VERSIONS || at !== payload.length || versions.length === 0) {
    throw new CacheError(
      'STORE_CORRUPT',
      'A stored value is no list of versions, as it must be in append mode. Next: delete it',
    );
  }
  return versions;
}
