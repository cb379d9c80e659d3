/** What `shardstash profile` may be told: the arguments, their help, and every mistake in them. */
import type { ProfileOptions } from '../stores/index.ts';
import { parseArguments, wholeNumber } from './arguments.ts';
import { UsageError } from './command.ts';

export type ProfileFormat = 'text' | 'csv' | 'json' | 'markdown';

export interface ProfileArguments {
  readonly options: ProfileOptions;
  readonly format: ProfileFormat;
  /** A file for the report; undefined for standard output. */
  readonly output: string | undefined;
}

const OPTIONS = {
  engine: { type: 'string' },
  compression: { type: 'string' },
  base64: { type: 'string' },
  serializer: { type: 'string' },
  size: { type: 'string' },
  iterations: { type: 'string' },
  root: { type: 'string' },
  url: { type: 'string' },
  output: { type: 'string' },
  csv: { type: 'boolean' },
  json: { type: 'boolean' },
  markdown: { type: 'boolean' },
} as const;

const FORMATS = ['csv', 'json', 'markdown'] as const;

export const PROFILE_HELP = `Usage: shardstash profile [options]

Measures the engines of stores with every encoding that is asked for, on this machine: how long it takes to encode a key and a
value, to write and to read them, and what is stored of them. Each combination is a store of its own in a new folder, which is
removed at the end. What is missing, a package or a server, is said in the table.

What is measured, with commas between
  --engine NAMES        file, memory, log, sqlite, ... (default: file,memory)
  --compression NAMES   of false, true, zlib, gzip, brotli, deflate-raw, zstd, lz4 (default: false)
  --serializer NAMES    of msgpack, json, v8, raw (default: msgpack)
  --base64 BOOLEANS     true, false or both (default: false)
  --size BYTES          of the values as JSON (default: 1000,10000,100000)

How
  --iterations N        how often each is measured (default: 5)
  --root DIR            a folder on the disk to be measured (default: that for temporary files)
  --url URL             of the Redis to be measured (default: redis://127.0.0.1:6379)

The report
  --csv                 a row for each measurement, times in seconds and sizes in bytes
  --json                the same as a list of objects
  --markdown            the same as a table
  --output FILE         where it is written (default: standard output)

The table for people has the median of each, and how many times as long as the fastest it takes. Reads come right after the
writes: what is measured is the engine, not the disk.
Exit codes: 0 done, 1 the folder or the file cannot be written, 2 wrong usage, 130 interrupted.
`;

/** Throws UsageError. Names are checked by the profile itself. */
export function parseProfileOptions(args: string[]): ProfileArguments {
  const { values, positionals } = parseArguments(args, OPTIONS);
  if (positionals.length > 0) {
    throw new UsageError(`Unexpected argument '${positionals[0]}'`);
  }
  const formats = FORMATS.filter((format) => values[format] === true);
  if (formats.length > 1) {
    throw new UsageError(`One format at a time, got ${formats.map((format) => `--${format}`).join(' and ')}`);
  }
  if (values.output === '') {
    throw new UsageError('The name of the output is empty');
  }
  const options = {
    engine: wordsOf('engine', values.engine),
    compression: wordsOf('compression', values.compression)?.map(flagOrWord),
    serializer: wordsOf('serializer', values.serializer),
    base64: wordsOf('base64', values.base64)?.map(flagOf),
    size: wordsOf('size', values.size)?.map((word) => wholeNumber('size', word, 1)),
    iterations: wholeNumber('iterations', values.iterations, 1),
    root: values.root,
    url: values.url,
  };
  return { options: options as ProfileOptions, format: formats[0] ?? 'text', output: values.output };
}

function wordsOf(name: string, text: string | undefined): string[] | undefined {
  const words = text?.split(',').map((word) => word.trim());
  if (words?.includes('')) {
    throw new UsageError(`--${name} takes one or more with commas between, got '${text}'`);
  }
  return words;
}

function flagOrWord(word: string): boolean | string {
  return word === 'true' || word === 'false' ? word === 'true' : word;
}

function flagOf(word: string): boolean {
  if (word !== 'true' && word !== 'false') {
    throw new UsageError(`--base64 takes true, false or both, got '${word}'`);
  }
  return word === 'true';
}
