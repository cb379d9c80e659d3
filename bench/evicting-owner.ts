/**
 * How does the time that the owner spends on an evicting set grow from ten thousand entries to ten million?
 *
 * The shard's core runs in this thread, without lanes or ports, and is handed frames as a lane makes them; only the time
 * within it counts. Under FIFO the victims lie in memory in the order in which they came. Under LRU the order has been
 * shuffled by hits, so that every victim lies elsewhere. A walk along a random cycle in a plain typed array of as many
 * bytes says what the machine's memory alone makes of such a difference in size.
 */
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { keyOf, shuffled } from './support/keys.ts';
import { FRAME_CALLS, LoneShard } from './support/lone-shard.ts';
import { compare, type Goals, type Ratio } from './support/ratio.ts';
import { measureInRounds, paceOf } from './support/rounds.ts';
import { formatCount } from './support/table.ts';
import { Walk } from './support/walk.ts';

const ENTRIES_FEW = 10_000;
const ENTRIES_MANY = 10_000_000;
const QUICK_ENTRIES_MANY = 500_000;
const VALUE = Buffer.alloc(32, 'v');
/** What an entry of this size takes, columns included, rounded up to a power of two: the step of the walk. */
const ENTRY_BYTES = 128;
const NS_PER_MS = 1e6;
const GOALS: Goals = { reach: 4, andThen: 2 };

/** Something that can be measured for a while at a size. */
interface Contender {
  readonly name: string;
  /** Runs until it has spent `sliceMs`, and returns the nanoseconds of one operation. */
  measure(sliceMs: number): number;
}

export const evictingOwner: Bench = {
  question: 'How does the time that the owner spends on an evicting set grow from ten thousand entries to ten million?',

  async run(options: RunOptions): Promise<Report> {
    const many = options.quick ? QUICK_ENTRIES_MANY : ENTRIES_MANY;
    const figures: Figure[] = [];
    const ratios: Ratio[] = [];
    const kinds: readonly { title: string; goals: Goals; create: (name: string, entries: number) => Contender }[] = [
      { title: 'evicting set in the owner, FIFO', goals: GOALS, create: (name, n) => new FullShard(name, n, 'fifo') },
      {
        title: 'evicting set in the owner, shuffled LRU',
        goals: GOALS,
        create: (name, n) => new FullShard(name, n, 'lru'),
      },
      { title: 'plain typed-array walk', goals: {}, create: (name, n) => new Walk(name, n, ENTRY_BYTES) },
    ];
    // One kind after the other: two shards of ten million entries at once would need twice the memory.
    for (const { title, goals, create } of kinds) {
      options.progress(`filling for: ${title}`);
      const [fewName, manyName] = [
        `${title}, ${formatCount(ENTRIES_FEW)} entries`,
        `${title}, ${formatCount(many)} entries`,
      ];
      const contenders = [create(fewName, ENTRIES_FEW), create(manyName, many)];
      options.progress(`measuring ${title}`);
      const { rounds, sliceMs } = paceOf(options);
      figures.push(...(await measureInRounds(contenders, rounds, async (each) => each.measure(sliceMs))));
      const against = `itself at ${formatCount(ENTRIES_FEW)}`;
      ratios.push(compare(pick(figures, manyName), pick(figures, fewName), { what: manyName, against, ...goals }));
    }
    return {
      setup: {
        entries: `${formatCount(ENTRIES_FEW)}; ${formatCount(many)}`,
        values: `${VALUE.length} bytes`,
        distribution: 'every key is new',
      },
      figures,
      ratios,
      notes: ['The walk makes one dependent load a step; a set makes several.'],
    };
  },
};

class FullShard implements Contender {
  readonly name: string;
  readonly #entries: number;
  readonly #lone: LoneShard;
  #setsSinceShuffle = 0;

  constructor(name: string, entries: number, eviction: 'fifo' | 'lru') {
    this.name = name;
    this.#entries = entries;
    this.#lone = new LoneShard({
      entriesMax: entries,
      bytesMax: entries * ENTRY_BYTES,
      eviction,
      value: VALUE,
      keyOf,
    });
    this.#lone.fill(entries);
    this.#shuffle();
  }

  measure(sliceMs: number): number {
    let elapsedMs = 0;
    let sets = 0;
    while (elapsedMs < sliceMs) {
      if (this.#setsSinceShuffle >= this.#entries) {
        this.#shuffle();
      }
      const frame = this.#lone.nextFrame();
      const startMs = performance.now();
      this.#lone.apply(frame);
      elapsedMs += performance.now() - startMs;
      sets += FRAME_CALLS;
      this.#setsSinceShuffle += FRAME_CALLS;
    }
    if (this.#lone.shard.entries !== this.#entries) {
      throw new Error(`${this.name}: ${this.#lone.shard.entries} entries where each set should have evicted one`);
    }
    return (elapsedMs * NS_PER_MS) / sets;
  }

  /** Hits every live entry in random order. FIFO does not listen, and keeps the order in which they came. */
  #shuffle(): void {
    const { shard, memory } = this.#lone;
    for (const slot of shuffled(this.#entries)) {
      if ((memory.slots[slot] as number) > 0) {
        shard.policy.hit(slot);
      }
    }
    this.#setsSinceShuffle = 0;
  }
}
