/**
 * How fast is a store, engine by engine, beside a plain use of the same engine?
 *
 * Small objects under random keys that are all there: a get awaited one by one, a set awaited one by one, and sets with 1,024
 * in flight, and setMany where an engine commits in batches. Then bytes of 118 kB as they are. Beside each the
 * few lines that one writes without a store (peers/plain-stores.ts), and the rate that was asked for where one was.
 */
import { openStore, type Store, type StoreOptions } from 'shardstash/store';
import { LOOPBACK, type RedisServer, startRedis } from '../test/support/redis-server.ts';
import { openPlain, type PlainName, type PlainStore } from './peers/plain-stores.ts';
import { askedRate } from './support/asked.ts';
import type { Bench, Report, RunOptions } from './support/bench.ts';
import { type Figure, pick } from './support/figure.ts';
import { at, keysOf, uniformIds } from './support/keys.ts';
import { inFlight, type Load, measureLoads } from './support/load.ts';
import { compare, type Ratio } from './support/ratio.ts';
import { type Pace, paceOf } from './support/rounds.ts';

const ENGINES = ['memory', 'file', 'json', 'log', 'disk', 'lmdb', 'sqlite', 'redis'] as const;
type EngineName = (typeof ENGINES)[number];

const ENTRIES = 100_000;
const QUICK_ENTRIES = 2_000;
/** Each of its sets writes everything, in one file. */
const JSON_ENTRIES = 500;
const IN_FLIGHT = 1_024;
const LARGE_ENTRIES = 64;
const LARGE_BYTES = 118_000;

/** A second, as asked for. The bytes a second of large values are those of raw ones. */
const LOADS = ['get', 'set', 'set of a new key', 'sets in flight', 'setMany in order'] as const;
const GOALS: Partial<Record<`${EngineName} ${(typeof LOADS)[number]}`, number>> = {
  'lmdb get': 300_000,
  'lmdb sets in flight': 100_000,
  'lmdb setMany in order': 100_000,
  'sqlite get': 100_000,
  'sqlite set': 30_000,
  'log get': 100_000,
  'log set': 100_000,
  'file get': 27_000,
  'file set': 16_000,
  'file set of a new key': 16_000,
};
const LARGE_BYTES_PER_SECOND = 500e6;

interface Contender {
  readonly name: string;
  get(key: string): unknown;
  set(key: string, value: unknown): unknown;
}

export const stores: Bench = {
  question: 'How fast is a store, engine by engine, beside a plain use of the same engine?',

  async run(options: RunOptions): Promise<Report> {
    const redis = await startRedis();
    const figures: Figure[] = [];
    const ratios: Ratio[] = [];
    try {
      for (const engine of ENGINES) {
        if (engine === 'redis' && redis === undefined) continue;
        options.progress(`engine ${engine}`);
        const measured = await measureEngine(engine, redis, options);
        figures.push(...measured.figures);
        ratios.push(...measured.ratios);
      }
    } finally {
      await redis?.stop();
    }
    return {
      setup: {
        entries: options.quick ? QUICK_ENTRIES : ENTRIES,
        'entries of json': JSON_ENTRIES,
        values: '{ id, name, active, score }, and Buffers of 118 kB with the serializer raw',
        durability: 'acknowledged writes survive the end of the process, not of the machine, ours and plain',
      },
      figures,
      ratios,
      notes: redis === undefined ? ['redis-server is not installed: the rows of redis are left out.'] : [],
    };
  },
};

async function measureEngine(
  engine: EngineName,
  redis: RedisServer | undefined,
  options: RunOptions,
): Promise<{ figures: Figure[]; ratios: Ratio[] }> {
  const pace = paceOf(options);
  const entries = engine === 'json' ? JSON_ENTRIES : options.quick ? QUICK_ENTRIES : ENTRIES;
  const extra = engine === 'redis' ? { url: `redis://${LOOPBACK}:${redis?.port}` } : {};
  const store = await openStore.tmp<unknown>({ engine, ...extra, name: 'small' });
  const plain = engine === 'disk' ? undefined : await openPlain(engine as PlainName, redis?.port);
  const ours: Contender = { name: engine, get: (key) => store.get(key), set: (key, value) => store.set(key, value) };
  const contenders = plain === undefined ? [ours] : [ours, plain];
  try {
    const keys = keysOf(entries);
    for (const contender of contenders) await fill(contender, store, keys);
    const loads = contenders.flatMap((contender) => loadsOf(contender, engine, keys));
    if (engine === 'lmdb') loads.push(batches(store, keys));
    const figures = await measureLoads(loads, pace);
    const large = await measureLarge(engine, extra, pace, redis);
    return { figures: [...figures, ...large.figures], ratios: [...ratiosOf(engine, figures, plain), ...large.ratios] };
  } finally {
    await plain?.close();
    await store.clear();
    await store.close();
  }
}

