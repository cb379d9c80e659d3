/**
 * What does a set cost that has to evict, seen by the thread that makes it?
 *
 * The cache is full and every set brings a new key of 100 bytes, so each evicts one. A sliding window of 1,024 sets, as in
 * `set`. Map and lmdb evict nothing and are not asked; Redis evicts by memory, from a sample of its keys.
 */

import type { Peer } from './peers/index.ts';
import { IoredisPeer, REDIS_SKIPPED } from './peers/ioredis.ts';
import { LruCachePeer } from './peers/lru-cache.ts';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { pick } from './support/figure.ts';
import { keyOf, keysOf } from './support/keys.ts';
import { inFlight, type Load, measureLoads } from './support/load.ts';
import { compare } from './support/ratio.ts';
import { paceOf } from './support/rounds.ts';
import { TEXT_100_BYTES } from './support/values.ts';

const ENTRIES = 1_000_000;
const QUICK_ENTRIES = 100_000;
const IN_FLIGHT = 1_024;
const MAX_BYTES = '512mb';
/** Redis 7 takes 185 for such an entry: with a little less each, it is full, too, when it has been filled. */
const REDIS_BYTES_PER_ENTRY = 180;

export const evicting: Bench = {
  question: 'What does a set cost that has to evict, seen by the thread that makes it?',

  async run(options: RunOptions): Promise<Report> {
    const entries = options.quick ? QUICK_ENTRIES : ENTRIES;
    const limits = { maxEntries: entries, maxBytes: MAX_BYTES };
    const lru = await Shardstash.open<string>({ ...limits, eviction: 'lru' }, 'shardstash, lru');
    const fifo = await Shardstash.open<string>({ ...limits, eviction: 'fifo' }, 'shardstash, fifo');
    const redis = await IoredisPeer.start<string>([
      '--maxmemory',
      String(entries * REDIS_BYTES_PER_ENTRY),
      '--maxmemory-policy',
      'allkeys-lru',
    ]);
    const theirs: Peer<string>[] = [new LruCachePeer<string>(entries), ...(redis === undefined ? [] : [redis])];
    try {
      for (const peer of [lru, fifo, ...theirs]) {
        options.progress(`filling ${peer.name}`);
        await peer.fill(keysOf(entries), () => TEXT_100_BYTES);
      }
      options.progress('measuring');
      const loads = [lru, fifo, ...theirs].map((peer) => newKeysOf(peer, entries));
      const figures = await measureLoads(loads, paceOf(options));
      return {
        setup: {
          entries,
          distribution: 'every key is new',
          values: '100 bytes of text',
          'in flight': IN_FLIGHT,
          shards: lru.cache.config.shards,
        },
        figures,
        ratios: [lru, fifo].flatMap((ours) =>
          theirs.map(({ name }) =>
            compare(pick(figures, ours.name), pick(figures, name), {
              what: `evicting set, ${ours.cache.config.eviction}`,
            }),
          ),
        ),
        notes: redis === undefined ? [REDIS_SKIPPED] : [],
      };
    } finally {
      for (const peer of [lru, fifo, ...theirs]) await peer.close();
    }
  },
};

function newKeysOf(peer: Peer<string>, entries: number): Load {
  let id = entries;
  return {
    name: peer.name,
    run: (operations) => inFlight(IN_FLIGHT, operations, () => peer.set(keyOf(id++), TEXT_100_BYTES)),
  };
}
