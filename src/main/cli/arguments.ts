/** Arguments of a command, read in one way: what is wrong with them is a UsageError of one line. */
import { parseArgs } from 'node:util';
import type { CacheOptions } from '../index.ts';
import { UsageError } from './command.ts';

/** Options as `node:util` has them. */
type Options = Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>;

export interface Arguments<Given extends Options> {
  readonly values: { readonly [Name in keyof Given]?: Given[Name]['type'] extends 'string' ? string : boolean };
  readonly positionals: readonly string[];
}

/** Throws UsageError. */
export function parseArguments<Given extends Options>(args: string[], options: Given): Arguments<Given> {
  try {
    return parseArgs({ args, options, allowPositionals: true }) as unknown as Arguments<Given>;
  } catch (error) {
    // Node goes on to explain how a file could be named like an option.
    const [told = ''] = error instanceof Error ? error.message.split(/\n|\. To specify/) : [];
    throw new UsageError(told.replace(/\.$/, ''));
  }
}

/** The one trace there may be; undefined for none. */
export function traceOf([trace, extra]: readonly string[]): string | undefined {
  if (extra !== undefined) {
    throw new UsageError(`One trace at a time, got '${trace}' and '${extra}'`);
  }
  if (trace === '') {
    throw new UsageError('The name of the trace is empty');
  }
  return trace;
}

export function wholeNumber(
  name: string,
  text: string | undefined,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  const value = /^\d/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new UsageError(`--${name} takes a whole number ${range}, got '${text}'`);
  }
  return value;
}

/** A size as the cache takes it: a number of bytes, or text with a unit, which the cache checks. */
export function sizeOf(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

/** Without what was not given, so that the cache's own defaults stand. */
export function compact(options: { [Name in keyof CacheOptions]: CacheOptions[Name] | undefined }): CacheOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** The options of a cache that the command line has, too. */
const SPOKEN = ['shards', 'maxBytes', 'maxEntries', 'eviction', 'reads', 'threads', 'requestsPerSecond'];

/** An option error of the cache, in the words of the command line: `maxBytes` is --max-bytes here. */
export function asUsageError(error: unknown): unknown {
  const { code, option } = error instanceof Error ? (error as Error & { code?: unknown; option?: unknown }) : {};
  const isMisuse = code === 'INVALID_CONFIG' || code === 'UNKNOWN_PLUGIN';
  // What is wrong with the requests is the trace's fault: no other argument would help.
  if (!isMisuse || !SPOKEN.includes(String(option))) {
    return error;
  }
  const message = (error as Error).message.replace(/`(\w+)`/g, (_, name: string) => `--${kebab(name)}`);
  return new UsageError(message);
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
