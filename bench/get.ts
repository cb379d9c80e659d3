/**
 * What does a get cost in the thread that asks, when it hits and when it misses?
 *
 * One million small objects under random keys. Ours decodes a copy of the value at each get; Map and lru-cache return a
 * reference to the one object there is; lru-cache with decoding and lmdb make a copy, as ours does.
 */
import { LmdbPeer } from './peers/lmdb.ts';
import { DecodingLruCachePeer, LruCachePeer } from './peers/lru-cache.ts';
import { MapPeer } from './peers/map.ts';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { type Asked, askedKeys } from './support/keys.ts';
import { awaitedLookups, freshLookups, keyBuilding, type Lookup, warmLookups } from './support/lookups.ts';
import { type MicroTask, measureMicro } from './support/micro.ts';
import { compare, type Ratio } from './support/ratio.ts';
import { paceOf } from './support/rounds.ts';
import { type SmallObject, smallObject } from './support/values.ts';

const ENTRIES = 1_000_000;
const QUICK_ENTRIES = 100_000;
const MAX_BYTES = '512mb';

export const get: Bench = {
  question: 'What does a get cost in the thread that asks, when it hits and when it misses?',

  async run(options: RunOptions): Promise<Report> {
    const entries = options.quick ? QUICK_ENTRIES : ENTRIES;
    const present = askedKeys(entries);
    const ours = await Shardstash.open<SmallObject>({ maxBytes: MAX_BYTES });
    const lru = new LruCachePeer<SmallObject>(entries);
    const lmdb = await LmdbPeer.open<SmallObject>();
    const peers = [ours, new MapPeer<SmallObject>(), lru, new DecodingLruCachePeer<SmallObject>(entries), lmdb];
    try {
      for (const peer of peers) {
        options.progress(`filling ${peer.name}`);
        await peer.fill(present.keysById, smallObject);
      }
      const inPlace = [ours.inPlace(), ...peers.slice(1)];
      const groups = groupsOf(inPlace, [ours, lru], present);
      const figures: Figure[] = [];
      for (const [name, tasks] of Object.entries(groups)) {
        options.progress(`measuring ${name}`);
        figures.push(...(await measureMicro(tasks, paceOf(options))));
      }
      const { droppedTouches, hits } = await ours.cache.metrics();
      return {
        setup: {
          entries,
          order: 'every key once, shuffled',
          values: '{ id, name, active }',
          shards: ours.cache.config.shards,
        },
        figures,
        ratios: ratiosOf(figures),
        notes: [
          'Fresh keys are built for each get: their figures include what building a key costs alone.',
          `${((droppedTouches / hits) * 100).toFixed(1)} % of the hits found the recency ring full; LRU never heard of them.`,
        ],
      };
    } finally {
      for (const peer of peers) await peer.close();
    }
  },
};

type Contender = Lookup & { readonly name: string };

function groupsOf(
  inPlace: readonly Contender[],
  awaited: readonly Contender[],
  present: Asked,
): Record<string, MicroTask[]> {
  const entries = present.ids.length;
  const absent = askedKeys(entries, entries);
  return {
    'hits with fresh keys': [
      ...inPlace.map((peer) => freshLookups(`hit, fresh key: ${peer.name}`, peer, present, 'hits')),
      keyBuilding('building a fresh key alone', present),
    ],
    'hits with warm keys': inPlace.map((peer) => warmLookups(`hit, warm key: ${peer.name}`, peer, present, 'hits')),
    'misses with fresh keys': inPlace.map((peer) =>
      freshLookups(`miss, fresh key: ${peer.name}`, peer, absent, 'misses'),
    ),
    'misses with warm keys': inPlace.map((peer) => warmLookups(`miss, warm key: ${peer.name}`, peer, absent, 'misses')),
    'awaited hits': awaited.map((peer) => awaitedLookups(`awaited hit: ${peer.name}`, peer, present, 'hits')),
  };
}

function ratiosOf(figures: readonly Figure[]): Ratio[] {
  const against = (what: string, peer: string, goals: { reach?: number; andThen?: number }) =>
    compare(pick(figures, `${what}: shardstash, getSync`), pick(figures, `${what}: ${peer}`), {
      what: `getSync ${what}`,
      against: peer,
      ...goals,
    });
  return [
    against('hit, fresh key', 'lru-cache', { reach: 2, andThen: 1.4 }),
    against('hit, warm key', 'lru-cache', { reach: 2.5, andThen: 1.8 }),
    compare(pick(figures, 'awaited hit: shardstash'), pick(figures, 'awaited hit: lru-cache'), {
      what: 'awaited get hit, fresh key',
      against: 'lru-cache, awaited',
      reach: 2,
      andThen: 1.5,
    }),
    against('hit, fresh key', 'lmdb', { reach: 1 / 2, andThen: 1 / 3 }),
    against('miss, fresh key', 'lru-cache', { reach: 1, andThen: 1 / 1.5 }),
    against('miss, warm key', 'lru-cache', { reach: 1.5, andThen: 1 }),
    against('hit, fresh key', 'lru-cache, decoding', {}),
    against('hit, fresh key', 'Map', {}),
    against('miss, fresh key', 'lmdb', {}),
  ];
}
