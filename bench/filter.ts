/**
 * What does the filter earn, and what does it cost?
 *
 * It answers misses in the place of the owner: with `reads: 'owner'` that saves a hop, with shared reads the memory says
 * so itself and the filter is not asked. It costs the owner some time for every new key, by its type.
 */
import type { FilterName } from '../src/protocol/filter.ts';
import { filters } from '../src/worker/filter/index.ts';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { pick } from './support/figure.ts';
import { keyOf, keysOf } from './support/keys.ts';
import { inFlight, type Load, measureLoads } from './support/load.ts';
import { FRAME_CALLS, LoneShard } from './support/lone-shard.ts';
import { compare } from './support/ratio.ts';
import { measureInRounds, paceOf } from './support/rounds.ts';
import { TEXT_100_BYTES } from './support/values.ts';

const ENTRIES = 100_000;
const FULL_ENTRIES = 1_000_000;
const QUICK_FULL_ENTRIES = 100_000;
const ENTRY_BYTES = 128;
const VALUE = Buffer.alloc(32, 'v');
const NS_PER_MS = 1e6;
const WITH = 'with a filter';
const WITHOUT = 'without';

export const filter: Bench = {
  question: 'What does the filter earn, and what does it cost?',

  async run(options: RunOptions): Promise<Report> {
    const opened: [string, Shardstash<string>][] = [];
    for (const reads of ['owner', 'shared'] as const) {
      for (const isFiltered of [true, false]) {
        const name = `awaited get miss, ${reads} reads, ${isFiltered ? WITH : WITHOUT}`;
        opened.push([name, await Shardstash.open<string>({ reads, filter: isFiltered }, name)]);
      }
    }
    try {
      for (const [, peer] of opened) await peer.fill(keysOf(ENTRIES), () => TEXT_100_BYTES);
      options.progress('measuring misses');
      const pace = paceOf(options);
      const misses = await measureLoads(
        opened.map(([name, peer]) => missesOf(name, peer)),
        pace,
      );
      const entries = options.quick ? QUICK_FULL_ENTRIES : FULL_ENTRIES;
      options.progress('measuring inserts');
      const types = Object.keys(filters) as FilterName[];
      const shards = [...types, false as const].map((type) => new FullShard(entries, type));
      const inserts = await measureInRounds(shards, pace.rounds, async (shard) => shard.measure(pace.sliceMs));
      const figures = [...misses, ...inserts];
      const waits = ['awaited get miss, owner reads', 'awaited get miss, shared reads'];
      const pairs = [...waits.map((what) => [what, WITH]), ...types.map((type) => [FullShard.title, type])] as const;
      return {
        setup: { entries: ENTRIES, 'entries of the full shard': entries, 'false positives': '1 %' },
        figures,
        ratios: pairs.map(([what, variant]) =>
          compare(pick(figures, `${what}, ${variant}`), pick(figures, `${what}, ${WITHOUT}`), {
            what: `${what}, ${variant}`,
            against: WITHOUT,
          }),
        ),
        notes: [
          'An evicting insert keeps a Bloom filter building anew, and moves fingerprints of a cuckoo filter: that is in its time.',
        ],
      };
    } finally {
      for (const [, peer] of opened) await peer.close();
    }
  },
};

function missesOf(name: string, peer: Shardstash<string>): Load {
  let id = ENTRIES;
  return { name, run: (operations) => inFlight(1, operations, () => peer.get(keyOf(id++))) };
}

/** Full, so that every new key evicts one. */
class FullShard {
  static readonly title = 'evicting insert in the owner';
  readonly name: string;
  readonly #lone: LoneShard;

  constructor(entries: number, type: FilterName | false) {
    this.name = `${FullShard.title}, ${type || WITHOUT}`;
    this.#lone = new LoneShard({
      entriesMax: entries,
      bytesMax: entries * ENTRY_BYTES,
      eviction: 'lru',
      value: VALUE,
      keyOf,
      filter: type,
    });
    this.#lone.fill(entries * 2);
  }

  measure(sliceMs: number): number {
    let elapsedMs = 0;
    let sets = 0;
    while (elapsedMs < sliceMs) {
      const frame = this.#lone.nextFrame();
      const startMs = performance.now();
      this.#lone.apply(frame);
      elapsedMs += performance.now() - startMs;
      sets += FRAME_CALLS;
    }
    return (elapsedMs * NS_PER_MS) / sets;
  }
}
