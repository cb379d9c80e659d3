/**
 * What `advise()` of one shard is made from: it takes in what readers tell in their sample rings, plays the gets of followed
 * keys in miniatures, counts those that came by lot for the hot keys, and says what it has found.
 *
 * What another size would hit is told as a difference from what the shard did hit, which is known to the last get:
 *
 *     hits + (hits of the miniature - hits of the miniature of the cache as it is) x requests / requests covered
 *
 * Followed keys are few, and whether the hottest of all is among them would move a plain estimate by whole points. But such
 * a key hits at every size, and is no difference. (The correction of SHARDS-adj, which counts requests that are missing
 * from the sample as hits, has the same reason; the difference also takes out what a miniature gets wrong at every size
 * alike.) Keys are dealt into groups; how much the groups disagree says how far chance may have led.
 *
 * The miniatures have a budget: as many gets at once as any short run has, and PLAYS_PER_SECOND in the long run. When it is
 * used up nobody is followed for some seconds, at no cost to readers, and the time is left out of the account.
 */
import { AS_IT_IS, type Difference, FACTORS, type HotKey, type ShardAdvice } from '../../protocol/advice.ts';
import type { Clock } from '../../protocol/clock.ts';
import { describeThrown } from '../../protocol/describe.ts';
import type { ShardLimits } from '../../protocol/memory.ts';
import type { PolicyFactory } from '../../protocol/policy.ts';
import {
  BY_LOT,
  FOLLOW_RANGE,
  FOLLOWED_HIT,
  HIGH_MASK,
  isFollowed,
  Lots,
  type SampleRing,
} from '../../protocol/samples.ts';
import { GuardedPolicy } from '../guarded-policy.ts';
import { Account, differenceOf, sum } from './account.ts';
import { HotHashes } from './hot-hashes.ts';
import { GROUPS, groupOf, type LiveEntry, Miniatures, type Model } from './miniatures.ts';

/** A get, and the set that may follow, take the miniatures 2 to 7 us: 1 to 4 % of a core in the long run. */
const PLAYS_PER_SECOND = 5_000;
/** What a short run may use at once, and from what on following begins again: some cachefuls of the largest miniature. */
export const PLAYS_MAX = 500_000;
const PLAYS_TO_RESUME = 32_768;
/** What has expired in the miniatures is swept this often. */
const SWEEP_INTERVAL_MS = 1_000;
export const HOT_KEYS_MAX = 10;
/** A key is hot from so many meetings on, 1,000 gets or more: fewer may be chance. */
const HOT_COUNT_MIN = 8;

/** The shard, as far as it is asked about. */
export interface AdvisedShard {
  /** Gets of all clients since this owner was there, whatever was reset. */
  gets(): number;
  /** The live entry of a hash; undefined where it is gone. */
  entryOf(hashLow: number, hashHigh: number): LiveEntry | undefined;
  keyOf(hashLow: number, hashHigh: number): { readonly encoding: number; readonly bytes: Uint8Array } | undefined;
  /** An entry as most are, for one that is gone. */
  meanSize(): number;
}

export interface AdvisorSetup {
  readonly limits: ShardLimits;
  readonly createPolicy: PolicyFactory;
  /** Whether that is a user's, who may do anything in it. */
  readonly isForeign: boolean;
  /** Policies to compare with. */
  readonly others: Readonly<Record<string, PolicyFactory>>;
  /** The share of keys that is followed at most. */
  readonly sampleRate: number;
  readonly seed: number;
  readonly clock: Clock;
}

export class Advisor {
  readonly #shard: AdvisedShard;
  readonly #clock: Clock;
  readonly #names: readonly string[];
  readonly #rings = new Set<SampleRing>();
  readonly #hot = new HotHashes();
  readonly #lots: Lots;
  #lotsLeft = 0;
  /** Undefined when they had to be given up. */
  #miniatures: Miniatures | undefined;
  #failure: string | undefined;
  /** The bound that readers go by: 0 while nobody is followed. */
  #below = 0;
  #playsLeft = PLAYS_MAX;
  #refilledAtMs: number;
  #sweptAtMs: number;

  /** What the shard did with followed gets, in gets of the shard, by group. */
  readonly #own = new Float64Array(GROUPS);
  #followed = 0;
  readonly #account = new Account();

