/**
 * What a user may ask of a tier, and what it becomes: every default and every option error. What the engine makes of options of
 * its own it says when it is opened. Whatever is wrong is an error of the option `tier`, and its message has the rest of the way.
 */
import {
  type CompressionName,
  type CompressionOption,
  loadCompression,
  resolveCompression,
} from '../../protocol/compression/index.ts';
import type { WriteBehind } from '../../protocol/tier.ts';
import { type EngineModule, type EngineName, type FoundEngine, findEngine } from '../engines/engine-registry.ts';
import { checkName, checkRoot, engineOptionsOf, shownOptions } from '../engines/place.ts';
import { optionError } from '../option-errors.ts';
import type { ResolvedModule } from '../plugin.ts';
import { parseDuration, parseSize } from '../units.ts';

export interface TierOptions {
  /** 'log', 'lmdb', 'sqlite', 'file', 'redis' or any other; one of your own by its registered name, or as `{ module, export }`. */
  readonly engine: EngineName | (string & {}) | EngineModule;
  /** Of the tier, as a store has one: for an engine that keeps a directory the directory's name below `root`. Default 'cache'. */
  readonly name?: string | undefined;
  /**
   * The folder in which it is kept. Default: `$XDG_CACHE_HOME/shardstash`, `%LOCALAPPDATA%\shardstash` or
   * `~/.cache/shardstash`.
   */
  readonly root?: string | undefined;
  /** How values are compressed on their way to the tier; `true` is 'zlib'. Default: as the tier was made, false for a new one. */
  readonly compression?: CompressionOption | undefined;
  /**
   * 'through' (default): a write is acknowledged when the engine has it. 'behind': when it waits for the engine, in a queue from
   * which reads are answered. Deletes always reach the engine first.
   */
  readonly write?: 'through' | 'behind' | undefined;
  /**
   * Of 'behind': when what waits is written at the latest, and so what is lost at most when the process is killed, or ends
   * without `close()`. Milliseconds or '1s' (the default), from 1 ms to 1 h.
   */
  readonly flushInterval?: number | string | undefined;
  /** Of 'behind': how much may wait; a write that finds no room waits for it. Default `{ entries: 65_536, bytes: '64mb' }`. */
  readonly queue?: { readonly entries?: number | undefined; readonly bytes?: number | string | undefined } | undefined;
  /** Acknowledge what the engine writes when it survives the machine's end, not only the process's. Default false. */
  readonly sync?: boolean | undefined;
  /** Others of the engine, as `openStore` takes them. */
  readonly [option: string]: unknown;
}

/** The tier as it is in force: `cache.config.tier`. Options of the engine are there without passwords. */
export interface TierConfig {
  readonly engine: string | ResolvedModule;
  readonly name: string;
  /** Where the engine keeps a directory. */
  readonly root?: string;
  readonly compression: CompressionName | false;
  readonly write: 'through' | 'behind';
  /** Milliseconds; where it is written behind. */
  readonly flushInterval?: number;
  readonly queue?: { readonly entries: number; readonly bytes: number };
  readonly [option: string]: unknown;
}

/** Checked, but for what only the tier that is there can tell: whether it was made so. */
export interface ResolvedTier {
  readonly found: FoundEngine;
  readonly name: string;
  /** Undefined of an engine without a directory. */
  readonly root: string | undefined;
  /** Undefined: as it was made. */
  readonly compression: CompressionName | false | undefined;
  readonly behind: WriteBehind | false;
  readonly engineOptions: Readonly<Record<string, unknown>>;
}

