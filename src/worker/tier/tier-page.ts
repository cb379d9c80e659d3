/** A page of what the tier holds, as a reply tells it: in the form of a page of memory. */
import { keyOfEngineKey } from '../../protocol/engine-key.ts';
import { CacheError } from '../../protocol/errors.ts';
import type { FrameReader } from '../../protocol/frame.ts';
import { KeyEncoder } from '../../protocol/key.ts';
import { FLAG_KEYS_ONLY, SCAN_END } from '../../protocol/operations.ts';
import { PAGE_ENTRIES_MAX } from '../answers.ts';
import type { Say } from './through.ts';
import type { Tier } from './tier.ts';

/** Keys are only encoded here: their hashes mean nothing. */
const encoder = new KeyEncoder({ low: 0, high: 0 });

/** Asks for the page that the record wants. Rejects with PROTOCOL_ERROR where it wants none. */
export async function tierPage(tier: Tier, record: FrameReader): Promise<Say> {
  const scan = record.argument;
  const wanted = record.valueBytes === 8 ? record.numberAt(0) : Number.NaN;
  if (!(Number.isInteger(scan) && scan >= 0 && scan < SCAN_END && wanted >= 1)) {
    throw new CacheError('PROTOCOL_ERROR', `No page of ${wanted} entries begins at ${scan}`);
  }
  const keysOnly = (record.flags & FLAG_KEYS_ONLY) !== 0;
  const page = await tier.keeper.page(scan, Math.min(wanted, PAGE_ENTRIES_MAX), keysOnly, tier.wall.now());
  const byteLength = page.entries.reduce((sum, { entry }) => sum + (entry?.bytes.length ?? 0), 0);
  return (answers) => {
    if (!answers.admits(byteLength)) {
      return;
    }
    const { reply } = answers;
    reply.beginPage();
    for (const { key, entry } of page.entries) {
      if (encodes(key)) {
        const bytes = encoder.bytes.subarray(0, encoder.byteLength);
        const expiresAtMs = entry === undefined ? Number.POSITIVE_INFINITY : tier.wall.monotonicOf(entry.expiresAtMs);
        reply.pageEntry(encoder.encoding, bytes, entry?.tag ?? 0, entry?.bytes, expiresAtMs);
      }
    }
    reply.endPage(page.scan === 0 ? SCAN_END : page.scan);
  };
}

/** Leaves the key in `encoder`. On a server others may have put keys there that no cache has. */
function encodes(key: string): boolean {
  try {
    encoder.encode(keyOfEngineKey(key));
    return true;
  } catch (error) {
    if (error instanceof CacheError || error instanceof TypeError) return false;
    throw error;
  }
}
