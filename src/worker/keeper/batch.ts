/**
 * What comes by a session's port, looked at before it is believed: owners send nothing but batches, but a thread that hundreds of
 * calls wait for must not end by what somebody posts. What is no batch as a whole is dropped as a whole, unanswered.
 */
import type { TierCall } from '../../protocol/tier.ts';

const CALLS = {
  get: ['id', 'nowMs'],
  set: ['id'],
  delete: ['id', 'nowMs'],
  clear: ['id'],
  size: ['id'],
  cleanup: ['id', 'nowMs'],
  page: ['id', 'nowMs', 'scan', 'entries'],
  slide: ['expiresAtMs'],
  hashes: [],
} satisfies Record<TierCall['is'], readonly string[]>;
const HAVE_KEYS: readonly string[] = ['get', 'set', 'delete', 'slide'] satisfies TierCall['is'][];
const NOTHING = new Uint8Array(0);

export interface AdmittedCall {
  readonly call: TierCall;
  /** Of a 'set'. */
  readonly bytes: Uint8Array;
}

/** The calls of a batch; none of what is no batch as a whole. */
export function callsOf(message: unknown): readonly AdmittedCall[] {
  const { calls, bytes } = (message ?? {}) as { calls?: unknown; bytes?: unknown };
  if (!Array.isArray(calls) || !(bytes instanceof Uint8Array)) {
    return [];
  }
  const admitted: AdmittedCall[] = [];
  let at = 0;
  for (const call of calls as unknown[]) {
    if (!isCall(call)) {
      return [];
    }
    const length = call.is === 'set' ? call.head.byteLength : 0;
    if (at + length > bytes.length) {
      return [];
    }
    admitted.push({ call, bytes: length === 0 ? NOTHING : bytes.subarray(at, at + length) });
    at += length;
  }
  return at === bytes.length ? admitted : [];
}

function isCall(call: unknown): call is TierCall {
  if (typeof call !== 'object' || call === null) {
    return false;
  }
  const fields = call as Readonly<Record<string, unknown>>;
  const is = fields['is'] as TierCall['is'];
  return (
    Object.hasOwn(CALLS, is) &&
    CALLS[is].every((name) => typeof fields[name] === 'number' && !Number.isNaN(fields[name])) &&
    (!HAVE_KEYS.includes(is) || typeof fields['key'] === 'string') &&
    (is !== 'set' || isHead(fields['head']))
  );
}

function isHead(head: unknown): boolean {
  const { tag, byteLength, expiresAtMs, slideMs } = (head ?? {}) as Readonly<Record<string, unknown>>;
  return (
    Number.isInteger(tag) &&
    Number.isInteger(byteLength) &&
    (byteLength as number) >= 0 &&
    typeof expiresAtMs === 'number' &&
    typeof slideMs === 'number'
  );
}
