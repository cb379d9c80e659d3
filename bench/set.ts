/**
 * How many sets a second does one thread get acknowledged, with 1,024 of them in flight?
 *
 * 100 bytes under random keys that are all there already. In flight means a sliding window of 1,024 async loops, each of
 * which awaits its set before it makes the next; or batches of 1,024 that are awaited together; or, ours alone, setMany of
 * 1,024 entries. Redis holds the same keys and gets the same shapes, autopipelined, in the same rounds.
 */

import type { Peer } from './peers/index.ts';
import { IoredisPeer, REDIS_SKIPPED } from './peers/ioredis.ts';
import { LmdbPeer } from './peers/lmdb.ts';
import { LruCachePeer } from './peers/lru-cache.ts';
import { MapPeer } from './peers/map.ts';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { at, keyOf, keysOf, uniformIds } from './support/keys.ts';
import { inFlight, type Load, measureLoads } from './support/load.ts';
import { compare, type Ratio } from './support/ratio.ts';
import { paceOf } from './support/rounds.ts';
import { formatCount } from './support/table.ts';
import { TEXT_100_BYTES } from './support/values.ts';

const SIZES = [10_000, 1_000_000];
const QUICK_SIZES = [10_000, 100_000];
const IN_FLIGHT = 1_024;
const MAX_BYTES = '512mb';
const SETS_GOALS = { reach: 1 / 3, andThen: 1 / 4 };
const SET_MANY_GOALS = { reach: 1 / 3, andThen: 1 / 6 };

export const set: Bench = {
  question: 'How many sets a second does one thread get acknowledged, with 1,024 of them in flight?',

  async run(options: RunOptions): Promise<Report> {
    const sizes = options.quick ? QUICK_SIZES : SIZES;
    const figures: Figure[] = [];
    let shards = 0;
    for (const entries of sizes) {
      const ours = await Shardstash.open<string>({ maxBytes: MAX_BYTES });
      shards = ours.cache.config.shards;
      const redis = await IoredisPeer.start<string>();
      const peers: Peer<string>[] = [ours, ...(redis === undefined ? [] : [redis])];
      // The peers that run in this thread are no measure of a hop: they are here for scale, at one size.
      if (entries === sizes.at(-1)) {
        peers.push(new MapPeer<string>(), new LruCachePeer<string>(entries), await LmdbPeer.open<string>());
      }
      try {
        for (const peer of peers) {
          options.progress(`filling ${peer.name} with ${formatCount(entries)} entries`);
          await peer.fill(keysOf(entries), () => TEXT_100_BYTES);
        }
        options.progress(`measuring ${formatCount(entries)} entries`);
        figures.push(...(await measureLoads(loadsOf(peers, ours, entries), paceOf(options))));
      } finally {
        for (const peer of peers) await peer.close();
      }
    }
    const hasRedis = figures.some(({ name }) => name.endsWith('ioredis'));
    return {
      setup: {
        entries: sizes.map(formatCount).join('; '),
        distribution: 'uniform, overwriting',
        values: '100 bytes of text',
        shards,
      },
      figures,
      ratios: ratiosOf(figures, sizes, hasRedis),
      notes: hasRedis ? [] : [REDIS_SKIPPED],
    };
  },
};

function loadsOf(peers: readonly Peer<string>[], ours: Shardstash<string>, entries: number): Load[] {
  const ids = uniformIds(entries);
  const batching = peers.filter(({ name }) => name === 'shardstash' || name === 'ioredis');
  return [
    ...peers.map((peer) => windowOf(nameOf(entries, 'window', peer.name), peer, ids)),
    ...batching.map((peer) => batchesOf(nameOf(entries, 'batches', peer.name), peer, ids)),
    setManyOf(nameOf(entries, 'setMany', 'shardstash'), ours, ids),
  ];
}

function windowOf(name: string, peer: Peer<string>, ids: Int32Array): Load {
  let cursor = 0;
  return {
    name,
    run: (operations) => inFlight(IN_FLIGHT, operations, () => peer.set(keyOf(at(ids, cursor++)), TEXT_100_BYTES)),
  };
}

function batchesOf(name: string, peer: Peer<string>, ids: Int32Array): Load {
  let cursor = 0;
  return {
    name,
    async run(operations) {
      for (let done = 0; done < operations; done += IN_FLIGHT) {
        const batch: unknown[] = [];
        for (let i = Math.min(IN_FLIGHT, operations - done); i > 0; i--) {
          batch.push(peer.set(keyOf(at(ids, cursor++)), TEXT_100_BYTES));
        }
        await Promise.all(batch);
      }
    },
  };
}

function setManyOf(name: string, { cache }: Shardstash<string>, ids: Int32Array): Load {
  let cursor = 0;
  return {
    name,
    async run(operations) {
      for (let done = 0; done < operations; done += IN_FLIGHT) {
        const batch: [string, string][] = [];
        for (let i = Math.min(IN_FLIGHT, operations - done); i > 0; i--) {
          batch.push([keyOf(at(ids, cursor++)), TEXT_100_BYTES]);
        }
        await cache.setMany(batch);
      }
    },
  };
}

function ratiosOf(figures: readonly Figure[], sizes: readonly number[], hasRedis: boolean): Ratio[] {
  const largest = sizes.at(-1) as number;
  const scale = ['Map', 'lru-cache', 'lmdb'].map((peer) =>
    compare(pick(figures, nameOf(largest, 'window', 'shardstash')), pick(figures, nameOf(largest, 'window', peer)), {
      what: `set, window of 1,024, ${formatCount(largest)} entries`,
      against: peer,
    }),
  );
  return hasRedis ? [...sizes.flatMap((entries) => redisRatios(figures, entries)), ...scale] : scale;
}

function redisRatios(figures: readonly Figure[], entries: number): Ratio[] {
  const ours = (shape: string) => pick(figures, nameOf(entries, shape, 'shardstash'));
  const redis = (shape: string) => pick(figures, nameOf(entries, shape, 'ioredis'));
  const window = {
    what: `set, window of 1,024, ${formatCount(entries)} entries`,
    against: 'ioredis, same shape',
    ...SETS_GOALS,
  };
  const batches = {
    what: `set, batches of 1,024, ${formatCount(entries)} entries`,
    against: 'ioredis, same shape',
    ...SETS_GOALS,
  };
  const many = {
    what: `setMany of 1,024, ${formatCount(entries)} entries`,
    against: 'ioredis, batches',
    ...SET_MANY_GOALS,
  };
  return [
    compare(ours('window'), redis('window'), window),
    compare(ours('batches'), redis('batches'), batches),
    compare(ours('setMany'), redis('batches'), many),
  ];
}

function nameOf(entries: number, shape: string, peer: string): string {
  return `${formatCount(entries)} entries, ${shape}: ${peer}`;
}
