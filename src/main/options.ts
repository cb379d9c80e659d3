/**
 * What a user may ask for when a cache opens, and what it becomes: every default and every option error, once.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism, totalmem } from 'node:os';
import { misuse } from '../protocol/errors.ts';
import type { FilterName, FilterSpec } from '../protocol/filter.ts';
import type { HashSeed } from '../protocol/key.ts';
import { SHARD_BYTES_MAX, type ShardLimits } from '../protocol/memory.ts';
import type { AdviseSpec } from '../protocol/spec.ts';
import { type EvictionConfig, type EvictionOption, resolveEviction } from './eviction.ts';
import { ManualClock } from './manual-clock.ts';
import { type NearCacheConfig, type NearCacheOptions, resolveNearCache } from './near-options.ts';
import { type CacheLogger, LEVELS } from './notices.ts';
import { optionError, unknownOption } from './option-errors.ts';
import type { ResolvedModule } from './plugin.ts';
import { type ResolvedSerializer, resolveSerializer, type SerializerOption } from './serializers/index.ts';
import {
  type AutosaveConfig,
  type AutosaveOptions,
  type MetricsStorageConfig,
  type MetricsStorageOptions,
  resolveAutosave,
  resolveMetricsStorage,
  resolveStorage,
  type StorageConfig,
  type StorageOptions,
} from './snapshot/storage-options.ts';
import type { TierConfig, TierOptions } from './tier/options.ts';
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
  /** Whether every read of an entry lets it live for its ttl again. Default false. */
  sliding?: boolean;
  /**
   * Which entry goes when room is needed: the name of a policy, `{ name, ...settings }`, or one of your own,
   * `{ module: new URL('./mine.mjs', import.meta.url), export: 'createMine' }`. Default 'as3-fifo'.
   */
  eviction?: EvictionOption;
  /** How values become bytes. Default 'msgpack'. */
  serializer?: SerializerOption;
  /**
   * The membership filter of each shard, 'blocked-bloom', 'bloom' or 'cuckoo', and how often, of the keys that are not
   * there, it may fail to say so. Default `{ type: 'blocked-bloom', falsePositiveRate: 0.01 }`; false for none.
   */
  filter?: boolean | { type?: FilterName; falsePositiveRate?: number };
  /**
   * 'shared' (default): a get looks into the shard's memory, without a message. 'owner': every get is a request to the
   * thread that owns the shard.
   */
  reads?: 'shared' | 'owner';
  /**
   * What is under memory: an engine that keeps what memory has no room for, and what there was before a restart. See
   * `TierOptions`. Default false, none.
   */
  tier?: TierOptions | TierConfig | false;
  /**
   * Whether this thread keeps what it reads often, so that it need not look for it again: see `NearCacheOptions`. Never is it
   * stale. Default false. For another thread, it is an option of `attachCache`.
   */
  nearCache?: boolean | NearCacheOptions;
  /**
   * How a call reaches the thread that owns its shard. 'comlink' (default): by a message. 'wake': through shared memory where
   * that thread has just answered and still waits, otherwise by a message; the thread that calls waits in place for some
   * microseconds. A call that is awaited before the next one is made takes half the time, and many at a time the same.
   */
  lane?: 'comlink' | 'wake';
  /**
   * The memory of what has expired is given back this often at most: milliseconds or '1s' (the default), from 10 ms; false
   * leaves it until somebody writes to the key or room is needed. Never is an expired value returned, either way.
   */
  cleanupInterval?: number | string | false;
  /** Whether `metrics()` tells anything. Default true. */
  metrics?: boolean;
  /**
   * Whether `advise()` tells anything: then the gets of a few keys are followed. `sampleRate`, from 0 to 1, is the share of
   * keys that is followed at most. Default false.
   */
  advise?: boolean | { sampleRate?: number };
  /** Hears what the cache has to say beside results: `console` will do. Default: nobody does. */
  logger?: CacheLogger;
  /**
   * Fixes the hash of keys and the lots that 'random' draws, so that a run can be repeated. Default: from the system's
   * randomness. A tier that is there has a hash of its own, which stays: then it fixes the lots alone.
   */
  seed?: number;
  /** The time, for tests: `manualClock()` of 'shardstash/testing'. */
  clock?: ManualClock;
  /**
   * How long a call may wait for its shard before it rejects with TIMEOUT, and `openCache` for an eviction policy of your
   * own. Default '30s'.
   */
  timeout?: number | string;
  /**
   * How long `getOrSet` lets one computation hold its key before the next who asks may try; what comes when another has begun
   * is not stored. Default '30s'.
   */
  leaseTimeout?: number | string;
  /**
   * A shard's thread that has not moved for so long, while calls wait for it, is ended and replaced. Default '10s'; false
   * waits for ever.
   */
  stallTimeout?: number | string | false;
  /**
   * Deaths of one shard's thread within a minute after which it is replaced. One more and the shard has failed: what it
   * holds can still be read, everything else rejects with SHARD_FAILED. Default 10, Infinity for no bound. So it is with the
   * thread of the tier, without which memory alone is left.
   */
  crashBudget?: number;
  /** Calls that may wait for one shard; more reject with OVERLOADED. Default 65,536. */
  maxPendingCalls?: number;
  /** Bytes of calls that may wait for one shard; more reject with OVERLOADED. Default '64mb'. */
  maxPendingBytes?: number | string;
  /**
   * The threads that run the tasks of `getOrSet`: how many at most (default: one less than the machine's cores, at least
   * one), how many tasks may wait for one (default 1,024; more reject with OVERLOADED), and when an idle one ends (default
   * '10s'). None is started before the first task.
   */
  compute?: { threads?: number; queue?: number; idleTimeout?: number | string };
  /** Where `save` and `load` find their files. Default `{ dir: 'cache_storage', filename: 'cache_data', timestamps: false }`. */
  storage?: StorageOptions;
  /** The same of `saveMetrics`. Default `{ dir: 'cache_storage', filename: 'cache_metrics', timestamps: false, serializer: 'json' }`. */
  metricsStorage?: MetricsStorageOptions;
  /**
   * Whether the cache saves itself to its `storage`, every 5 minutes and when it is closed, or as `{ everyMs, onClose }` says. A
   * save that fails is told to the `logger`, and the next one tries again. From open to close no other process may save there,
   * and the directory is made when the cache opens, since the lock lies in it. Default false.
   */
  autosave?: boolean | AutosaveOptions;
  /**
   * Whether the cache begins with what was saved to its `storage`, if anything was. What is there and cannot be loaded is an
   * error, CACHE_LOAD_ERROR, and nothing is opened nor overwritten. Default false.
   */
  restore?: boolean;
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
  readonly sliding: boolean;
  /** The policy's name; an object where it has settings, or where its module is. */
  readonly eviction: EvictionConfig;
  /** The serializer's name, or where its module is. */
  readonly serializer: string | ResolvedModule;
  readonly filter: FilterConfig | false;
  readonly reads: 'shared' | 'owner';
  readonly tier: TierConfig | false;
  readonly nearCache: NearCacheConfig | false;
  readonly lane: 'comlink' | 'wake';
  /** Milliseconds. */
  readonly cleanupInterval: number | false;
  readonly metrics: boolean;
  readonly advise: AdviseConfig | false;
  /** Undefined: drawn anew for every cache. */
  readonly seed: number | undefined;
  readonly timeout: number;
  readonly leaseTimeout: number;
  /** Infinity: never. */
  readonly stallTimeout: number;
  readonly crashBudget: number;
  readonly maxPendingCalls: number;
  readonly maxPendingBytes: number;
  readonly compute: ComputeConfig;
  readonly storage: StorageConfig;
  readonly metricsStorage: MetricsStorageConfig;
  readonly autosave: AutosaveConfig | false;
  readonly restore: boolean;
  readonly unref: boolean;
}

