/**
 * The memory of memos that were given no cache. Those without bounds of their own have one cache in common, since each has a thread: it
 * opens with the first call of any of them, and closes with the last memo. One that has bounds has a cache of its own.
 */
import { type Cache, openCache } from '../index.ts';

const BYTES = '64mb';

/** What a memo's own memory may hold. */
export interface OwnBounds {
  readonly maxEntries: number | undefined;
  readonly maxBytes: number | string | undefined;
}

/** A cache, and what gives it back. */
export interface Lodging {
  readonly cache: Cache;
  leave(): Promise<void>;
}

interface Common {
  readonly opening: Promise<Cache>;
  memos: number;
}

let common: Common | undefined;

export function hasBounds({ maxEntries, maxBytes }: OwnBounds): boolean {
  return maxEntries !== undefined || maxBytes !== undefined;
}

/** Rejects with INVALID_CONFIG for bounds that are none. */
export async function lodge(bounds: OwnBounds): Promise<Lodging> {
  if (!hasBounds(bounds)) {
    return await lodgeTogether();
  }
  const { maxEntries, maxBytes = BYTES } = bounds;
  const cache = await openCache(
    maxEntries === undefined ? { shards: 1, maxBytes } : { shards: 1, maxBytes, maxEntries },
  );
  return { cache, leave: () => cache.close() };
}

async function lodgeTogether(): Promise<Lodging> {
  common ??= { opening: openCache({ shards: 1, maxBytes: BYTES }), memos: 0 };
  const joined = common;
  joined.memos++;
  const leave = async () => {
    joined.memos--;
    if (joined.memos > 0) {
      return;
    }
    if (common === joined) common = undefined;
    await (await joined.opening).close();
  };
  try {
    return { cache: await joined.opening, leave };
  } catch (error) {
    // Whoever comes next may be luckier.
    if (common === joined) common = undefined;
    throw error;
  }
}
