/** Opens a contender by its name: for a process of its own, which can be told no more than that. */
import type { SmallObject } from '../support/values.ts';
import type { Peer } from './index.ts';
import { LruCachePeer } from './lru-cache.ts';
import { MapPeer } from './map.ts';
import { NothingPeer } from './nothing.ts';
import { Shardstash } from './shardstash.ts';

/** More than any entry of a small object takes: entries are what bounds the cache. */
const ENTRY_BYTES_MAX = 192;

/** Each holds `entries` at most, where it has a bound. */
const contenders = {
  shardstash: (entries) => Shardstash.open({ maxEntries: entries, maxBytes: entries * ENTRY_BYTES_MAX }),
  'lru-cache': (entries) => new LruCachePeer(entries),
  Map: () => new MapPeer(),
  nothing: () => new NothingPeer(),
} satisfies Record<string, (entries: number) => Peer<SmallObject> | Promise<Peer<SmallObject>>>;

export type ContenderName = keyof typeof contenders;

export async function openContender(name: ContenderName, entries: number): Promise<Peer<SmallObject>> {
  return await contenders[name](entries);
}