export type FilterConfig = FilterSpec;
export type AdviseConfig = AdviseSpec;

export interface ComputeConfig {
  readonly threads: number;
  readonly queue: number;
  /** Milliseconds. */
  readonly idleTimeout: number;
}

const DEFAULT_BYTES = 256 * 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_LEASE_MS = 30_000;
const DEFAULT_STALL_MS = 10_000;
/** A busy thread is slow, not dead. */
const STALL_MS_MIN = 100;
const DEFAULT_CRASHES = 10;
const DEFAULT_PENDING_CALLS = 65_536;
const DEFAULT_PENDING_BYTES = 64 * 1024 * 1024;
const SHARDS_MAX = 256;
const DEFAULT_SHARDS_MAX = 8;
/** Fewer entries a shard than this and the split itself loses hits: 0.1 points at 128, 0.4 at 64, 1.5 at 16. */
const ENTRIES_PER_SHARD_MIN = 256;
const COMPUTE_THREADS_MAX = 256;
const DEFAULT_COMPUTE_QUEUE = 1_024;
const DEFAULT_COMPUTE_IDLE_MS = 10_000;
const TIMER_MAX_MS = 2 ** 31 - 1;
const FILTERS: readonly FilterName[] = ['blocked-bloom', 'bloom', 'cuckoo'];
/** Filters that cannot follow a cache, and the class that each of them is. */
const FROZEN_FILTERS = { xor: 'XorFilter', 'binary-fuse': 'BinaryFuseFilter' };
const DEFAULT_FALSE_POSITIVES = 0.01;
const DEFAULT_CLEANUP_MS = 1_000;
const CLEANUP_MS_MIN = 10;
const SEED_MAX = 2 ** 32 - 1;
const KNOWN = [
  'shards',
  'maxBytes',
  'maxEntries',
  'ttl',
  'sliding',
  'eviction',
  'serializer',
  'filter',
  'reads',
  'tier',
  'nearCache',
  'lane',
  'cleanupInterval',
  'metrics',
  'advise',
  'logger',
  'seed',
  'clock',
  'timeout',
  'leaseTimeout',
  'stallTimeout',
  'crashBudget',
  'maxPendingCalls',
  'maxPendingBytes',
  'compute',
  'storage',
  'metricsStorage',
  'autosave',
  'restore',
  'unref',
];

