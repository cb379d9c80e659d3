/**
 * How does the time of a get grow with the number of entries, and how does lru-cache's?
 *
 * What grows is not the work but the memory that it is spread over: first out of the first-level cache, then out of
 * them all.
 */
import { LruCachePeer } from './peers/lru-cache.ts';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { askedKeys } from './support/keys.ts';
import { freshLookups, warmLookups } from './support/lookups.ts';
import { measureMicro } from './support/micro.ts';
import { compare, type Ratio } from './support/ratio.ts';
import { type Pace, paceOf } from './support/rounds.ts';
import { formatCount } from './support/table.ts';
import { type SmallObject, smallObject } from './support/values.ts';

const SIZES = [10_000, 100_000, 1_000_000];
const QUICK_SIZES = [10_000, 100_000];
const MAX_BYTES = '512mb';
const KINDS = ['hit, fresh key', 'hit, warm key', 'miss, fresh key', 'miss, warm key'] as const;

export const bySize: Bench = {
  question: "How does the time of a get grow with the number of entries, and how does lru-cache's?",

  async run(options: RunOptions): Promise<Report> {
    const sizes = options.quick ? QUICK_SIZES : SIZES;
    const figures: Figure[] = [];
    for (const entries of sizes) {
      options.progress(`measuring ${formatCount(entries)} entries`);
      figures.push(...(await measureSize(entries, paceOf(options))));
    }
    return {
      setup: {
        entries: sizes.map(formatCount).join('; '),
        order: 'every key once, shuffled',
        values: '{ id, name, active }',
      },
      figures,
      ratios: sizes.flatMap((entries) => KINDS.map((kind) => ratioOf(figures, entries, kind))),
      notes: [],
    };
  },
};

async function measureSize(entries: number, pace: Pace): Promise<Figure[]> {
  const present = askedKeys(entries);
  const absent = askedKeys(entries, entries);
  const ours = await Shardstash.open<SmallObject>({ maxBytes: MAX_BYTES });
  const lru = new LruCachePeer<SmallObject>(entries);
  try {
    await ours.fill(present.keysById, smallObject);
    lru.fill(present.keysById, smallObject);
    const figures: Figure[] = [];
    for (const kind of KINDS) {
      const expected = kind.startsWith('hit') ? 'hits' : 'misses';
      const asked = expected === 'hits' ? present : absent;
      const lookups = kind.endsWith('fresh key') ? freshLookups : warmLookups;
      const tasks = [ours.inPlace(), lru].map((peer) =>
        lookups(nameOf(entries, kind, peer.name), peer, asked, expected),
      );
      figures.push(...(await measureMicro(tasks, pace)));
    }
    return figures;
  } finally {
    await ours.close();
    lru.close();
  }
}

function ratioOf(figures: readonly Figure[], entries: number, kind: string): Ratio {
  const ours = pick(figures, nameOf(entries, kind, 'shardstash, getSync'));
  const theirs = pick(figures, nameOf(entries, kind, 'lru-cache'));
  return compare(ours, theirs, { what: `getSync ${kind}, ${formatCount(entries)} entries`, against: 'lru-cache' });
}

function nameOf(entries: number, kind: string, peer: string): string {
  return `${formatCount(entries)} entries, ${kind}: ${peer}`;
}
