/**
 * All shards of a cache, as the thread that opened it has them: their memory, which is reserved here, who keeps each of
 * them owned, and who knows their clients.
 */
import { randomBytes } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { monotonic } from '../protocol/clock.ts';
import { CacheError, misuse } from '../protocol/errors.ts';
import { diskFiles } from '../protocol/files.ts';
import { reserveShard, type ShardLimits, type ShardRegions } from '../protocol/memory.ts';
import type { StoredValue } from '../protocol/operations.ts';
import type { ShardSpec, TierSpec } from '../protocol/spec.ts';
import { ComputePool, type ResolvedTask } from './compute.ts';
import { evictionSpecOf } from './eviction.ts';
import type { CacheFacts } from './handle.ts';
import type { ManualClock } from './manual-clock.ts';
import type { Notices } from './notices.ts';
import { type CacheConfig, hashSeedOf, shareLimits } from './options.ts';
import { HANDLES_MAX, Reception } from './reception.ts';
import { type Member, Roster } from './roster.ts';
import type { ValueCodec } from './serializers/index.ts';
import type { ShardView } from './shard-view.ts';
import { SnapshotCounts } from './snapshot/counts.ts';
import { Owners } from './snapshot/owners.ts';
import type { SnapshotCaller } from './snapshot/requests.ts';
import { Snapshots } from './snapshot/snapshots.ts';
import { Supervisor } from './supervisor.ts';
import type { OpenedTier } from './tier/open.ts';
import { EVER } from './units.ts';
import { createViews } from './views.ts';
import { Watchdog } from './watchdog.ts';

/** Where a client's shards are kept: in its own thread, or in the one that opened the cache. */
export interface CacheHome {
  readonly facts: CacheFacts;
  readonly views: readonly ShardView[];
  /** Saves and loads. */
  readonly snapshots: SnapshotCaller;
  /** Resolves when the cache was closed by somebody else. */
  readonly gone: Promise<void>;
  /** Whoever has the other end of this port may attach. Throws OVERLOADED. */
  expect(port: MessagePort): void;
  /** Runs a task in a thread of the cache's pool, as `ComputePool.run` does. */
  compute(task: ResolvedTask, chain: readonly string[], signal: AbortSignal): Promise<StoredValue>;
  /** Ends the thread of a shard, as a crash would. Only where the cache was opened. */
  crash?(shard: number): Promise<void>;
  /** Nobody attaches any more. */
  beginClose(): void;
  /**
   * Leaves; where the cache was opened, closes it for all. Calls in flight reject with CACHE_CLOSED. Rejects with ENGINE_ERROR
   * where a tier could not be written what was acknowledged, for which it has `timeoutMs` and some seconds, and as `save` does where
   * the cache was to save itself.
   */
  close(timeoutMs: number): Promise<void>;
}

/** How the opener's thread reads values, for snapshots that are text, and what files of them are called. */
export interface CacheValues {
  readonly codec: ValueCodec;
  readonly extension: string | undefined;
}

/** Caches that were opened in this thread. */
const opened = new Set<string>();

/** Whether the cache of this id was opened in this thread, and is open. */
export function isOpenedHere(id: string): boolean {
  return opened.has(id);
}

/** Opens all shards or none, and restores what was saved. Of the tier it closes nothing when it rejects. */
export async function openShards(
  config: CacheConfig,
  clock: ManualClock | undefined,
  values: CacheValues,
  notices: Notices,
  tier: OpenedTier | undefined,
): Promise<CacheHome> {
  const limits = shareLimits(config);
  const regions = limits.map((each) => reserve(each, config, tier));
  const roster = new Roster(config.shards);
  const tierSpec = tierSpecOf(tier, config, clock);
  const supervisors = limits.map((each, shard) => {
    const spec = specOf(shard, each, config, tierSpec);
    const body = { spec, regions: regions[shard] as ShardRegions, clock, config, notices, keeper: tier?.keeper };
    return new Supervisor(body, {
      serving: (owner, isFirst) => {
        roster.serve(shard, owner);
        if (!isFirst) notices.tellOfShard('shard:up', `Shard ${shard} has a new owner`, shard);
      },
      down: (how, { code, cause }) => {
        roster.unserve(shard);
        notices.tellOfShard('shard:down', `Shard ${shard} ${how}`, shard, { code, cause });
      },
      failed: (how) => {
        roster.fail(shard, how);
        notices.tellOfShard('shard:failed', `Shard ${shard} ${how}`, shard);
      },
    });
  });
  try {
    const [hits] = await Promise.all(supervisors.map((supervisor) => supervisor.open()));
    const state = new SharedArrayBuffer(4);
    const id = randomBytes(8).toString('hex');
    const time = clock?.buffer;
    const facts: CacheFacts = {
      id,
      config,
      hashSeed: tier?.seed ?? hashSeedOf(config),
      limits,
      regions,
      hits: hits as CacheFacts['hits'],
      time,
      state,
      tierCounts: tier?.counts,
      snapshotCounts: new SnapshotCounts().buffer,
    };
    const cache = new OpenedCache(facts, supervisors, roster, clock, values, notices, tier);
    await cache.begin();
    return cache;
  } catch (cause) {
    await Promise.all(supervisors.map((supervisor) => supervisor.close()));
    throw cause;
  }
}