/**
 * All but `tier`, which takes an opening. Throws INVALID_CONFIG, with the name of the option, or UNKNOWN_PLUGIN, with the names
 * there are.
 */
export function resolveOptions(options: CacheOptions = {}): CacheConfig {
  if (typeof options !== 'object' || options === null) {
    throw misuse('INVALID_CONFIG', 'an object of options', options, { option: 'options' });
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) {
      throw unknownOption(name, KNOWN);
    }
  }
  const maxEntries = options.maxEntries === undefined ? EVER : count('maxEntries', options.maxEntries);
  const shards = options.shards === undefined ? defaultShards(maxEntries) : count('shards', options.shards, SHARDS_MAX);
  if (shards > maxEntries) {
    throw optionError('shards', `at most one shard for each of the ${maxEntries} entries`, shards);
  }
  const maxBytes = options.maxBytes === undefined ? DEFAULT_BYTES : size('maxBytes', options.maxBytes);
  if (maxBytes / shards > SHARD_BYTES_MAX) {
    throw optionError(
      'maxBytes',
      `at most 4 GiB a shard: ${Math.ceil(maxBytes / SHARD_BYTES_MAX)} shards or more`,
      maxBytes,
    );
  }
  const reads = choice('reads', options.reads ?? 'shared', ['shared', 'owner'] as const);
  return Object.freeze({
    shards,
    maxBytes,
    maxEntries,
    ttl: resolveTtl(options.ttl, EVER),
    sliding: flag('sliding', options.sliding ?? false),
    eviction: resolveEviction(options.eviction ?? 'as3-fifo'),
    serializer: nameOf(resolveSerializer(options.serializer)),
    filter: filter(options.filter ?? true, (options.tier ?? false) !== false),
    reads,
    tier: false,
    nearCache: resolveNearCache(options.nearCache ?? false, reads),
    lane: choice('lane', options.lane ?? 'comlink', ['comlink', 'wake'] as const),
    cleanupInterval: cleanupInterval(options.cleanupInterval ?? DEFAULT_CLEANUP_MS),
    metrics: flag('metrics', options.metrics ?? true),
    advise: advise(options.advise ?? false),
    seed: options.seed === undefined ? undefined : wholeNumber('seed', options.seed, 0, SEED_MAX),
    timeout: resolveTimeout(options.timeout, DEFAULT_TIMEOUT_MS),
    leaseTimeout: resolveTimeout(options.leaseTimeout, DEFAULT_LEASE_MS, 'leaseTimeout'),
    stallTimeout: stallTimeout(options.stallTimeout ?? DEFAULT_STALL_MS),
    crashBudget: crashBudget(options.crashBudget ?? DEFAULT_CRASHES),
    maxPendingCalls: count('maxPendingCalls', options.maxPendingCalls ?? DEFAULT_PENDING_CALLS),
    maxPendingBytes: size('maxPendingBytes', options.maxPendingBytes ?? DEFAULT_PENDING_BYTES),
    compute: compute(options.compute ?? {}),
    storage: resolveStorage(options.storage ?? {}),
    metricsStorage: resolveMetricsStorage(options.metricsStorage ?? {}),
    autosave: resolveAutosave(options.autosave ?? false),
    restore: restore(options.restore ?? false, (options.tier ?? false) !== false),
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

/** A `ttl` in milliseconds, Infinity for ever. Throws INVALID_TTL, also for none where there is no fallback. */
export function resolveTtl(ttl: unknown, fallback?: number): number {
  if (ttl === undefined && fallback !== undefined) {
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

/** A `timeout`, or the like, in milliseconds, one that a timer can hold. Throws INVALID_CONFIG. */
export function resolveTimeout(timeout: unknown, fallback: number, option = 'timeout'): number {
  if (timeout === undefined) {
    return fallback;
  }
  const ms = parseDuration(timeout);
  if (!(ms > 0 && ms <= TIMER_MAX_MS)) {
    throw optionError(option, "a positive number of milliseconds up to 2^31 - 1, or a duration like '30s'", timeout);
  }
  return ms;
}

/** The logger, checked; undefined for none. Throws INVALID_CONFIG. */
export function resolveLogger(logger: unknown): CacheLogger | undefined {
  const isLogger = (candidate: object) =>
    LEVELS.every((level) => typeof (candidate as Record<string, unknown>)[level] === 'function');
  if (logger !== undefined && !(typeof logger === 'object' && logger !== null && isLogger(logger))) {
    throw optionError('logger', `an object with the functions ${LEVELS.join(', ')}`, logger);
  }
  return logger as CacheLogger | undefined;
}

/** The clock, checked; undefined for the machine's. Throws INVALID_CONFIG. */
export function resolveClock(clock: unknown): ManualClock | undefined {
  if (clock !== undefined && !(clock instanceof ManualClock)) {
    throw optionError('clock', "a `manualClock()` of 'shardstash/testing'", clock);
  }
  return clock;
}

/** The key of the hash: that of the option `seed`, or drawn anew. */
export function hashSeedOf({ seed }: CacheConfig): HashSeed {
  if (seed !== undefined) {
    return { low: seed | 0, high: Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) };
  }
  const bytes = randomBytes(8);
  return { low: bytes.readInt32LE(0), high: bytes.readInt32LE(4) };
}

/** An option of a call that is true or false. Throws INVALID_CONFIG. */
export function flagOr(option: string, value: unknown, fallback: boolean): boolean {
  return value === undefined ? fallback : flag(option, value);
}

/** What a user should know about options that are allowed and yet unwise. */
export function warningsOf({ shards, maxBytes, maxEntries }: CacheConfig): string[] {
  const cores = availableParallelism();
  const each = Math.floor(maxEntries / shards);
  const warnings: string[] = [];
  if (shards > cores) {
    warnings.push(
      `${shards} shards share ${cores} cores: more threads than cores wait for each other. Use fewer \`shards\``,
    );
  }
  if (maxBytes > totalmem()) {
    warnings.push(
      `\`maxBytes\` is ${maxBytes} bytes, and this machine has ${totalmem()}: the system will swap, or end the process`,
    );
  }
  if (shards > 1 && each < ENTRIES_PER_SHARD_MIN) {
    warnings.push(
      `Each of ${shards} shards holds ${each} entries: below ${ENTRIES_PER_SHARD_MIN} the split costs hits. Use fewer \`shards\``,
    );
  }
  return warnings;
}

function defaultShards(maxEntries: number): number {
  const byCores = Math.min(DEFAULT_SHARDS_MAX, availableParallelism() - 1);
  return Math.max(1, Math.min(byCores, Math.floor(maxEntries / ENTRIES_PER_SHARD_MIN)));
}

function part(total: number, parts: number, index: number): number {
  return Math.floor(total / parts) + (index < total % parts ? 1 : 0);
}

function count(option: string, value: unknown, max = Number.MAX_SAFE_INTEGER): number {
  return wholeNumber(option, value, 1, max);
}

function wholeNumber(option: string, value: unknown, min: number, max: number): number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw optionError(option, `an integer ${range}`, value);
  }
  return value as number;
}

function filter(value: unknown, hasTier: boolean): FilterConfig | false {
  if (typeof value === 'boolean') {
    return value && Object.freeze({ type: FILTERS[0] as FilterName, falsePositiveRate: DEFAULT_FALSE_POSITIVES });
  }
  if (typeof value !== 'object' || value === null) {
    throw optionError('filter', 'true, false, or an object with `type` and `falsePositiveRate`', value);
  }
  const { type = FILTERS[0], falsePositiveRate = DEFAULT_FALSE_POSITIVES, ...rest } = value as Record<string, unknown>;
  const known = FILTERS.find((candidate) => candidate === type);
  if (known === undefined && typeof type === 'string' && Object.hasOwn(FROZEN_FILTERS, type)) {
    throw frozenFilter(type as keyof typeof FROZEN_FILTERS);
  }
  if (known === 'cuckoo' && hasTier) {
    throw optionError(
      'filter',
      "'blocked-bloom' or 'bloom' over a tier, whose keys a cuckoo filter cannot grow with",
      type,
    );
  }
  if (known === undefined) {
    throw misuse('UNKNOWN_PLUGIN', `\`filter.type\` to be one of ${FILTERS.join(', ')}`, type, {
      option: 'filter',
      available: FILTERS,
    });
  }
  if (typeof falsePositiveRate !== 'number' || !(falsePositiveRate > 0 && falsePositiveRate < 1)) {
    throw optionError('filter', 'an object whose `falsePositiveRate` lies between 0 and 1', falsePositiveRate);
  }
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw optionError('filter', 'an object of `type` and `falsePositiveRate`', unknown);
  }
  return Object.freeze({ type: known, falsePositiveRate });
}

