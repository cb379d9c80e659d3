/** What `shardstash replay` may be told: the arguments, their help, and every mistake in them that the cache does not name. */
import type { CacheOptions } from '../index.ts';
import { defaultShards, simulatedPolicies } from '../simulation.ts';
import { type AdviseOptions, DEFAULT_VALUE_BYTES } from './advise-options.ts';
import { type Arguments, compact, parseArguments, sizeOf, traceOf, wholeNumber } from './arguments.ts';
import { parseSize } from './capacities.ts';
import { UsageError } from './command.ts';
import { ZIPF } from './workload.ts';

export interface ReplayOptions {
  /** A path, '-', or undefined for the workload. */
  readonly trace: string | undefined;
  readonly cache: CacheOptions;
  readonly concurrency: number;
  readonly limit: number;
  readonly valueBytes: number;
  readonly expires: boolean;
  readonly strict: boolean;
  readonly json: boolean;
  /** What to simulate instead of a replay; undefined to replay. */
  readonly comparison: AdviseOptions | undefined;
}

/** More clients than a lane queues calls would only be told OVERLOADED. */
const CONCURRENCY_MAX = 65_536;
const DEFAULT_CONCURRENCY = 64;
/** The cache's own, which a comparison opens none to ask. */
const BYTES_DEFAULT = '256mb';
/** A tenth of the workload's keys: small enough to have to choose, large enough to be worth having. */
const WORKLOAD_ENTRIES = ZIPF.keys / 10;

const OPTIONS = {
  shards: { type: 'string' },
  'max-bytes': { type: 'string' },
  'max-entries': { type: 'string' },
  eviction: { type: 'string' },
  reads: { type: 'string' },
  concurrency: { type: 'string' },
  limit: { type: 'string' },
  'value-size': { type: 'string' },
  'no-ttl': { type: 'boolean' },
  strict: { type: 'boolean' },
  compare: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

export const REPLAY_HELP = `Usage: shardstash replay [options] [trace]

Replays requests against a cache: each is a get and, on a miss, a set. Reports hit ratio, speed, latencies and memory.

A trace is text with one request a line: key, key and size, or key, size and TTL in seconds, with blanks between.
It may be gzipped, and - is standard input. Without a trace the requests are made up: ${millions(ZIPF.requests)} over ${millions(ZIPF.keys)} keys,
Zipf with exponent ${ZIPF.exponent}, the same in every run, and the cache takes ${WORKLOAD_ENTRIES.toLocaleString('en-US')} entries unless told otherwise.

The cache
  --shards N          threads that share the keys      (default: one less than the cores, at most 8)
  --max-bytes SIZE    ceiling of memory, 64mb or bytes (default: 256mb)
  --max-entries N     ceiling of entries               (default: none for a trace)
  --eviction NAME     which entry goes: as3-fifo, s3-fifo, w-tinylfu, arc, sieve, clock, lru,
                      lfu, mfu, fifo, random or none (default: as3-fifo)
  --reads MODE        shared: a get looks into shared memory; owner: it asks the shard's thread (default: shared)

The requests
  --concurrency N     requests under way at once       (default: ${DEFAULT_CONCURRENCY})
  --limit N           stop after so many requests
  --value-size BYTES  of a value without a size        (default: ${DEFAULT_VALUE_BYTES})
  --no-ttl            ignore the TTLs of the trace
  --strict            stop at the first bad line, exit code 2; else bad lines are counted and the first ones named

Instead
  --compare           simulate every policy with these bounds, without a cache: shardstash advise at one size, where
                      nothing expires

The report
  --json              one JSON object on standard output

Exit codes: 0 done, 1 the trace cannot be read or is none, 2 wrong usage or --strict, 130 interrupted.
`;

/** Throws UsageError. */
export function parseReplayOptions(args: string[]): ReplayOptions {
  const { values, positionals } = parseArguments(args, OPTIONS);
  const trace = traceOf(positionals);
  const isBounded = values['max-bytes'] !== undefined || values['max-entries'] !== undefined;
  const given = wholeNumber('max-entries', values['max-entries'], 1);
  const maxEntries = trace === undefined && !isBounded ? WORKLOAD_ENTRIES : given;
  const options = {
    trace,
    cache: compact({
      shards: wholeNumber('shards', values.shards, 1),
      maxBytes: sizeOf(values['max-bytes']),
      maxEntries,
      // Names are checked by the cache, which knows them.
      eviction: values.eviction as CacheOptions['eviction'],
      reads: values.reads as CacheOptions['reads'],
    }),
    concurrency: wholeNumber('concurrency', values.concurrency, 1, CONCURRENCY_MAX) ?? DEFAULT_CONCURRENCY,
    limit: wholeNumber('limit', values.limit, 1) ?? Number.MAX_SAFE_INTEGER,
    valueBytes: wholeNumber('value-size', values['value-size'], 0) ?? DEFAULT_VALUE_BYTES,
    expires: values['no-ttl'] !== true,
    strict: values.strict === true,
    json: values.json === true,
  };
  return { ...options, comparison: values.compare === true ? comparisonOf(options, values) : undefined };
}

/** All policies with the one bound that was given, or the cache's default. */
function comparisonOf(
  options: Omit<ReplayOptions, 'comparison'>,
  values: Arguments<typeof OPTIONS>['values'],
): AdviseOptions {
  const idle = (['eviction', 'reads', 'concurrency', 'no-ttl'] as const).find((name) => values[name] !== undefined);
  if (idle !== undefined) {
    throw new UsageError(`--compare simulates every policy and opens no cache: leave out --${idle}`);
  }
  const { trace, cache, limit, valueBytes, strict, json } = options;
  const { maxEntries, shards = defaultShards(maxEntries) } = cache;
  if (maxEntries !== undefined && values['max-bytes'] !== undefined) {
    throw new UsageError('--compare takes --max-entries or --max-bytes, not both');
  }
  const size =
    maxEntries === undefined ? parseSize('max-bytes', values['max-bytes'] ?? BYTES_DEFAULT) : { amount: maxEntries };
  return {
    ...{ trace, limit, valueBytes, strict },
    policies: simulatedPolicies,
    capacities: { unit: maxEntries === undefined ? 'bytes' : 'entries', sizes: [size] },
    shards: [shards],
    target: undefined,
    requestsPerSecond: undefined,
    threads: undefined,
    format: json ? 'json' : 'text',
  };
}

function millions(value: number): string {
  return `${value / 1e6} M`;
}