const COMMON = ['engine', 'name', 'root', 'compression', 'write', 'flushInterval', 'queue'];
const DEFAULT_NAME = 'cache';
const DEFAULT_FLUSH_MS = 1_000;
const FLUSH_MS_MAX = 3_600_000;
const DEFAULT_QUEUE_ENTRIES = 65_536;
const QUEUE_ENTRIES_MAX = 2 ** 24;
const DEFAULT_QUEUE_BYTES = 64 * 2 ** 20;
/** How the message of a misuse begins where it is about an option. */
const ABOUT_OPTION = /^Expected `(?!tier\b)/;

/** Undefined for no tier. Rejects with INVALID_CONFIG, UNKNOWN_PLUGIN with the names there are, or MISSING_DEPENDENCY. */
export async function resolveTier(option: unknown): Promise<ResolvedTier | undefined> {
  if (option === undefined || option === false) {
    return undefined;
  }
  if (typeof option !== 'object' || option === null || Array.isArray(option)) {
    throw tierError('an object with `engine`, or false', option);
  }
  try {
    return await resolve(option as Record<string, unknown>);
  } catch (error) {
    throw asTierError(error);
  }
}

/** Frozen, and fit to be given again. */
export function tierConfigOf(tier: ResolvedTier, compression: CompressionName | false): TierConfig {
  const { found, name, root, behind, engineOptions } = tier;
  const { source } = found;
  return Object.freeze({
    ...shownOptions(engineOptions),
    engine: 'module' in source ? Object.freeze({ module: source.module, export: source.export }) : found.name,
    name,
    ...(root === undefined ? {} : { root }),
    compression,
    ...(behind === false
      ? { write: 'through' as const }
      : {
          write: 'behind' as const,
          flushInterval: behind.flushMs,
          queue: Object.freeze({ entries: behind.entriesMax, bytes: behind.bytesMax }),
        }),
  });
}

/** A mistake in an option of a store or of an engine, as one in the option `tier`; anything else as it is. */
export function asTierError(error: unknown): unknown {
  if (error instanceof TypeError && 'option' in error) {
    error.message = error.message.replace(ABOUT_OPTION, 'Expected `tier.');
    error.option = 'tier';
  }
  return error;
}

async function resolve(options: Record<string, unknown>): Promise<ResolvedTier> {
  const found = await findEngine(options['engine']);
  const behind = writeBehind(options);
  if (options['client'] !== undefined && found.kind.options.includes('client')) {
    throw tierError('without `client`, which cannot cross threads: give `url` or `cluster`', options['client']);
  }
  const kind = { ...found.kind, options: found.kind.options.filter((name) => name !== 'client') };
  const engineOptions = engineOptionsOf(options, { name: found.name, kind }, COMMON, 'a tier');
  for (const [name, value] of Object.entries(engineOptions)) assertCrosses(name, value);
  const compression = options['compression'] === undefined ? undefined : resolveCompression(options['compression']);
  // Before anything is made that would have it.
  if (compression) loadCompression(compression);
  return {
    found,
    name: checkName(options['name'] ?? DEFAULT_NAME),
    root: kind.keeps === 'directory' ? checkRoot(options['root']) : undefined,
    compression,
    behind,
    engineOptions,
  };
}

function writeBehind({ write = 'through', flushInterval, queue }: Record<string, unknown>): WriteBehind | false {
  if (write !== 'through' && write !== 'behind') {
    throw optionError('write', "'through' or 'behind'", write);
  }
  if (write === 'through') {
    const [option, got] = flushInterval === undefined ? ['queue', queue] : ['flushInterval', flushInterval];
    if (got !== undefined) throw optionError(option as string, "given with `write: 'behind'` only", got);
    return false;
  }
  const flushMs = parseDuration(flushInterval ?? DEFAULT_FLUSH_MS);
  if (!(flushMs >= 1 && flushMs <= FLUSH_MS_MAX)) {
    throw optionError('flushInterval', "from 1 ms to 1 h: milliseconds, or a duration like '1s'", flushInterval);
  }
  if (queue !== undefined && (typeof queue !== 'object' || queue === null)) {
    throw optionError('queue', 'an object with `entries` and `bytes`', queue);
  }
  const {
    entries = DEFAULT_QUEUE_ENTRIES,
    bytes = DEFAULT_QUEUE_BYTES,
    ...rest
  } = (queue ?? {}) as Record<string, unknown>;
  const bytesMax = parseSize(bytes);
  if (!Number.isInteger(entries) || (entries as number) < 1 || (entries as number) > QUEUE_ENTRIES_MAX) {
    throw optionError('queue', `an object whose \`entries\` is an integer from 1 to ${QUEUE_ENTRIES_MAX}`, entries);
  }
  if (!Number.isSafeInteger(bytesMax) || bytesMax < 1) {
    throw optionError('queue', "an object whose `bytes` is a whole number of bytes, or a size like '64mb'", bytes);
  }
  const [stranger] = Object.keys(rest);
  if (stranger !== undefined) {
    throw optionError('queue', 'an object of `entries` and `bytes`', stranger);
  }
  return { flushMs, entriesMax: entries as number, bytesMax };
}

/** Another thread opens the engine. */
function assertCrosses(option: string, value: unknown): void {
  try {
    structuredClone(value);
  } catch (cause) {
    throw Object.assign(optionError(option, 'something that can be sent to another thread', value), { cause });
  }
}

function tierError(expected: string, got: unknown): TypeError {
  return optionError('tier', expected, got);
}