function advise(value: unknown): AdviseConfig | false {
  if (typeof value === 'boolean') {
    return value && Object.freeze({ sampleRate: 1 });
  }
  if (typeof value !== 'object' || value === null) {
    throw optionError('advise', 'true, false, or an object with `sampleRate`', value);
  }
  const { sampleRate = 1, ...rest } = value as Record<string, unknown>;
  if (typeof sampleRate !== 'number' || !(sampleRate > 0 && sampleRate <= 1)) {
    throw optionError('advise', 'an object whose `sampleRate` is more than 0 and at most 1', sampleRate);
  }
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw optionError('advise', 'an object of `sampleRate`', unknown);
  }
  return Object.freeze({ sampleRate });
}

function compute(value: unknown): ComputeConfig {
  if (typeof value !== 'object' || value === null) {
    throw optionError('compute', 'an object with `threads`, `queue` and `idleTimeout`', value);
  }
  const {
    threads = Math.max(1, availableParallelism() - 1),
    queue = DEFAULT_COMPUTE_QUEUE,
    idleTimeout = DEFAULT_COMPUTE_IDLE_MS,
    ...rest
  } = value as Record<string, unknown>;
  if (!Number.isInteger(threads) || (threads as number) < 1 || (threads as number) > COMPUTE_THREADS_MAX) {
    throw optionError('compute', `an object whose \`threads\` is an integer from 1 to ${COMPUTE_THREADS_MAX}`, threads);
  }
  if (!Number.isSafeInteger(queue) || (queue as number) < 0) {
    throw optionError('compute', 'an object whose `queue` is an integer of at least 0', queue);
  }
  const idleTimeoutMs = parseDuration(idleTimeout);
  if (!(idleTimeoutMs > 0 && idleTimeoutMs <= TIMER_MAX_MS)) {
    const expected = "an object whose `idleTimeout` is a positive number of milliseconds, or a duration like '10s'";
    throw optionError('compute', expected, idleTimeout);
  }
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw optionError('compute', 'an object of `threads`, `queue` and `idleTimeout`', unknown);
  }
  return Object.freeze({ threads: threads as number, queue: queue as number, idleTimeout: idleTimeoutMs });
}