class OpenedCache implements CacheHome {
  readonly facts: CacheFacts;
  readonly views: readonly ShardView[];
  /** Never: nobody else closes what was opened here. */
  readonly gone = new Promise<void>(() => {});
  readonly #supervisors: readonly Supervisor[];
  readonly #reception: Reception;
  readonly #watchdog: Watchdog;
  readonly #pool: ComputePool;
  readonly #tier: OpenedTier | undefined;
  readonly snapshots: Snapshots;

  constructor(
    facts: CacheFacts,
    supervisors: readonly Supervisor[],
    roster: Roster,
    clock: ManualClock | undefined,
    values: CacheValues,
    notices: Notices,
    tier: OpenedTier | undefined,
  ) {
    this.facts = facts;
    this.#tier = tier;
    this.#supervisors = supervisors;
    const { compute, serializer } = facts.config;
    this.#pool = new ComputePool(compute, serializer, (cause) => {
      notices.tell('warning', 'An idle thread of the compute pool failed', { cause });
    });
    const { config, hashSeed, limits, snapshotCounts } = facts;
    this.snapshots = new Snapshots(new Owners(supervisors), {
      config,
      ...values,
      clock: clock ?? monotonic,
      wallOriginMs: clock && Date.now() - clock.now(),
      hashSeed,
      limits,
      files: diskFiles,
      notices,
      counts: new SnapshotCounts(snapshotCounts),
    });
    this.#reception = new Reception(roster, this.#pool, this.snapshots);
    this.#watchdog = new Watchdog(supervisors, roster, facts.config.stallTimeout);
    const { views, buffers } = createViews(facts, clock ?? monotonic, (shard) => void roster.lost(own, shard));
    this.views = views;
    const own: Member = {
      buffers,
      connect: (shard, port) => views[shard]?.lane.connect(port),
      disconnect: (shard) => views[shard]?.lane.disconnect(),
      fail: (shard, how) => views[shard]?.lane.fail('SHARD_FAILED', how),
    };
    roster.admit(own);
    if (tier !== undefined) {
      tier.keeper.onReplaced = () => {
        for (const supervisor of supervisors) supervisor.reconnectTier();
      };
    }
    opened.add(facts.id);
  }

  /** What the options want of it before anybody has it. Where that fails, it is closed. */
  async begin(): Promise<void> {
    try {
      await this.snapshots.open();
    } catch (error) {
      await this.#end();
      throw error;
    }
  }

  expect(port: MessagePort): void {
    if (!this.#reception.expect(port)) {
      const message = `${HANDLES_MAX} handles of this cache were made and never attached. Make one for each thread, when it needs it`;
      throw new CacheError('OVERLOADED', message);
    }
  }

  compute(task: ResolvedTask, chain: readonly string[], signal: AbortSignal): Promise<StoredValue> {
    return this.#pool.run(task, chain, signal);
  }

  async crash(shard: number): Promise<void> {
    await this.#supervisors[shard]?.crash();
  }

  beginClose(): void {
    Atomics.store(new Int32Array(this.facts.state), 0, 1);
  }

  async close(timeoutMs: number): Promise<void> {
    const [saved] = await Promise.allSettled([this.#end()]);
    // What owners have sent it still does, though they are gone.
    await this.#tier?.close(timeoutMs);
    if (saved.status === 'rejected') throw saved.reason;
  }

  /** All but the tier. Rejects as the last save does, when all has ended. */
  async #end(): Promise<void> {
    opened.delete(this.facts.id);
    for (const { lane } of this.views) {
      lane.fail('CACHE_CLOSED', 'is closed: the cache was closed');
    }
    try {
      // While owners live, and are watched.
      await this.snapshots.close();
    } finally {
      this.#watchdog.close();
      this.#reception.close();
      await Promise.all([this.#pool.close(), ...this.#supervisors.map((supervisor) => supervisor.close())]);
    }
  }
}

function reserve(limits: ShardLimits, config: CacheConfig, tier: OpenedTier | undefined): ShardRegions {
  try {
    return reserveShard(limits, config.filter, tier === undefined || tier.isShared ? undefined : config.shards);
  } catch (cause) {
    const error = misuse('INVALID_CONFIG', '`maxBytes` that this machine can reserve', config.maxBytes, {
      option: 'maxBytes',
    });
    throw Object.assign(error, { cause });
  }
}

function specOf(
  shard: number,
  limits: ShardLimits,
  { eviction, filter, seed, cleanupInterval, advise }: CacheConfig,
  tier: TierSpec | false,
): ShardSpec {
  return {
    shard,
    limits,
    eviction: evictionSpecOf(eviction),
    filter,
    seed: seed === undefined ? randomBytes(4).readInt32LE() : (seed + shard) | 0,
    sweepIntervalMs: cleanupInterval === false ? EVER : cleanupInterval,
    advise,
    tier,
  };
}

function tierSpecOf(
  tier: OpenedTier | undefined,
  { shards }: CacheConfig,
  clock: ManualClock | undefined,
): TierSpec | false {
  if (tier === undefined) {
    return false;
  }
  const { isShared, isEmpty, seed } = tier;
  return { isShared, isEmpty, wallOriginMs: Date.now() - (clock ?? monotonic).now(), hashSeed: seed, shards };
}
