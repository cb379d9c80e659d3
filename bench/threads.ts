/**
 * How do reads scale with the threads that read, and what does an awaited one cost beside Redis?
 *
 * Two threads that have attached to one cache read it, alone and at once, every key once in random order. Two threads
 * share a machine's memory and caches whatever they do: so beside them, in the same rounds, the same threads walk along a
 * random cycle through plain shared memory of as many bytes, which is what the machine lets two threads gain. A third
 * thread asks a Redis on the loopback, one awaited get at a time.
 */
import { Worker } from 'node:worker_threads';
import type { ReaderBirth, ReaderJob, ReaderKind } from './children/reader-thread.ts';
import { IoredisPeer, REDIS_SKIPPED } from './peers/ioredis.ts';
import { Shardstash } from './peers/shardstash.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, figure, pick } from './support/figure.ts';
import { keysOf } from './support/keys.ts';
import { compare } from './support/ratio.ts';
import { measureInRounds, paceOf } from './support/rounds.ts';
import { type SmallObject, smallObject } from './support/values.ts';
import { cycleOf } from './support/walk.ts';

const ENTRIES = 1_000_000;
const QUICK_ENTRIES = 100_000;
const MAX_BYTES = '512mb';
const READER = new URL('./children/reader-thread.js', import.meta.url);
/** Enough for a message to reach an idle thread. */
const HEAD_START_MS = 5;
/** 0.9 of what the walkers scale to: one over that in time. */
const REACH = 1 / 0.9;

export const threads: Bench = {
  question: 'How do reads scale with the threads that read, and what does an awaited one cost beside Redis?',

  async run(options: RunOptions): Promise<Report> {
    const entries = options.quick ? QUICK_ENTRIES : ENTRIES;
    const ours = await Shardstash.open<SmallObject>({ maxBytes: MAX_BYTES, shards: 1 });
    const redis = await IoredisPeer.start<SmallObject>();
    const readers: Reader[] = [];
    try {
      for (const peer of redis === undefined ? [ours] : [ours, redis]) {
        options.progress(`filling ${peer.name}`);
        await peer.fill(keysOf(entries), smallObject);
      }
      const { memoryBytes } = await ours.cache.metrics();
      const entryBytes = Math.ceil(memoryBytes / entries / 4) * 4;
      const words = cycleOf(entries, entryBytes);
      const start = async (from: number, redisPort?: number) => {
        readers.push(await Reader.start({ handle: ours.cache.handle(), words, entries, from, redisPort }));
      };
      await start(0);
      await start(0.5);
      if (redis !== undefined) {
        await start(0, redis.port);
      }
      options.progress('measuring');
      const { rounds, sliceMs } = paceOf(options);
      const contenders = contendersOf(readers);
      const figures = await measureInRounds(contenders, rounds, (each) => measure(each, sliceMs));
      return {
        setup: {
          entries,
          order: 'every key once, shuffled',
          values: '{ id, name, active }',
          shards: ours.cache.config.shards,
          walkers: `${entryBytes} bytes a step, ${Math.round((entries * entryBytes) / 2 ** 20)} MiB in all`,
        },
        figures: [...figures, ...SCALED.map((kind) => slowdown(figures, kind))],
        ratios: ratiosOf(figures, redis !== undefined),
        notes: [
          'A time is that of one read in its thread. What two at once take more is told as a multiple of one alone.',
          ...(redis === undefined ? [REDIS_SKIPPED] : []),
        ],
      };
    } finally {
      for (const reader of readers) await reader.end();
      await ours.close();
      await redis?.close();
    }
  },
};

interface Contender {
  readonly name: string;
  readonly kind: ReaderKind;
  readonly readers: readonly Reader[];
}

const SCALED = ['walk', 'getSync', 'get'] as const;

function contendersOf([first, second, third]: readonly Reader[]): Contender[] {
  const all = SCALED.flatMap((kind) => [
    { name: nameOf(kind, 1), kind, readers: [first as Reader] },
    { name: nameOf(kind, 2), kind, readers: [first as Reader, second as Reader] },
  ]);
  return third === undefined ? all : [...all, { name: nameOf('ioredis', 1), kind: 'ioredis', readers: [third] }];
}

/** The mean of the threads, which begin at once. */
async function measure({ kind, readers }: Contender, sliceMs: number): Promise<number> {
  const startMs = performance.now() + HEAD_START_MS;
  const all = await Promise.all(readers.map((reader) => reader.measure({ kind, startMs, sliceMs })));
  return all.reduce((sum, each) => sum + each, 0) / all.length;
}

/** How much longer a read takes while the other thread reads, too, by round. */
function slowdown(figures: readonly Figure[], kind: ReaderKind): Figure {
  const alone = pick(figures, nameOf(kind, 1));
  const both = pick(figures, nameOf(kind, 2));
  const rounds = both.rounds.map((each, round) => each / (alone.rounds[round] ?? Number.NaN));
  return figure(`${kind}: two at once, beside one alone`, 'times as long', rounds);
}

function ratiosOf(figures: readonly Figure[], hasRedis: boolean) {
  const walkers = slowdown(figures, 'walk');
  const scaling = (kind: ReaderKind) =>
    compare(slowdown(figures, kind), walkers, {
      what: `${kind} by two threads at once, beside one alone`,
      against: 'plain walkers',
      reach: REACH,
    });
  const get = pick(figures, nameOf('get', 1));
  return [
    scaling('getSync'),
    scaling('get'),
    ...(hasRedis
      ? [compare(get, pick(figures, nameOf('ioredis', 1)), { what: 'awaited get in a client thread' })]
      : []),
  ];
}

function nameOf(kind: ReaderKind, count: number): string {
  return `${kind}, ${count === 1 ? 'one thread' : `${count} threads at once`}`;
}

class Reader {
  readonly #worker: Worker;
  #answered: { resolve(ns: number): void; reject(error: unknown): void } | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (ns: number) => this.#answered?.resolve(ns));
    worker.on('error', (error) => this.#answered?.reject(error));
  }

  static async start(birth: ReaderBirth): Promise<Reader> {
    const worker = new Worker(READER, { workerData: birth, transferList: birth.handle.transfer });
    const reader = new Reader(worker);
    await reader.#answer();
    return reader;
  }

  measure(job: ReaderJob): Promise<number> {
    this.#worker.postMessage(job);
    return this.#answer();
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #answer(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#answered = { resolve, reject };
    });
  }
}
