/** What `shardstash load` may be told: the arguments, their help, and every mistake in them that the cache does not name. */
import { availableParallelism } from 'node:os';
import type { CacheOptions } from '../index.ts';
import { compact, parseArguments, sizeOf, wholeNumber } from './arguments.ts';
import { UsageError } from './command.ts';
import { VALUE_LETTERS_MIN } from './load-values.ts';

export interface LoadOptions {
  readonly cache: CacheOptions;
  readonly threads: number;
  readonly operations: number;
  /** The share of gets. */
  readonly readShare: number;
  /** Of Zipf's law; 0 draws all keys alike. */
  readonly exponent: number;
  readonly keys: number;
  /** Letters, which are bytes. */
  readonly valueLength: number;
  /** Operations a second, of all threads; undefined: each as soon as the one before is done. */
  readonly rate: number | undefined;
  readonly killEveryMs: number | undefined;
  readonly fills: boolean;
  /** Whether gets are getSync. */
  readonly sync: boolean;
  readonly seed: number;
  readonly json: boolean;
}

const THREADS_MAX = 256;
const DEFAULT_THREADS_MAX = 8;
const DEFAULT_OPERATIONS = 1_000_000;
const DEFAULT_READ_SHARE = 0.9;
const DEFAULT_EXPONENT = 0.99;
const EXPONENT_MAX = 10;
const DEFAULT_KEYS = 100_000;
const KEYS_MAX = 2 ** 31 - 1;
const DEFAULT_VALUE_LENGTH = 100;
const VALUE_LENGTH_MAX = 2 ** 28;
const DEFAULT_SEED = 42;
const SEED_MAX = 2 ** 32 - 1;
/** A shard that is killed before it serves again was not under load. */
const KILL_EVERY_MS_MIN = 100;
const TIMER_MAX_MS = 2 ** 31 - 1;
const DECIMAL = /^\d+(?:\.\d+)?(?:e\d+)?$/i;
const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m)?$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

const OPTIONS = {
  threads: { type: 'string' },
  ops: { type: 'string' },
  read: { type: 'string' },
  zipf: { type: 'string' },
  keys: { type: 'string' },
  'value-size': { type: 'string' },
  rate: { type: 'string' },
  'kill-every': { type: 'string' },
  'no-fill': { type: 'boolean' },
  sync: { type: 'boolean' },
  shards: { type: 'string' },
  'max-bytes': { type: 'string' },
  'max-entries': { type: 'string' },
  eviction: { type: 'string' },
  reads: { type: 'string' },
  seed: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const LOAD_HELP = `Usage: shardstash load [options]

Drives one cache from many threads at once: gets of keys as Zipf draws them and, after a miss, a set of that key; and
sets. Every value says which key and which write it is of, and every value that is read is checked. Reports throughput,
latencies, hit ratio, errors, and how late this thread's event loop was.

The load
  --threads N         threads that use the cache, one call at a time each (default: as many as cores, at most ${DEFAULT_THREADS_MAX})
  --ops N             calls, of all threads            (default: ${DEFAULT_OPERATIONS.toLocaleString('en-US')})
  --read RATIO        share of gets, 0 to 1            (default: ${DEFAULT_READ_SHARE})
  --zipf EXPONENT     how uneven, 0: all keys alike    (default: ${DEFAULT_EXPONENT})
  --keys N            keys to draw from                (default: ${DEFAULT_KEYS.toLocaleString('en-US')})
  --value-size BYTES  of each value                    (default: ${DEFAULT_VALUE_LENGTH})
  --rate N            calls a second, of all threads; latencies count from when a call was due
                      (default: each as soon as the one before is done)
  --kill-every TIME   kill the thread of a shard every so often, 2s or 500ms
  --sync              getSync instead of get
  --no-fill           begin with an empty cache; else every key is stored once before
  --seed N            of keys and hashes               (default: ${DEFAULT_SEED})

The cache
  --shards N          threads that share the keys      (default: one less than the cores, at most 8)
  --max-bytes SIZE    ceiling of memory, 64mb or bytes (default: 256mb)
  --max-entries N     ceiling of entries               (default: none)
  --eviction NAME     which entry goes: as3-fifo, s3-fifo, w-tinylfu, arc, sieve, clock, lru,
                      lfu, mfu, fifo, random or none (default: as3-fifo)
  --reads MODE        shared: a get looks into shared memory; owner: it asks the shard's thread (default: shared)

The report
  --json              one JSON object on standard output

Exit codes: 0 done, 1 a value was wrong or the load could not go on, 2 wrong usage, 130 interrupted.
`;

/** Throws UsageError. */
export function parseLoadOptions(args: string[]): LoadOptions {
  const { values, positionals } = parseArguments(args, OPTIONS);
  const [stranger] = positionals;
  if (stranger !== undefined) {
    throw new UsageError(`A load takes options alone, got '${stranger}'`);
  }
  const killEveryMs = durationOf('kill-every', values['kill-every']);
  const seed = wholeNumber('seed', values.seed, 0, SEED_MAX) ?? DEFAULT_SEED;
  return {
    cache: compact({
      shards: wholeNumber('shards', values.shards, 1),
      maxBytes: sizeOf(values['max-bytes']),
      maxEntries: wholeNumber('max-entries', values['max-entries'], 1),
      // Names are checked by the cache, which knows them.
      eviction: values.eviction as CacheOptions['eviction'],
      reads: values.reads as CacheOptions['reads'],
      // Whoever kills asks for more deaths than a cache forgives.
      crashBudget: killEveryMs === undefined ? undefined : Number.POSITIVE_INFINITY,
      seed,
    }),
    threads: wholeNumber('threads', values.threads, 1, THREADS_MAX) ?? defaultThreads(),
    operations: wholeNumber('ops', values.ops, 1) ?? DEFAULT_OPERATIONS,
    readShare: decimal('read', values.read, 'a ratio from 0 to 1', 0, 1) ?? DEFAULT_READ_SHARE,
    exponent:
      decimal('zipf', values.zipf, `an exponent from 0 to ${EXPONENT_MAX}`, 0, EXPONENT_MAX) ?? DEFAULT_EXPONENT,
    keys: wholeNumber('keys', values.keys, 1, KEYS_MAX) ?? DEFAULT_KEYS,
    valueLength:
      wholeNumber('value-size', values['value-size'], VALUE_LETTERS_MIN, VALUE_LENGTH_MAX) ?? DEFAULT_VALUE_LENGTH,
    rate: decimal('rate', values.rate, 'a positive number of calls a second', Number.MIN_VALUE, Number.MAX_VALUE),
    killEveryMs,
    fills: values['no-fill'] !== true,
    sync: values.sync === true,
    seed,
    json: values.json === true,
  };
}

function defaultThreads(): number {
  return Math.min(DEFAULT_THREADS_MAX, availableParallelism());
}

function decimal(
  name: string,
  text: string | undefined,
  expected: string,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    throw new UsageError(`--${name} takes ${expected}, got '${text}'`);
  }
  return value;
}

function durationOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  const match = DURATION.exec(text);
  const ms = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? 'ms'] as number);
  if (!(ms >= KILL_EVERY_MS_MIN && ms <= TIMER_MAX_MS)) {
    throw new UsageError(`--${name} takes a duration like 2s or 500ms, from ${KILL_EVERY_MS_MIN} ms, got '${text}'`);
  }
  return ms;
}
