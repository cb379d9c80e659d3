/** What `shardstash advise` may be told: the arguments, their help, and every mistake in them. */
import { defaultPolicy, simulatedPolicies } from '../simulation.ts';
import { parseArguments, traceOf, wholeNumber } from './arguments.ts';
import { parseSizes, type SizeOptions } from './capacities.ts';
import { UsageError } from './command.ts';
import { type ComparedPolicy, OPTIMUM } from './comparison.ts';

export interface AdviseOptions {
  /** A path, '-', or undefined for the workload. */
  readonly trace: string | undefined;
  readonly policies: readonly ComparedPolicy[];
  readonly capacities: SizeOptions;
  /** Ascending. */
  readonly shards: readonly number[];
  /** A hit ratio that the size should reach. */
  readonly target: number | undefined;
  readonly limit: number;
  readonly valueBytes: number;
  readonly requestsPerSecond: number | undefined;
  readonly strict: boolean;
  readonly threads: number | undefined;
  readonly format: 'text' | 'json' | 'csv';
}

export const DEFAULT_VALUE_BYTES = 100;
const SHARDS_MAX = 256;
const THREADS_MAX = 256;
const DECIMAL = /^\d+(?:\.\d+)?$/;

const OPTIONS = {
  policies: { type: 'string' },
  sizes: { type: 'string' },
  bytes: { type: 'boolean' },
  shards: { type: 'string' },
  target: { type: 'string' },
  limit: { type: 'string' },
  'value-size': { type: 'string' },
  rate: { type: 'string' },
  strict: { type: 'boolean' },
  threads: { type: 'string' },
  json: { type: 'boolean' },
  csv: { type: 'boolean' },
} as const;

export const ADVISE_HELP = `Usage: shardstash advise [options] [trace]

Simulates many caches over the requests of a trace, without storing anything: which policy hits most often, what a
larger cache would gain, and what nobody can beat (${OPTIMUM}: the optimum, which knows the future). Ends with one
recommendation.

A trace is text with one request a line: key, key and size, or key, size and TTL in seconds, with blanks between. It may
be gzipped, and - is standard input. It is read once, and kept as numbers. Without a trace the requests are made up.

The caches
  --policies NAMES    of ${simulatedPolicies.join(', ')};
                      with commas between, or all (default: all)
  --sizes SIZES       1000: entries; 10%: of all keys, or of the bytes of all; 64mb: bytes; with commas between
                      (default: 8 sizes from 0.1 % to 50 %)
  --bytes             count bytes as maxBytes does: key, value and what an entry costs beside
  --shards NUMBERS    threads that would share the keys, with commas between (default: 1)
  --target RATIO      the hit ratio that the size should reach, 0.8 or 80% (default: the knee of the curve)

The requests
  --limit N           stop after so many requests
  --value-size BYTES  of a value without a size (default: ${DEFAULT_VALUE_BYTES})
  --rate N            requests in a second: what the TTLs of the trace are measured with (default: nothing expires)
  --strict            stop at the first bad line, exit code 2; else bad lines are counted and the first ones named

The work
  --threads N         (default: one for each core)

The report
  --json              one JSON object on standard output
  --csv               one row for each cache

Where policies come out within half a point of each other on average, ${defaultPolicy} is recommended: it is the default.
Exit codes: 0 done, 1 the trace cannot be read or is none, 2 wrong usage or --strict, 130 interrupted.
`;

/** Throws UsageError. */
export function parseAdviseOptions(args: string[]): AdviseOptions {
  const { values, positionals } = parseArguments(args, OPTIONS);
  if (values.json === true && values.csv === true) {
    throw new UsageError('--json or --csv, not both');
  }
  return {
    trace: traceOf(positionals),
    policies: policiesOf(values.policies ?? 'all'),
    capacities: parseSizes(values.sizes, values.bytes === true),
    shards: shardsOf(values.shards ?? '1'),
    target: ratioOf(values.target),
    limit: wholeNumber('limit', values.limit, 1) ?? Number.MAX_SAFE_INTEGER,
    valueBytes: wholeNumber('value-size', values['value-size'], 0) ?? DEFAULT_VALUE_BYTES,
    requestsPerSecond: rateOf(values.rate),
    strict: values.strict === true,
    threads: wholeNumber('threads', values.threads, 1, THREADS_MAX),
    format: values.json === true ? 'json' : values.csv === true ? 'csv' : 'text',
  };
}

function policiesOf(text: string): ComparedPolicy[] {
  if (text.trim().toLowerCase() === 'all') {
    return [...simulatedPolicies];
  }
  const names = text.split(',').map((name) => name.trim().toLowerCase());
  const chosen = names.flatMap((name) => {
    const policy = simulatedPolicies.find((candidate) => candidate === name);
    if (policy === undefined && name !== OPTIMUM) {
      throw new UsageError(`--policies takes all, or some of ${simulatedPolicies.join(', ')}, got '${name}'`);
    }
    return policy ?? [];
  });
  if (chosen.length === 0) {
    throw new UsageError(`--policies takes at least one policy: ${OPTIMUM} is none, and always there`);
  }
  return [...new Set(chosen)];
}

function shardsOf(text: string): number[] {
  const counts = text.split(',').map((word) => wholeNumber('shards', word.trim(), 1, SHARDS_MAX) as number);
  return [...new Set(counts)].sort((one, other) => one - other);
}

function ratioOf(text: string | undefined): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  const isPercent = text.endsWith('%');
  const number = isPercent ? text.slice(0, -1).trim() : text;
  const ratio = DECIMAL.test(number) ? Number(number) / (isPercent ? 100 : 1) : Number.NaN;
  if (!(ratio > 0 && ratio <= 1)) {
    throw new UsageError(`--target takes a ratio above 0 and up to 1, or a percentage, got '${text}'`);
  }
  return ratio;
}

function rateOf(text: string | undefined): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  const rate = DECIMAL.test(text) ? Number(text) : Number.NaN;
  if (!(rate > 0 && Number.isFinite(rate))) {
    throw new UsageError(`--rate takes a positive number of requests in a second, got '${text}'`);
  }
  return rate;
}
