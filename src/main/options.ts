/**
 * What a user may ask for when a cache opens, and what it becomes: every default and every option error, once.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { misuse } from '../protocol/errors.ts';
import type { HashSeed } from '../protocol/key.ts';
import { SHARD_BYTES_MAX, type ShardLimits } from '../protocol/memory.ts';
import type { PolicyName } from '../protocol/spec.ts';
import { EVER, parseDuration, parseSize } from './units.ts';

export interface CacheOptions {
  /**
   * Shards, each in a worker thread of its own: 1 to 256. Default: one less than the machine's cores, at most 8, and
   * no more than `maxEntries` / 256, below which splitting a cache costs hit ratio.
   */
  shards?: number;
  /**
   * Ceiling of keys, values and what they cost beside, over all shards: bytes or '64mb'. Default '256mb'. Shards share it
   * evenly; at most 4 GiB a shard.
   */
  maxBytes?: number | string;
  /** Ceiling of entries over all shards. Default: none, `maxBytes` alone decides. */
  maxEntries?: number;
  /** How long entries live that are stored without a `ttl`: milliseconds or '30s', '10m', '1h', '7d'. Default: for ever. */
  ttl?: number | string | null;
  /** Which entry goes when room is needed. Default 'lru'. */
  eviction?: PolicyName | { name: PolicyName };
  /**
   * 'shared' (default): a get looks into the shard's memory, without a message. 'owner': every get is a request to the
   * thread that owns the shard.
   */
  reads?: 'shared' | 'owner';
  /** How long a call may wait for its shard before it rejects with TIMEOUT. Default '30s'. */
  timeout?: number | string;
  /** Calls that may wait for one shard; more reject with OVERLOADED. Default 65,536. */
  maxPendingCalls?: number;
  /** Bytes of calls that may wait for one shard; more reject with OVERLOADED. Default '64mb'. */
  maxPendingBytes?: number | string;
  /** Whether a process that has nothing else to do may end while the cache is open. Default true. */
  unref?: boolean;
}

/** The options as they are in force, frozen: `cache.config`. */
export interface CacheConfig {
  readonly shards: number;
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** Milliseconds; Infinity is for ever. */
  readonly ttl: number;
  readonly eviction: PolicyName;
  readonly reads: 'shared' | 'owner';
  readonly timeout: number;
  readonly maxPendingCalls: number;
  readonly maxPendingBytes: number;
  readonly unref: boolean;
}

const DEFAULT_BYTES = 256 * 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_PENDING_CALLS = 65_536;
const DEFAULT_PENDING_BYTES = 64 * 1024 * 1024;
const SHARDS_MAX = 256;
const DEFAULT_SHARDS_MAX = 8;
/** Fewer entries a shard than this and the split itself loses hits: 0.1 points at 128, 0.4 at 64, 1.5 at 16. */
const ENTRIES_PER_SHARD_MIN = 256;
const TIMER_MAX_MS = 2 ** 31 - 1;
const POLICIES: readonly PolicyName[] = ['lru', 'fifo', 'random', 'sieve', 'none'];
const KNOWN = [
  'shards',
  'maxBytes',
  'maxEntries',
  'ttl',
  'eviction',
  'reads',
  'timeout',
  'maxPendingCalls',
  'maxPendingBytes',
  'unref',
];

/** Throws INVALID_CONFIG, with the name of the option, or UNKNOWN_PLUGIN, with the names there are. */
export function resolveOptions(options: CacheOptions = {}): CacheConfig {
  if (typeof options !== 'object' || options === null) {
    throw misuse('INVALID_CONFIG', 'an object of options', options, { option: 'options' });
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) {
      throw invalid(name, `one of the options ${KNOWN.join(', ')}`, name);
    }
  }
  const maxEntries = options.maxEntries === undefined ? EVER : count('maxEntries', options.maxEntries);
  const shards = options.shards === undefined ? defaultShards(maxEntries) : count('shards', options.shards, SHARDS_MAX);
  if (shards > maxEntries) {
    throw invalid('shards', `at most one shard for each of the ${maxEntries} entries`, shards);
  }
  const maxBytes = options.maxBytes === undefined ? DEFAULT_BYTES : size('maxBytes', options.maxBytes);
  if (maxBytes / shards > SHARD_BYTES_MAX) {
    throw invalid(
      'maxBytes',
      `at most 4 GiB a shard: ${Math.ceil(maxBytes / SHARD_BYTES_MAX)} shards or more`,
      maxBytes,
    );
  }
  return Object.freeze({
    shards,
    maxBytes,
    maxEntries,
    ttl: resolveTtl(options.ttl, EVER),
    eviction: policy(options.eviction ?? 'lru'),
    reads: choice('reads', options.reads ?? 'shared', ['shared', 'owner'] as const),
    timeout: resolveTimeout(options.timeout, DEFAULT_TIMEOUT_MS),
    maxPendingCalls: count('maxPendingCalls', options.maxPendingCalls ?? DEFAULT_PENDING_CALLS),
    maxPendingBytes: size('maxPendingBytes', options.maxPendingBytes ?? DEFAULT_PENDING_BYTES),
    unref: flag('unref', options.unref ?? true),
  });
}

