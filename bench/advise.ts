/**
 * What does a get cost in a cache that follows some of its keys, to be able to give advice?
 *
 * The same million small objects in two caches, one with `advise`, read in place in turns. What is compared is the thread
 * that asks; what the shard's own thread does with the samples shows in the note.
 */
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { type Asked, askedKeys } from './support/keys.ts';
import { awaitedLookups, freshLookups, warmLookups } from './support/lookups.ts';
import { type MicroTask, measureMicro } from './support/micro.ts';
import { compare } from './support/ratio.ts';
import { paceOf } from './support/rounds.ts';
import { type SmallObject, smallObject } from './support/values.ts';

const ENTRIES = 1_000_000;
const QUICK_ENTRIES = 100_000;
const MAX_BYTES = '512mb';
const WITH = 'with advise';
const WITHOUT = 'without';
/** More rounds than elsewhere: the difference is smaller than what disturbs a round. */
const ROUNDS_FACTOR = 3;
const REACH = 1.02;
const KINDS = ['getSync hit, fresh key', 'getSync hit, warm key', 'getSync miss, warm key', 'awaited get hit'] as const;

export const advise: Bench = {
  question: 'What does a get cost in a cache that follows some of its keys, to be able to give advice?',

  async run(options: RunOptions): Promise<Report> {
    const entries = options.quick ? QUICK_ENTRIES : ENTRIES;
    const present = askedKeys(entries);
    const absent = askedKeys(entries, entries);
    const following = await Shardstash.open<SmallObject>({ maxBytes: MAX_BYTES, advise: true }, WITH);
    const plain = await Shardstash.open<SmallObject>({ maxBytes: MAX_BYTES }, WITHOUT);
    try {
      for (const peer of [following, plain]) {
        options.progress(`filling the cache ${peer.name}`);
        await peer.fill(present.keysById, smallObject);
      }
      const { rounds, sliceMs } = paceOf(options);
      const figures: Figure[] = [];
      for (const kind of KINDS) {
        options.progress(`measuring ${kind}`);
        const tasks = [following, plain].map((peer) => taskOf(kind, peer, present, absent));
        figures.push(...(await measureMicro(tasks, { rounds: rounds * ROUNDS_FACTOR, sliceMs })));
      }
      const { sampleRate, followed, requests } = await following.cache.advise();
      return {
        setup: { entries, values: '{ id, name, active }', shards: following.cache.config.shards },
        figures,
        ratios: KINDS.map((kind) =>
          compare(pick(figures, `${kind}, ${WITH}`), pick(figures, `${kind}, ${WITHOUT}`), {
            what: kind,
            against: WITHOUT,
            reach: REACH,
          }),
        ),
        notes: [
          `One key in ${Math.round(1 / sampleRate)} was followed at the end: ${followed} of ${requests} gets were played in miniatures.`,
        ],
      };
    } finally {
      await following.close();
      await plain.close();
    }
  },
};

function taskOf(kind: (typeof KINDS)[number], peer: Shardstash<SmallObject>, present: Asked, absent: Asked): MicroTask {
  const name = `${kind}, ${peer.name}`;
  switch (kind) {
    case 'getSync hit, fresh key':
      return freshLookups(name, peer.inPlace(), present, 'hits');
    case 'getSync hit, warm key':
      return warmLookups(name, peer.inPlace(), present, 'hits');
    case 'getSync miss, warm key':
      return warmLookups(name, peer.inPlace(), absent, 'misses');
    case 'awaited get hit':
      return awaitedLookups(name, peer, present, 'hits');
  }
}
