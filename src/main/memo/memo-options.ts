/** Options of a memo: their documentation, and every default and every option error, once. */
import type { CompressionOption } from '../../protocol/compression/index.ts';
import { misuse } from '../../protocol/errors.ts';
import { assertOptions } from '../codec/known-options.ts';
import type { Cache } from '../index.ts';
import { resolveTimeout, resolveTtl } from '../options.ts';
import type { SerializerOption } from '../serializers/index.ts';
import type { Store } from '../stores/index.ts';
import type { Hash } from './call-keys.ts';
import { CallLog, type MemoLogOptions } from './call-log.ts';
import { type KeyedArgs, type KeyedArgsOptions, keyedArgsOf } from './keyed-args.ts';
import type { AnyFunction } from './work.ts';

/** What tells calls apart, and what is heard of them. */
export interface MemoCallOptions<F extends AnyFunction = AnyFunction> extends KeyedArgsOptions<F> {
  /**
   * Tells this memo from others: in messages, in a cache or a store that several share, and in the name of its file. Default: the
   * function's own name.
   */
  readonly name?: string | undefined;
  /**
   * What a call is kept under, of the arguments that matter. Default: a digest of their content, whatever the order of properties.
   */
  readonly hash?: ((args: Parameters<F>) => string) | undefined;
  /** The same for memory alone. Default: `hash`. */
  readonly hashMemory?: ((args: Parameters<F>) => string) | undefined;
  /** How long results live: milliseconds or '30s', in both tiers. Default: for ever, or, in a cache that is given, its `ttl`. */
  readonly ttl?: number | string | null | undefined;
  /** Makes of a result what is kept, and of what is kept what a caller gets. Default: every caller gets a copy of his own. */
  readonly copy?: ((result: Awaited<ReturnType<F>>) => Awaited<ReturnType<F>>) | undefined;
  /** Whether a result that is kept still serves: where it says false, the function is called. */
  readonly validate?: ((result: Awaited<ReturnType<F>>) => boolean) | undefined;
  /** Calls the function each time and keeps nothing. Default false. */
  readonly disable?: boolean | undefined;
  /** Lets calls that come while the same is computed compute it, too, instead of waiting. Default false. */
  readonly allowRace?: boolean | undefined;
  /** How long a call may take: a caller who has waited for so long gets TIMEOUT, and the work goes on. Default '10m'. */
  readonly timeout?: number | string | undefined;
  readonly log?: MemoLogOptions | undefined;
  /**
   * What the function is like: results of another version do not serve. True stands for its source, which a bundler may change
   * where nothing has changed, and which says nothing of what the function calls. Default: all serve.
   */
  readonly sourceVersion?: true | string | undefined;
}

/** Where the results are kept that outlive the process. */
export interface FileOptions {
  /**
   * The file of the results: a path, or a name alone for a file in `$XDG_CACHE_HOME/shardstash` (`%LOCALAPPDATA%\shardstash`,
   * `~/.cache/shardstash`); without an extension it gets '.log'. False for none. Default: the memo's name.
   */
  readonly filename?: string | false | undefined;
  /** How results become bytes in the file. Default 'msgpack'. */
  readonly serializer?: SerializerOption | undefined;
  readonly compression?: CompressionOption | undefined;
  /**
   * Whether a result in the file survives the machine's end when its call settles, not only the process's: the thread then waits for the
   * disk. Default false.
   */
  readonly sync?: boolean | undefined;
}

export interface MemoOptions<F extends AnyFunction = AnyFunction> extends MemoCallOptions<F>, FileOptions {
  /**
   * The cache in whose memory results are kept, for all threads that use it: it stays the caller's to close. Default: one of 64 MiB and
   * one shard, which the memos of this thread have in common; it opens with the first call of any of them.
   */
  readonly cache?: Cache | undefined;
  /** A store in the place of the file: it stays the caller's to close. */
  readonly store?: Store | undefined;
  /** Entries of a cache of the memo's own, which then has one. Default: `maxBytes` alone decides. */
  readonly maxEntries?: number | undefined;
  /** The same of bytes. Default '64mb'. */
  readonly maxBytes?: number | string | undefined;
}

export interface MemoSyncOptions<F extends AnyFunction = AnyFunction> extends MemoCallOptions<F>, FileOptions {
  /** The cache in whose memory results are kept. */
  readonly cache: Cache;
}

/** Options of both kinds of memos, checked. */
export interface CallPlan {
  readonly keyed: KeyedArgs | undefined;
  readonly hash: Hash | undefined;
  readonly hashMemory: Hash | undefined;
  /** Undefined: as the cache has it. Infinity for ever. */
  readonly ttlMs: number | undefined;
  readonly copy: ((result: unknown) => unknown) | undefined;
  readonly validate: ((result: unknown) => boolean) | undefined;
  readonly isDisabled: boolean;
  readonly allowsRace: boolean;
  readonly timeoutMs: number;
  readonly log: CallLog;
}

const DEFAULT_TIMEOUT = '10m';
const FUNCTIONS = ['hash', 'hashMemory', 'copy', 'validate'] as const;
const OF_CALLS = [
  'name',
  'hash',
  'hashMemory',
  'ignore',
  'params',
  'defaults',
  'normalize',
  'ttl',
  'copy',
  'validate',
  'disable',
  'allowRace',
  'timeout',
  'log',
  'sourceVersion',
  'filename',
  'serializer',
  'compression',
  'sync',
  'cache',
];
export const MEMO_OPTIONS = [...OF_CALLS, 'store', 'maxEntries', 'maxBytes'];
export const MEMO_SYNC_OPTIONS = OF_CALLS;

/** `name` is the memo's. Throws INVALID_CONFIG or INVALID_TTL. */
export function planOf(options: MemoCallOptions, known: readonly string[], name: string): CallPlan {
  assertOptions(options, known);
  for (const option of FUNCTIONS) {
    const value: unknown = options[option];
    if (value !== undefined && typeof value !== 'function') {
      throw misuse('INVALID_CONFIG', `\`${option}\` to be a function`, value, { option });
    }
  }
  flag('sync', (options as MemoOptions).sync);
  const { cache, ttl, timeout = DEFAULT_TIMEOUT, disable, allowRace, log } = options as MemoOptions;
  if (cache !== undefined && !isCache(cache)) {
    throw misuse('INVALID_CONFIG', '`cache` to be a cache that `openCache` has opened', cache, { option: 'cache' });
  }
  return {
    keyed: keyedArgsOf(options),
    hash: options.hash as Hash | undefined,
    hashMemory: options.hashMemory as Hash | undefined,
    ttlMs: ttl === undefined ? undefined : resolveTtl(ttl),
    copy: options.copy as CallPlan['copy'],
    validate: options.validate as CallPlan['validate'],
    isDisabled: flag('disable', disable),
    allowsRace: flag('allowRace', allowRace),
    timeoutMs: resolveTimeout(timeout, 0),
    log: new CallLog(log, name),
  };
}

function flag(option: string, value: unknown = false): boolean {
  if (typeof value !== 'boolean') {
    throw misuse('INVALID_CONFIG', `\`${option}\` to be true or false`, value, { option });
  }
  return value;
}

function isCache(cache: unknown): boolean {
  const methods = ['getSync', 'getOrSet', 'set', 'setMany', 'delete', 'keys', 'run'];
  const isOne = (method: string) => typeof (cache as Record<string, unknown>)[method] === 'function';
  return typeof cache === 'object' && cache !== null && methods.every(isOne);
}