/** What of the whole cache each shard may hold: even parts, the remainder to the first. */
export function shareLimits({ shards, maxBytes, maxEntries }: CacheConfig): ShardLimits[] {
  return Array.from({ length: shards }, (_, i) => ({
    bytesMax: part(maxBytes, shards, i),
    entriesMax: maxEntries === EVER ? EVER : part(maxEntries, shards, i),
  }));
}

/** A `ttl` in milliseconds, Infinity for ever. Throws INVALID_TTL. */
export function resolveTtl(ttl: unknown, fallback: number): number {
  if (ttl === undefined) {
    return fallback;
  }
  if (ttl === null || ttl === EVER) {
    return EVER;
  }
  const ms = parseDuration(ttl);
  if (!(ms > 0 && ms <= Number.MAX_SAFE_INTEGER)) {
    throw misuse('INVALID_TTL', "`ttl` to be a positive number of milliseconds, a duration like '30s', or null", ttl, {
      ttl,
    });
  }
  return ms;
}

/** A `timeout` in milliseconds, one that a timer can hold. Throws INVALID_CONFIG. */
export function resolveTimeout(timeout: unknown, fallback: number): number {
  if (timeout === undefined) {
    return fallback;
  }
  const ms = parseDuration(timeout);
  if (!(ms > 0 && ms <= TIMER_MAX_MS)) {
    throw invalid('timeout', "a positive number of milliseconds up to 2^31 - 1, or a duration like '30s'", timeout);
  }
  return ms;
}

export function newSeed(): HashSeed {
  const bytes = randomBytes(8);
  return { low: bytes.readInt32LE(0), high: bytes.readInt32LE(4) };
}

function defaultShards(maxEntries: number): number {
  const byCores = Math.min(DEFAULT_SHARDS_MAX, availableParallelism() - 1);
  return Math.max(1, Math.min(byCores, Math.floor(maxEntries / ENTRIES_PER_SHARD_MIN)));
}

function part(total: number, parts: number, index: number): number {
  return Math.floor(total / parts) + (index < total % parts ? 1 : 0);
}

function policy(eviction: unknown): PolicyName {
  const given = typeof eviction === 'object' && eviction !== null ? (eviction as { name?: unknown }).name : eviction;
  if (typeof given !== 'string') {
    throw invalid('eviction', 'the name of a policy, or an object with `name`', eviction);
  }
  const name = given.toLowerCase();
  const known = POLICIES.find((candidate) => candidate === name);
  if (known === undefined) {
    throw misuse('UNKNOWN_PLUGIN', `\`eviction\` to be one of ${POLICIES.join(', ')}`, given, {
      option: 'eviction',
      available: POLICIES,
    });
  }
  return known;
}

function count(option: string, value: unknown, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > max) {
    throw invalid(
      option,
      max === Number.MAX_SAFE_INTEGER ? 'an integer of at least 1' : `an integer from 1 to ${max}`,
      value,
    );
  }
  return value as number;
}

function size(option: string, value: unknown): number {
  const bytes = parseSize(value);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw invalid(option, "a whole number of bytes of at least 1, or a size like '64mb'", value);
  }
  return bytes;
}

function flag(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw invalid(option, 'true or false', value);
  }
  return value;
}

function choice<T extends string>(option: string, value: unknown, choices: readonly T[]): T {
  const known = choices.find((candidate) => candidate === value);
  if (known === undefined) {
    throw invalid(option, choices.map((name) => `'${name}'`).join(' or '), value);
  }
  return known;
}

function invalid(option: string, expected: string, got: unknown): TypeError {
  return misuse('INVALID_CONFIG', `\`${option}\` to be ${expected}`, got, { option });
}
