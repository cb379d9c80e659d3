/**
 * How many requests a second does one thread serve when nine in ten are gets and one is a set?
 *
 * Popularity by Zipf with exponent 0.99 over one million keys, of which a quarter fit: sets evict all the time. 256 async
 * loops each await their get or set before the next. Map and lmdb have no bound, so they hold every key and hit always.
 */

import type { Peer } from './peers/index.ts';
import { IoredisPeer, REDIS_SKIPPED } from './peers/ioredis.ts';
import { LmdbPeer } from './peers/lmdb.ts';
import { LruCachePeer } from './peers/lru-cache.ts';
import { MapPeer } from './peers/map.ts';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { pick } from './support/figure.ts';
import { at, keyOf, keysOf, uniformIds, zipfIds } from './support/keys.ts';
import { inFlight, type Load, measureLoads } from './support/load.ts';
import { compare } from './support/ratio.ts';
import { paceOf } from './support/rounds.ts';
import { type SmallObject, smallObject } from './support/values.ts';

const KEYS = 1_000_000;
const QUICK_KEYS = 100_000;
/** Of the keys, so many fit. */
const CAPACITY_SHARE = 1 / 4;
const MAX_BYTES = '512mb';
const ZIPF_EXPONENT = 0.99;
const SETS_IN_HUNDRED = 10;
const IN_FLIGHT = 256;

type Requester = Pick<Peer<SmallObject>, 'name' | 'get' | 'set'>;

export const mixed: Bench = {
  question: 'How many requests a second does one thread serve when nine in ten are gets and one is a set?',

  async run(options: RunOptions): Promise<Report> {
    const count = options.quick ? QUICK_KEYS : KEYS;
    const capacity = count * CAPACITY_SHARE;
    const ours = await Shardstash.open<SmallObject>({ maxEntries: capacity, maxBytes: MAX_BYTES });
    // Redis holds every key: bounding it by entries is not among its ways.
    const redis = await IoredisPeer.start<SmallObject>();
    const theirs: Peer<SmallObject>[] = [
      new MapPeer<SmallObject>(),
      new LruCachePeer<SmallObject>(capacity),
      await LmdbPeer.open<SmallObject>(),
      ...(redis === undefined ? [] : [redis]),
    ];
    try {
      const keys = keysOf(count);
      for (const peer of [ours, ...theirs]) {
        options.progress(`filling ${peer.name}`);
        await peer.fill(keys, smallObject);
      }
      options.progress('measuring');
      const requests = requestsOf(count);
      const requesters: Requester[] = [ours, ours.inPlace(), ...theirs];
      const loads = requesters.map((peer) => mixOf(peer, requests));
      const figures = await measureLoads(loads, paceOf(options));
      const { hitRatio, evictions } = await ours.cache.metrics();
      return {
        setup: {
          keys: count,
          capacity,
          distribution: `Zipf ${ZIPF_EXPONENT}`,
          values: '{ id, name, active }',
          'in flight': IN_FLIGHT,
          shards: ours.cache.config.shards,
        },
        figures,
        ratios: theirs.map(({ name }) =>
          compare(pick(figures, ours.name), pick(figures, name), { what: '90:10 get and set, awaited' }),
        ),
        notes: [
          `Ours hit ${(hitRatio * 100).toFixed(1)} % and evicted ${evictions} entries. Map, lmdb and ioredis hold every key.`,
          ...(redis === undefined ? [REDIS_SKIPPED] : []),
        ],
      };
    } finally {
      for (const peer of [ours, ...theirs]) await peer.close();
    }
  },
};

interface Requests {
  readonly ids: Int32Array;
  /** Below SETS_IN_HUNDRED: a set. */
  readonly dice: Int32Array;
}

function requestsOf(count: number): Requests {
  return { ids: zipfIds(count, ZIPF_EXPONENT), dice: uniformIds(100) };
}

function mixOf(peer: Requester, { ids, dice }: Requests): Load {
  let cursor = 0;
  return {
    name: peer.name,
    run: (operations) =>
      inFlight(IN_FLIGHT, operations, () => {
        const index = cursor++;
        const id = at(ids, index);
        return at(dice, index) < SETS_IN_HUNDRED ? peer.set(keyOf(id), smallObject(id)) : peer.get(keyOf(id));
      }),
  };
}