async function fill(contender: Contender, store: Store<unknown>, keys: readonly string[]): Promise<void> {
  if (contender.name.startsWith('plain')) {
    // All of json's would be written as often as there are entries.
    const shown = contender.name === 'plain json' ? keys.slice(0, JSON_ENTRIES) : keys;
    await inFlight(IN_FLIGHT, shown.length, (i) => contender.set(shown[i] as string, record(i)));
  } else {
    await store.setMany(keys.map((key, i) => [key, record(i)] as const));
  }
}

function record(id: number): unknown {
  return { id, name: `name ${id}`, active: id % 2 === 0, score: id / 7 };
}

function loadsOf(contender: Contender, engine: EngineName, keys: readonly string[]): Load[] {
  const ids = uniformIds(keys.length);
  const keyAt = (i: number) => keys[at(ids, i)] as string;
  let next = 0;
  const loads: Load[] = [
    {
      name: `get: ${contender.name}`,
      run: async (operations) => {
        for (let i = 0; i < operations; i++) await contender.get(keyAt(next++));
      },
    },
    {
      name: `sets in flight: ${contender.name}`,
      run: async (operations) =>
        await inFlight(IN_FLIGHT, operations, () => contender.set(keyAt(next++), record(next))),
    },
  ];
  // One at a time these wait for a commit, a round trip or a whole file each: thousands would take minutes.
  if (!['lmdb', 'json', 'redis'].includes(engine)) {
    loads.push({
      name: `set: ${contender.name}`,
      run: async (operations) => {
        for (let i = 0; i < operations; i++) await contender.set(keyAt(next++), record(next));
      },
    });
  }
  if (engine === 'file') {
    // To rename a file over another makes some file systems write it back at once.
    let made = 0;
    loads.push({
      name: `set of a new key: ${contender.name}`,
      run: async (operations) => {
        for (let i = 0; i < operations; i++) await contender.set(`new:${made++}`, record(made));
      },
    });
  }
  return loads;
}

/** Keys that lie beside each other in the tree, as whoever fills a store has them: a commit writes few pages. */
function batches(store: Store<unknown>, keys: readonly string[]): Load {
  let next = 0;
  return {
    name: 'setMany in order: lmdb',
    run: async (operations) => {
      for (let done = 0; done < operations; done += IN_FLIGHT) {
        const batch = Array.from(
          { length: IN_FLIGHT },
          () => [keys[next++ % keys.length] as string, record(next)] as const,
        );
        await store.setMany(batch);
      }
    },
  };
}

function ratiosOf(engine: EngineName, figures: readonly Figure[], plain: PlainStore | undefined): Ratio[] {
  return LOADS.flatMap((what) => {
    if (!figures.some(({ name }) => name === `${what}: ${engine}`)) return [];
    const ours = pick(figures, `${what}: ${engine}`);
    const asked = GOALS[`${engine} ${what}`];
    const goal =
      asked === undefined ? [] : [compare(ours, askedRate(asked, ours), { what: `${engine}: ${what}`, reach: 1 })];
    const theirs = figures.find(({ name }) => name === `${what}: ${plain?.name}`);
    const beside = theirs === undefined ? [] : [compare(ours, theirs, { what: `${engine}: ${what}` })];
    return [...goal, ...beside];
  });
}

/** Buffers as they are. Only for the engines that somebody would give them to. */
async function measureLarge(
  engine: EngineName,
  extra: StoreOptions,
  pace: Pace,
  redis: RedisServer | undefined,
): Promise<{ figures: Figure[]; ratios: Ratio[] }> {
  if (engine === 'json' || (engine === 'redis' && redis === undefined)) return { figures: [], ratios: [] };
  const store = await openStore.tmp<Buffer>({ engine, ...extra, serializer: 'raw', name: 'large' });
  const value = Buffer.alloc(LARGE_BYTES, 'x');
  const keys = keysOf(LARGE_ENTRIES);
  try {
    await store.setMany(keys.map((key) => [key, value] as const));
    let next = 0;
    const keyAt = () => keys[next++ % LARGE_ENTRIES] as string;
    const figures = await measureLoads(
      [
        {
          name: `get of 118 kB: ${engine}`,
          run: async (operations) => {
            for (let i = 0; i < operations; i++) await store.get(keyAt());
          },
        },
        {
          name: `sets of 118 kB, 64 in flight: ${engine}`,
          run: async (operations) => await inFlight(LARGE_ENTRIES, operations, () => store.set(keyAt(), value)),
        },
      ],
      pace,
    );
    const ratios = figures.map((ours) => {
      const goal = askedRate(Math.round(LARGE_BYTES_PER_SECOND / LARGE_BYTES), ours);
      return compare(ours, goal, {
        what: ours.name,
        against: '500 MB a second',
        ...(engine === 'lmdb' && ours.name.startsWith('get') ? { reach: 1 } : {}),
      });
    });
    return { figures, ratios };
  } finally {
    await store.clear();
    await store.close();
  }
}
