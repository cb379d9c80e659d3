/** Options of a store, once: their documentation, their defaults and what is said of wrong ones. */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { CompressionOption } from '../../protocol/compression/index.ts';
import type { EngineKind } from '../../protocol/engines/engine.ts';
import { misuse } from '../../protocol/errors.ts';
import type { SerializerOption } from '../serializers/index.ts';
import { parseDuration, parseSize } from '../units.ts';
import type { EngineModule, EngineName } from './engine-registry.ts';

export interface StoreOptions extends StoreAtOptions {
  /**
   * Of the store: letters, digits, `_`, `-` and `.`, and slashes for a store within a store. Default 'unnamed'. For a store
   * in a directory it is the directory's name below `root`.
   */
  readonly name?: string | undefined;
  /**
   * The folder in which stores are kept. Default: `$XDG_CACHE_HOME/shardstash`, `%LOCALAPPDATA%\shardstash` or
   * `~/.cache/shardstash`.
   */
  readonly root?: string | undefined;
}

/** All but where it is. */
export interface StoreAtOptions {
  /** Default 'file'. One of your own by a name that was registered, or as `{ module, export }`. */
  readonly engine?: EngineName | (string & {}) | EngineModule | undefined;
  /** Default 'msgpack', for the engine 'json' 'json'. A store that is there is read with its own. */
  readonly serializer?: SerializerOption | (string & {}) | undefined;
  /** Default false. `true` is 'zlib'. */
  readonly compression?: CompressionOption | (string & {}) | undefined;
  /** Whether values are stored as text. Default false: all engines take bytes. */
  readonly base64?: boolean | undefined;
  /** With the serializer 'json': refuse what plain JSON does not carry. Default false. */
  readonly strict?: boolean | undefined;
  /** Keep all values that a key was ever set to, for `getAll`. Default false. */
  readonly appendMode?: boolean | undefined;
  /**
   * Acknowledge a write when it survives the machine's end, not only the process's. Default false. Of all engines that
   * keep files.
   */
  readonly sync?: boolean | undefined;
  /** Of 'disk': the bound of all it keeps, in bytes or as '64mb'. Default '1gb'. */
  readonly maxBytes?: number | string | undefined;
  /** Of 'disk': who leaves first. Default 'lrs', the least recently stored. */
  readonly eviction?: 'lrs' | 'lru' | 'lfu' | 'none' | undefined;
  /** Of 'log': where a segment ends and the next begins. Default '64mb'. */
  readonly segmentBytes?: number | string | undefined;
  /** Of 'log': open a damaged log with all that is whole in it. What is damaged is put aside. Default false. */
  readonly repair?: boolean | undefined;
  /** Of 'lmdb': room in the address space that is set apart at once, in bytes or as '10gb'. It grows by itself. */
  readonly mapSize?: number | string | undefined;
  /** Of 'redis'. Default 'redis://127.0.0.1:6379'. */
  readonly url?: string | undefined;
  /** Of 'redis': some nodes of a Cluster, as URLs or 'host:port'. */
  readonly cluster?: readonly string[] | undefined;
  /** Of 'redis': a client of `ioredis` that is yours to open and close. */
  readonly client?: unknown;
  /** Of 'redis': how long a command may take, in ms or as '5s'. */
  readonly commandTimeout?: number | string | undefined;
  /** Of engines of your own. */
  readonly [option: string]: unknown;
}

/** What every store takes, whatever its engine. */
export const COMMON = ['name', 'engine', 'root', 'serializer', 'compression', 'base64', 'strict', 'appendMode'];
const SIZES = ['maxBytes', 'segmentBytes', 'mapSize'];
const DURATIONS = ['commandTimeout'];
const NAME_PART = /^\w[\w.-]{0,99}$/;
/** Names that Windows keeps for devices, and the one that stores within stores live under. */
const TAKEN = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)|^sub$|\.$/i;
const PARTS_MAX = 8;

/** Throws INVALID_CONFIG. */
export function checkName(name: unknown = 'unnamed'): string {
  if (!isName(name)) {
    throw misuse(
      'INVALID_CONFIG',
      '`name` to be letters, digits, `_`, `-` and `.`, beginning with a letter, a digit or `_` (with `/` for a store within a store)',
      name,
      { option: 'name' },
    );
  }
  return name;
}

/** Whether a store can have it. */
export function isName(name: unknown): name is string {
  const parts = typeof name === 'string' ? name.split('/') : [];
  return (
    parts.length > 0 && parts.length <= PARTS_MAX && parts.every((part) => NAME_PART.test(part) && !TAKEN.test(part))
  );
}

/** Absolute. Throws INVALID_CONFIG. */
export function checkRoot(root: unknown = defaultRoot()): string {
  if (typeof root !== 'string' || root === '' || root.includes('\0')) {
    throw misuse('INVALID_CONFIG', '`root` to be the path of a folder', root, { option: 'root' });
  }
  return isAbsolute(root) ? root : resolve(root);
}

/** Throws INVALID_CONFIG. */
export function checkFlag(option: string, value: unknown): boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') {
    throw misuse('INVALID_CONFIG', `\`${option}\` to be true or false`, value, { option });
  }
  return value;
}

/** Those that the engine takes, sizes and durations as numbers. Throws INVALID_CONFIG for any that it does not. */
export function engineOptionsOf(options: StoreOptions, engine: string, kind: EngineKind): Record<string, unknown> {
  const taken: Record<string, unknown> = {};
  for (const [option, value] of Object.entries(options)) {
    if (COMMON.includes(option) || value === undefined) {
      continue;
    }
    if (!kind.options.includes(option)) {
      const known = [...COMMON, ...kind.options].join(', ');
      throw misuse('INVALID_CONFIG', `the options of a store with the engine '${engine}', which are ${known}`, option, {
        option,
      });
    }
    taken[option] = inUnits(option, value);
  }
  return taken;
}

/** The same as they may be shown and written down: without passwords, and without what is the caller's to open. */
export function shownOptions(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { client: _, ...shown }: Record<string, unknown> = options;
  for (const [option, value] of Object.entries(shown)) {
    shown[option] = Array.isArray(value) ? value.map(withoutPassword) : withoutPassword(value);
  }
  return shown;
}

function withoutPassword(value: unknown): unknown {
  if (typeof value !== 'string' || !value.includes('://') || !URL.canParse(value)) {
    return value;
  }
  const url = new URL(value);
  if (url.password === '' && !url.searchParams.has('password')) {
    return value;
  }
  url.password = '';
  url.searchParams.delete('password');
  return url.href;
}

function inUnits(option: string, value: unknown): unknown {
  const parse = SIZES.includes(option) ? parseSize : DURATIONS.includes(option) ? parseDuration : undefined;
  if (parse === undefined) {
    return value;
  }
  const number = parse(value);
  if (!(number > 0)) {
    const form = parse === parseSize ? "a number of bytes, or text like '64mb'" : "milliseconds, or text like '5s'";
    throw misuse('INVALID_CONFIG', `\`${option}\` to be ${form}`, value, { option });
  }
  return number;
}

function defaultRoot(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const caches = process.platform === 'win32' ? LOCALAPPDATA : XDG_CACHE_HOME;
  // What is not absolute is to be ignored, by the XDG base directory specification.
  return join(caches !== undefined && isAbsolute(caches) ? caches : join(homedir(), '.cache'), 'shardstash');
}
