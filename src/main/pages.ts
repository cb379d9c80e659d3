/**
 * Iteration over all entries: shard by shard, page by page, in the order of bit-reversed hashes, which keeps its place while
 * the table grows. A key that stays throughout comes exactly once; one that comes or goes meanwhile may or may not.
 */
import type { CacheKey } from '../protocol/cache-key.ts';
import { decodeKey } from '../protocol/key.ts';
import {
  FLAG_KEYS_ONLY,
  OP_HAS,
  OP_PEEK,
  OP_SCAN,
  OP_TIER_SCAN,
  SCAN_END,
  type StoredEntry,
  type StoredPage,
  type StoredValue,
} from '../protocol/operations.ts';
import { bodyOf, type CallLimits, callLimits, type ExtentOptions } from './call.ts';
import type { Client } from './client.ts';
import { optionError } from './option-errors.ts';

export interface ScanOptions extends ExtentOptions {
  /** Entries that come with one message, 1 to 65,536. Default 1,024. */
  pageSize?: number;
}

const PAGE_ENTRIES = 1_024;
const PAGE_ENTRIES_MAX = 65_536;

export async function* scanKeys(client: Client, options: ScanOptions | undefined): AsyncGenerator<CacheKey> {
  for await (const page of pages(client, options, FLAG_KEYS_ONLY)) {
    for (const entry of page) {
      const key = keyOf(entry);
      if (!isOver(client, entry) || (await isThere(client, key, callLimits(options)))) {
        yield key;
      }
    }
  }
}

export async function* scanEntries(
  client: Client,
  options: ScanOptions | undefined,
): AsyncGenerator<readonly [CacheKey, unknown]> {
  for await (const page of pages(client, options, 0)) {
    for (const entry of page) {
      const key = keyOf(entry);
      const isCurrent = entry.value !== undefined && !isOver(client, entry);
      const value = isCurrent ? entry.value : await fetchAlone(client, key, callLimits(options));
      if (value !== undefined) {
        yield [key, client.valueOf(value)];
      }
    }
  }
}

async function* pages(
  client: Client,
  options: ScanOptions | undefined,
  flags: number,
): AsyncGenerator<readonly StoredEntry[]> {
  const limits = callLimits(options);
  const size = Buffer.alloc(8);
  size.writeDoubleLE(pageSizeOf(options));
  const ofTier = options?.from === 'tier';
  // The tier is one for all shards.
  for (const view of ofTier ? [undefined] : client.views) {
    for (let next = 0; next < SCAN_END; ) {
      limits.signal?.throwIfAborted();
      const body = bodyOf(next, flags, size);
      const asked =
        view === undefined ? client.askTier(OP_TIER_SCAN, limits, body) : client.askShard(view, OP_SCAN, limits, body);
      const page = (await asked) as StoredPage;
      yield page.entries;
      next = page.next;
    }
  }
}

/** Whether the time of an entry ran out while its page was being read; but it may have slid on meanwhile. */
function isOver({ clock }: Client, { expiresAtMs }: StoredEntry): boolean {
  return expiresAtMs !== undefined && expiresAtMs <= clock.now();
}

async function isThere(client: Client, key: CacheKey, limits: CallLimits): Promise<boolean> {
  return (await client.ask(client.aim(key), OP_HAS, key, limits)) as boolean;
}

/** A value that was too large for its page, or that has grown old, is asked for alone; by then its entry may have gone. */
async function fetchAlone(client: Client, key: CacheKey, limits: CallLimits): Promise<StoredValue | undefined> {
  return (await client.ask(client.aim(key), OP_PEEK, key, limits)) as StoredValue | undefined;
}

function keyOf({ key, encoding }: StoredEntry): CacheKey {
  return decodeKey(key, encoding);
}

function pageSizeOf(options: ScanOptions | undefined): number {
  const size = options?.pageSize ?? PAGE_ENTRIES;
  if (!Number.isInteger(size) || size < 1 || size > PAGE_ENTRIES_MAX) {
    throw optionError('pageSize', `an integer from 1 to ${PAGE_ENTRIES_MAX}`, size);
  }
  return size;
}
