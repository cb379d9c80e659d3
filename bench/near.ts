/**
 * What does a get of a key that this thread reads often cost, with a near cache and without?
 *
 * 100,000 small objects, asked for by Zipf's law. The near cache has room for all of them, as lru-cache has. 'share' and
 * 'freeze' return a reference to one object, as lru-cache does; 'decode' returns a copy of its own each time.
 */
import type { NearCacheConfig } from 'shardstash';
import { LruCachePeer } from './peers/lru-cache.ts';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { type Asked, keyOf, keysOf, zipfIds } from './support/keys.ts';
import { awaitedLookups, freshLookups, type Lookup, warmLookups } from './support/lookups.ts';
import { LOOP_OPERATIONS, measureMicro } from './support/micro.ts';
import { compare, type Goals, type Ratio } from './support/ratio.ts';
import { paceOf } from './support/rounds.ts';
import { type SmallObject, smallObject } from './support/values.ts';

const ENTRIES = 100_000;
const EXPONENT = 1;
const COPIES: readonly NearCacheConfig['copy'][] = ['share', 'freeze', 'decode'];
const GOALS: Goals = { reach: 1.5, andThen: 1.1 };

export const near: Bench = {
  question: 'What does a get of a hot key cost in a thread that keeps what it reads?',

  async run(options: RunOptions): Promise<Report> {
    const plain = await Shardstash.open<SmallObject>({}, 'no near cache');
    const kept: Shardstash<SmallObject>[] = [];
    for (const copy of COPIES) {
      kept.push(
        await Shardstash.open<SmallObject>({ nearCache: { maxEntries: ENTRIES, copy } }, `near cache, '${copy}'`),
      );
    }
    const lru = new LruCachePeer<SmallObject>(ENTRIES);
    const peers = [...kept, plain, lru];
    try {
      for (const peer of peers) {
        options.progress(`filling ${peer.name}`);
        await peer.fill(keysOf(ENTRIES), smallObject);
      }
      const asked = popular();
      const figures: Figure[] = [];
      for (const tasks of [
        peers.map((peer) => freshLookups(`fresh key: ${peer.name}`, inPlace(peer), asked, 'hits')),
        peers.map((peer) => warmLookups(`warm key: ${peer.name}`, inPlace(peer), asked, 'hits')),
        peers.map((peer) => awaitedLookups(`awaited: ${peer.name}`, peer, asked, 'hits')),
      ]) {
        options.progress(`measuring ${tasks[0]?.name}`);
        figures.push(...(await measureMicro(tasks, paceOf(options))));
      }
      const { nearHits, hits } = await (kept[0] as Shardstash<SmallObject>).cache.metrics();
      return {
        setup: {
          entries: ENTRIES,
          order: `Zipf, exponent ${EXPONENT}`,
          values: '{ id, name, active }',
          shards: plain.cache.config.shards,
        },
        figures,
        ratios: ratiosOf(figures),
        notes: [`${((nearHits / hits) * 100).toFixed(1)} % of the hits were answered by the near cache.`],
      };
    } finally {
      for (const peer of peers) await peer.close();
    }
  },
};

function inPlace(peer: Shardstash<SmallObject> | LruCachePeer<SmallObject>): Lookup {
  return peer instanceof Shardstash ? peer.inPlace() : peer;
}

/** Whole loops of requests, with strings that are reused for each key. */
function popular(): Asked {
  const drawn = zipfIds(ENTRIES, EXPONENT);
  const ids = drawn.subarray(0, Math.floor(drawn.length / LOOP_OPERATIONS) * LOOP_OPERATIONS);
  const keysById = Array.from({ length: ENTRIES }, (_, id) => keyOf(id));
  return { ids, keys: Array.from(ids, (id) => keysById[id] as string), keysById };
}

function ratiosOf(figures: readonly Figure[]): Ratio[] {
  const against = (how: string, ours: string, peer: string, goals: Goals) =>
    compare(pick(figures, `${how}: ${ours}`), pick(figures, `${how}: ${peer}`), {
      what: `hot get, ${how}, ${ours}`,
      against: peer,
      ...goals,
    });
  return [
    ...['awaited', 'fresh key', 'warm key'].map((how) => against(how, "near cache, 'share'", 'lru-cache', GOALS)),
    ...['awaited', 'fresh key', 'warm key'].map((how) => against(how, "near cache, 'decode'", 'lru-cache', {})),
    against('fresh key', "near cache, 'freeze'", 'lru-cache', {}),
    against('fresh key', "near cache, 'share'", 'no near cache', {}),
    against('fresh key', "near cache, 'decode'", 'no near cache', {}),
  ];
}