function frozenFilter(type: keyof typeof FROZEN_FILTERS): TypeError {
  const expected =
    `\`filter.type\` to be one of ${FILTERS.join(', ')}, which follow entries as they come and go; '${type}' is for keys ` +
    `that do not change, which is \`${FROZEN_FILTERS[type]}.from(keys)\` of 'shardstash/filters'`;
  return misuse('UNKNOWN_PLUGIN', expected, type, { option: 'filter', available: FILTERS });
}

function nameOf(serializer: ResolvedSerializer): string | ResolvedModule {
  return typeof serializer === 'string' || 'module' in serializer ? serializer : serializer.name;
}

function restore(value: unknown, hasTier: boolean): boolean {
  const wanted = flag('restore', value);
  if (wanted && hasTier) {
    throw optionError('restore', 'false over a `tier`, which keeps its entries by itself', value);
  }
  return wanted;
}

function cleanupInterval(value: unknown): number | false {
  if (value === false) {
    return false;
  }
  const ms = parseDuration(value);
  if (!(ms >= CLEANUP_MS_MIN && ms <= TIMER_MAX_MS)) {
    throw optionError('cleanupInterval', `false, or ${CLEANUP_MS_MIN} ms or more, or a duration like '1s'`, value);
  }
  return ms;
}

function stallTimeout(value: unknown): number {
  if (value === false) {
    return EVER;
  }
  const ms = parseDuration(value);
  if (!(ms >= STALL_MS_MIN && ms <= TIMER_MAX_MS)) {
    throw optionError('stallTimeout', `false, or ${STALL_MS_MIN} ms or more, or a duration like '10s'`, value);
  }
  return ms;
}

function crashBudget(value: unknown): number {
  return value === EVER ? EVER : wholeNumber('crashBudget', value, 0, Number.MAX_SAFE_INTEGER);
}

function size(option: string, value: unknown): number {
  const bytes = parseSize(value);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw optionError(option, "a whole number of bytes of at least 1, or a size like '64mb'", value);
  }
  return bytes;
}

function flag(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw optionError(option, 'true or false', value);
  }
  return value;
}

function choice<T extends string>(option: string, value: unknown, choices: readonly T[]): T {
  const known = choices.find((candidate) => candidate === value);
  if (known === undefined) {
    throw optionError(option, choices.map((name) => `'${name}'`).join(' or '), value);
  }
  return known;
}
