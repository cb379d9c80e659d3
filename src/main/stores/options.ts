/** Options of a store: their documentation, and which of them are no engine's. */
import type { CompressionOption } from '../../protocol/compression/index.ts';
import { misuse } from '../../protocol/errors.ts';
import type { EngineModule, EngineName } from '../engines/engine-registry.ts';
import type { SerializerOption } from '../serializers/index.ts';

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

/** Throws INVALID_CONFIG. */
export function checkFlag(option: string, value: unknown): boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') {
    throw misuse('INVALID_CONFIG', `\`${option}\` to be true or false`, value, { option });
  }
  return value;
}
