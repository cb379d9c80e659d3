/**
 * What does a get cost in a cache that follows some of its keys, to be able to give advice?
 *
 * The same million small objects in four caches, read in turns: with `advise`, without, without, with. Two caches of one
 * kind differ by some percent, by where their memory happens to lie, which is more than what is asked here; so a round's
 * figure is the mean of two. What is compared is the thread that asks; what the shard's thread plays is in the note.
 */
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, figure } from './support/figure.ts';
import { type Asked, askedKeys } from './support/keys.ts';
import { awaitedLookups, freshLookups, warmLookups } from './support/lookups.ts';
import { type MicroTask, measureMicro } from './support/micro.ts';
import { compare, type Ratio } from './support/ratio.ts';
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
    const peers: Shardstash<SmallObject>[] = [];
    try {
      for (const advise of [true, false, false, true]) {
        const peer = await Shardstash.open<SmallObject>({ maxBytes: MAX_BYTES, advise }, advise ? WITH : WITHOUT);
        peers.push(peer);
        options.progress(`filling a cache ${peer.name}`);
        await peer.fill(present.keysById, smallObject);
      }
      const { rounds, sliceMs } = paceOf(options);
      const figures: Figure[] = [];
      const ratios: Ratio[] = [];
      for (const kind of KINDS) {
        options.progress(`measuring ${kind}`);
        const tasks = peers.map((peer) => taskOf(kind, peer, present, absent));
        const measured = await measureMicro(tasks, { rounds: rounds * ROUNDS_FACTOR, sliceMs });
        const [with0, without0, without1, with1] = measured as [Figure, Figure, Figure, Figure];
        figures.push(meanOf(with0, with1), meanOf(without0, without1));
        ratios.push(
          compare(figures.at(-2) as Figure, figures.at(-1) as Figure, { what: kind, against: WITHOUT, reach: REACH }),
        );
      }
      const [following] = peers as [Shardstash<SmallObject>];
      const { sampleRate, followed, requests } = await following.cache.advise();
      return {
        setup: { entries, values: '{ id, name, active }', shards: following.cache.config.shards },
        figures,
        ratios,
        notes: [
          `One key in ${Math.round(1 / sampleRate)} was followed at the end: ${followed} of ${requests} gets were played in miniatures.`,
        ],
      };
    } finally {
      for (const peer of peers) await peer.close();
    }
  },
};

/** Of two figures of one name, round by round. */
function meanOf({ name, unit, rounds }: Figure, other: Figure): Figure {
  return figure(
    name,
    unit,
    rounds.map((each, round) => (each + (other.rounds[round] ?? each)) / 2),
  );
}

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
