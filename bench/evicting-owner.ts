/**
 * How does the time that the owner spends on an evicting set grow from ten thousand entries to ten million?
 *
 * The shard's core runs in this thread, without lanes or ports, and is handed frames as a lane makes them; only the time
 * within it counts. Under FIFO the victims lie in memory in the order in which they came. Under LRU the order has been
 * shuffled by hits, so that every victim lies elsewhere. A walk along a random cycle in a plain typed array of as many
 * bytes says what the machine's memory alone makes of such a difference in size.
 */
import { monotonic } from '../src/protocol/clock.ts';
import { FrameWriter } from '../src/protocol/frame.ts';
import { KeyEncoder } from '../src/protocol/key.ts';
import { reserveShard, ShardMemory } from '../src/protocol/memory.ts';
import { OP_SET } from '../src/protocol/operations.ts';
import { Dispatch } from '../src/worker/dispatch.ts';
import { policies } from '../src/worker/eviction/index.ts';
import { FrameClock } from '../src/worker/frame-clock.ts';
import { Shard } from '../src/worker/shard.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { keyOf, shuffled } from './support/keys.ts';
import { compare, type Goals, type Ratio } from './support/ratio.ts';
import { measureInRounds, paceOf } from './support/rounds.ts';
import { formatCount } from './support/table.ts';
import { Walk } from './support/walk.ts';

const ENTRIES_FEW = 10_000;
const ENTRIES_MANY = 10_000_000;
const QUICK_ENTRIES_MANY = 500_000;
/** As many calls as leave a lane early, in one frame. */
const FRAME_CALLS = 512;
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
  readonly #memory: ShardMemory;
  readonly #shard: Shard;
  readonly #dispatch: Dispatch;
  readonly #writer = new FrameWriter();
  readonly #key = new KeyEncoder({ low: 1, high: 2 });
  #id = 0;
  #setsSinceShuffle = 0;

  constructor(name: string, entries: number, eviction: 'fifo' | 'lru') {
    this.name = name;
    this.#entries = entries;
    const limits = { bytesMax: entries * ENTRY_BYTES, entriesMax: entries };
    this.#memory = new ShardMemory(reserveShard(limits));
    const clock = new FrameClock(monotonic);
    this.#shard = new Shard(limits, this.#memory, policies[eviction], clock);
    this.#dispatch = new Dispatch(this.#shard, this.#memory, clock);
    while (this.#id < entries) {
      this.#apply(this.#nextFrame());
    }
    this.#shuffle();
  }

  measure(sliceMs: number): number {
    let elapsedMs = 0;
    let sets = 0;
    while (elapsedMs < sliceMs) {
      if (this.#setsSinceShuffle >= this.#entries) {
        this.#shuffle();
      }
      const frame = this.#nextFrame();
      const startMs = performance.now();
      this.#apply(frame);
      elapsedMs += performance.now() - startMs;
      sets += FRAME_CALLS;
    }
    if (this.#shard.entries !== this.#entries) {
      throw new Error(`${this.name}: ${this.#shard.entries} entries where each set should have evicted one`);
    }
    return (elapsedMs * NS_PER_MS) / sets;
  }

  #apply(frame: Uint8Array): void {
    const acknowledged = this.#dispatch.call(frame);
    if (acknowledged !== FRAME_CALLS) {
      throw new Error(`${this.name}: a frame of ${FRAME_CALLS} sets did not go well`);
    }
    this.#setsSinceShuffle += FRAME_CALLS;
  }

  #nextFrame(): Uint8Array {
    for (let i = 0; i < FRAME_CALLS; i++) {
      this.#key.encode(keyOf(this.#id++));
      this.#writer.add(OP_SET, this.#key, 0, 0, VALUE, VALUE.length);
    }
    return this.#writer.seal();
  }

  /** Hits every live entry in random order. FIFO does not listen, and keeps the order in which they came. */
  #shuffle(): void {
    const { policy } = this.#shard;
    for (const slot of shuffled(this.#entries)) {
      if ((this.#memory.slots[slot] as number) > 0) {
        policy.hit(slot);
      }
    }
    this.#setsSinceShuffle = 0;
  }
}