  constructor(shard: AdvisedShard, { limits, createPolicy, isForeign, others, sampleRate, seed, clock }: AdvisorSetup) {
    this.#shard = shard;
    this.#clock = clock;
    this.#lots = new Lots(seed);
    this.#names = Object.keys(others);
    this.#refilledAtMs = performance.now();
    this.#sweptAtMs = this.#refilledAtMs;
    const guard: Model['guard'] = (policy, isLive) => {
      return new GuardedPolicy(policy, isLive, (fault) => this.#giveUp(fault));
    };
    const own = isForeign ? { createPolicy, guard } : { createPolicy };
    const models: Model[] = [
      ...FACTORS.map((factor) => ({ ...own, factor })),
      ...Object.values(others).map((other) => ({ createPolicy: other, factor: 1 })),
    ];
    const below = Math.max(1, Math.round(sampleRate * FOLLOW_RANGE));
    this.#guarded(() => {
      this.#miniatures = new Miniatures(models, limits, below, seed);
      this.#bound(below);
    });
  }

  connect(ring: SampleRing): void {
    this.#settle();
    this.#rings.add(ring);
    ring.follow(this.#below);
    this.#account.recount(this.#dropped());
  }

  /** Takes in what a client has left. Before its counts leave the sum of all clients. */
  disconnect(ring: SampleRing): void {
    if (this.#rings.has(ring)) {
      ring.drain(this.#take);
      this.#settle();
      this.#rings.delete(ring);
      this.#account.recount(this.#dropped());
    }
  }

  /** Takes in what all readers have told, and says how much that was. Before every change of the shard. */
  drain(): number {
    let records = 0;
    for (const ring of this.#rings) {
      records += ring.drain(this.#take);
    }
    return records;
  }

  /** From time to time. */
  tick(): number {
    const nowMs = performance.now();
    this.#playsLeft = Math.min(PLAYS_MAX, this.#playsLeft + ((nowMs - this.#refilledAtMs) * PLAYS_PER_SECOND) / 1_000);
    this.#refilledAtMs = nowMs;
    if (this.#below === 0 && this.#miniatures !== undefined && this.#playsLeft >= PLAYS_TO_RESUME) {
      this.#bound(this.#miniatures.below);
    }
    if (nowMs - this.#sweptAtMs >= SWEEP_INTERVAL_MS) {
      this.#sweptAtMs = nowMs;
      this.#guarded(() => this.#miniatures?.sweep(this.#clock.now()));
    }
    return this.drain();
  }

  /** A get that came by frame. */
  read(hashLow: number, hashHigh: number, hit: boolean): void {
    if (isFollowed(hashLow, this.#below)) {
      this.#play(hashLow, hashHigh, hit);
    }
    if (--this.#lotsLeft < 0) {
      this.#lotsLeft = this.#lots.draw();
      this.#hot.meet(hashLow, hashHigh & HIGH_MASK);
    }
  }

  /** An entry was stored, overwritten, or given another expiry. */
  stored(hashLow: number, hashHigh: number): void {
    if (isFollowed(hashLow, this.#below)) {
      this.#guarded(() => {
        this.#miniatures?.set(hashLow, this.#entryOf(hashLow, hashHigh), this.#clock.now());
        this.#shrink();
      });
    }
  }

  /** A key is not to be there any more, whether it was or not. */
  deleted(hashLow: number): void {
    // Also while nobody is followed: what is deleted must not be found again later.
    if (this.#miniatures !== undefined && isFollowed(hashLow, this.#miniatures.below)) {
      this.#guarded(() => this.#miniatures?.delete(hashLow));
    }
  }

  cleared(): void {
    this.#guarded(() => this.#miniatures?.clear());
  }

  /** Counts begin at zero; what the miniatures hold stays. */
  resetCounts(): void {
    this.drain();
    this.#settle();
    this.#hot.clear();
    this.#miniatures?.hits.fill(0);
    this.#own.fill(0);
    this.#followed = 0;
    this.#account.clear();
  }

  /** `requests` and `hits` are the shard's since the last reset. */
  advice(requests: number, hits: number): ShardAdvice {
    this.drain();
    this.#settle();
    const miniatures = this.#miniatures;
    const scale = this.#account.scaleFor(requests);
    const share = (miniatures?.below ?? 0) / FOLLOW_RANGE;
    const asItIs = this.#hitsOf(AS_IT_IS);
    const differences = Array.from({ length: FACTORS.length + this.#names.length }, (_, model) =>
      differenceOf(this.#hitsOf(model), asItIs, scale, share),
    );
    return {
      requests,
      hits,
      sampleRate: share,
      followed: this.#followed,
      miniatureEntries: miniatures?.entriesOf(AS_IT_IS) ?? 0,
      sizes: differences.slice(0, FACTORS.length),
      policies: this.#names.map((name, i) => ({ name, ...(differences[FACTORS.length + i] as Difference) })),
      drift: scale * (sum(asItIs) - sum(this.#own)),
      looked: this.#hot.total,
      hotKeys: this.#hotKeys(),
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
    };
  }

  /** Throws on the first broken invariant. For tests and fuzzers. */
  check(): void {
    this.#miniatures?.check();
  }

  readonly #take = (hashLow: number, hashHigh: number, kind: number): void => {
    if (kind === BY_LOT) {
      this.#hot.meet(hashLow, hashHigh);
    } else if (isFollowed(hashLow, this.#below)) {
      this.#play(hashLow, hashHigh, kind === FOLLOWED_HIT);
    } else if (this.#miniatures !== undefined && isFollowed(hashLow, this.#miniatures.below)) {
      // It was told while somebody was followed, and meanwhile the budget was used up.
      this.#account.lose(this.#miniatures.below);
    }
  };

  #play(hashLow: number, hashHigh: number, hit: boolean): void {
    const miniatures = this.#miniatures as Miniatures;
    this.#followed++;
    try {
      const nowMs = this.#clock.now();
      const missed = miniatures.get(hashLow, nowMs);
      if (!hit) {
        miniatures.awaitSet(hashLow, missed);
      } else {
        (this.#own[groupOf(hashLow)] as number) += FOLLOW_RANGE / miniatures.below;
        if (missed !== 0) {
          miniatures.put(hashLow, this.#entryOf(hashLow, hashHigh), missed, nowMs);
          this.#shrink();
        }
      }
    } catch (error) {
      this.#giveUp(error);
    }
    if (--this.#playsLeft <= 0) {
      this.#miniatures?.interrupt();
      this.#bound(0);
    }
  }

  /** One like most where it is gone already. */
  #entryOf(hashLow: number, hashHigh: number): LiveEntry {
    const live = this.#shard.entryOf(hashLow, hashHigh);
    return live ?? { size: this.#shard.meanSize(), deadline: Number.POSITIVE_INFINITY, slideMs: 0 };
  }

  #shrink(): void {
    const miniatures = this.#miniatures;
    while (miniatures?.isFull === true && miniatures.below > 1) {
      miniatures.halve(this.#clock.now());
      this.#bound(miniatures.below);
    }
  }

  /** From now on readers go by another bound. */
  #bound(below: number): void {
    this.#settle();
    this.#below = below;
    for (const ring of this.#rings) {
      ring.follow(below);
    }
  }

  /** Accounts for the time since the last bound. */
  #settle(): void {
    this.#account.settle(this.#below, this.#shard.gets(), this.#dropped());
  }

  #dropped(): number {
    let dropped = 0;
    for (const ring of this.#rings) {
      dropped = (dropped + ring.dropped) | 0;
    }
    return dropped;
  }

  #hitsOf(model: number): Float64Array {
    return this.#miniatures?.hits.subarray(model * GROUPS, (model + 1) * GROUPS) ?? new Float64Array(GROUPS);
  }

  #hotKeys(): HotKey[] {
    const keys: HotKey[] = [];
    for (const { hashLow, hashHigh, count } of this.#hot.top(HOT_KEYS_MAX)) {
      const key = count < HOT_COUNT_MIN ? undefined : this.#shard.keyOf(hashLow, hashHigh);
      if (key !== undefined) {
        keys.push({ encoding: key.encoding, key: Buffer.from(key.bytes).toString('base64'), count });
      }
    }
    return keys;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#giveUp(error);
    }
  }

  /** Whatever fails in a miniature, which may be a user's policy, ends the simulation and nothing else. */
  #giveUp(error: unknown): void {
    this.#failure = describeThrown(error);
    this.#miniatures = undefined;
    this.#bound(0);
  }
}
