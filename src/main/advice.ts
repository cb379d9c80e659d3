/**
 * What `cache.advise()` tells: what the shards have found out about themselves, put together, and one sentence about it.
 *
 * Each shard says by how many hits every other size and policy would differ from what it did; the differences add up, and
 * so do their variances.
 */
import { AS_IT_IS, type Difference, FACTORS, type ShardAdvice } from '../protocol/advice.ts';
import type { CacheKey } from '../protocol/cache-key.ts';
import { decodeKey } from '../protocol/key.ts';
import type { EvictionName } from './eviction.ts';

/** How a cache of another size, or with another policy, would have done. */
export interface Prediction {
  readonly hitRatio: number;
  /** The truth lies within so much of `hitRatio`, on either side, 19 times in 20. */
  readonly margin: number;
}

export interface SizePrediction extends Prediction {
  /** 0.5, 1, 2 or 4 times the size there is; 1 is what was measured. */
  readonly factor: number;
  /** The bounds of such a cache. */
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export interface PolicyPrediction extends Prediction {
  readonly eviction: EvictionName;
}

export interface HotKey<K extends CacheKey = CacheKey> {
  readonly key: K;
  /** Of all gets of the cache: about. */
  readonly share: number;
}

export interface ShardLoad {
  readonly shard: number;
  /** Gets, and their share of all. */
  readonly requests: number;
  readonly share: number;
}

export interface CacheAdvice<K extends CacheKey = CacheKey> {
  /** False for a cache that was opened without `advise`: then there is nothing but how to change that. */
  readonly enabled: boolean;
  /** Whether enough was seen to go by. Until then `sizes` and `policies` are guesses. */
  readonly ready: boolean;
  /** The share of keys whose gets are followed now; 0 when following had to be given up. */
  readonly sampleRate: number;
  /** Gets since the cache was opened or `resetMetrics` was called, and how many of them were played in miniature. */
  readonly requests: number;
  readonly followed: number;
  /** Measured. */
  readonly hitRatio: number;
  /** What half, the same, twice and four times the size would have hit, of the same gets. */
  readonly sizes: readonly SizePrediction[];
  /** What other policies would have hit, at the same size; the best comes first. */
  readonly policies: readonly PolicyPrediction[];
  /** The keys that are asked for most, ten at most. A key that is not in the cache now is not among them. */
  readonly hotKeys: readonly HotKey<K>[];
  readonly shards: readonly ShardLoad[];
  /** Gets of the busiest shard over the mean: 1 is even. 1 before the first get. */
  readonly skew: number;
  /** In one sentence. */
  readonly recommendation: string;
}

/** What the cache is like. */
export interface AdvisedCache {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly eviction: string;
}

/** Played gets below which nothing is ready. */
const FOLLOWED_MIN = 2_000;
const HOT_KEYS_MAX = 10;
/** Standard deviations that hold 19 cases in 20. */
const DEVIATIONS = 2;
/** Points that make another size or policy worth it, beyond their margin. */
const POINTS_WORTH = 0.01;
/** A shard this much busier than the mean is worth a word. */
const SKEW_WORTH = 1.5;

/** What a cache says that was opened without `advise`. */
export function noAdvice<K extends CacheKey>(): CacheAdvice<K> {
  return Object.freeze({
    enabled: false,
    ready: false,
    sampleRate: 0,
    requests: 0,
    followed: 0,
    hitRatio: 0,
    sizes: Object.freeze([]),
    policies: Object.freeze([]),
    hotKeys: Object.freeze([]),
    shards: Object.freeze([]),
    skew: 1,
    recommendation: 'Open the cache with `advise: true`: without it nothing is followed.',
  });
}

/** Of what every shard says, in order. */
export function combineAdvice<K extends CacheKey>(shards: readonly ShardAdvice[], cache: AdvisedCache): CacheAdvice<K> {
  const requests = total(shards, ({ requests: each }) => each);
  const hits = total(shards, ({ hits: each }) => each);
  const followed = total(shards, ({ followed: each }) => each);
  const drift = ratio(Math.abs(total(shards, ({ drift: each }) => each)), requests);
  const loads = shards.map((each, shard) => {
    return Object.freeze({ shard, requests: each.requests, share: ratio(each.requests, requests) });
  });
  const predict = (differences: readonly Difference[]): Prediction => {
    const deviation = ratio(Math.sqrt(total(differences, ({ variance }) => variance)), requests);
    return {
      hitRatio: Math.min(1, Math.max(0, ratio(hits + total(differences, (each) => each.hits), requests))),
      margin: Math.min(1, DEVIATIONS * deviation + drift),
    };
  };
  const failure = shards.find((each) => each.failure !== undefined)?.failure;
  const sizes = FACTORS.map((factor, i) =>
    Object.freeze({
      factor,
      maxEntries: Math.round(cache.maxEntries * factor),
      maxBytes: Math.round(cache.maxBytes * factor),
      ...(i === AS_IT_IS
        ? { hitRatio: ratio(hits, requests), margin: 0 }
        : predict(shards.map((shard) => shard.sizes[i] as Difference))),
    }),
  );
  const policies = (shards[0]?.policies ?? [])
    .map(({ name }, i) =>
      Object.freeze({ eviction: name, ...predict(shards.map((shard) => shard.policies[i] as Difference)) }),
    )
    .sort((one, other) => other.hitRatio - one.hitRatio);
  const advice: Omit<CacheAdvice<K>, 'recommendation'> = {
    enabled: true,
    ready: failure === undefined && followed >= FOLLOWED_MIN,
    sampleRate: ratio(
      total(shards, ({ sampleRate }) => sampleRate),
      shards.length,
    ),
    requests,
    followed,
    hitRatio: ratio(hits, requests),
    sizes: Object.freeze(failure === undefined ? sizes : []),
    policies: Object.freeze(failure === undefined ? policies : []),
    hotKeys: Object.freeze(hotKeysOf<K>(shards, requests)),
    shards: Object.freeze(loads),
    skew: requests === 0 ? 1 : Math.max(...loads.map(({ share }) => share)) * loads.length,
  };
  return Object.freeze({ ...advice, recommendation: recommendationOf(advice, cache, failure) });
}

function hotKeysOf<K extends CacheKey>(shards: readonly ShardAdvice[], requests: number): HotKey<K>[] {
  return shards
    .flatMap(({ hotKeys, looked, requests: own }) =>
      hotKeys.map(({ encoding, key, count }) => {
        const share = ratio(count, looked) * ratio(own, requests);
        return Object.freeze({ key: decodeKey(Buffer.from(key, 'base64'), encoding) as K, share });
      }),
    )
    .sort((one, other) => other.share - one.share)
    .slice(0, HOT_KEYS_MAX);
}

/** The first that holds: what is wrong, what gains hits for nothing, what does for memory, what saves it, that all is well. */
function recommendationOf<K extends CacheKey>(
  advice: Omit<CacheAdvice<K>, 'recommendation'>,
  cache: AdvisedCache,
  failure: string | undefined,
): string {
  const { ready, followed, hitRatio, sizes, policies, skew, shards } = advice;
  const now = percent(hitRatio);
  if (failure !== undefined) {
    return `Nothing can be said about other sizes: in the simulation of a small cache, ${lowerFirst(failure)}.`;
  }
  if (!ready) {
    return `Ask again later: ${followed} gets were followed so far, and ${FOLLOWED_MIN} are the least to go by.`;
  }
  const [half, , twice, fourfold] = sizes as [SizePrediction, SizePrediction, SizePrediction, SizePrediction];
  const [best] = policies;
  const gains = (other: Prediction): boolean => other.hitRatio - other.margin - hitRatio >= POINTS_WORTH;
  if (best !== undefined && gains(best)) {
    return `Use \`eviction: '${best.eviction}'\`: it would hit ${percent(best.hitRatio)} of these gets at the same size, and '${cache.eviction}' hits ${now}.`;
  }
  if (gains(twice)) {
    return `Twice the size would hit ${percent(twice.hitRatio)} of these gets instead of ${now}, four times ${percent(fourfold.hitRatio)}: it is worth it where a miss is dear.`;
  }
  if (shards.length > 1 && skew >= SKEW_WORTH) {
    const busiest = shards.reduce((one, other) => (other.requests > one.requests ? other : one));
    return `Shard ${busiest.shard} gets ${skew.toFixed(1)} times its share of the requests; see \`hotKeys\` for those to keep in a variable of your own.`;
  }
  if (hitRatio - half.hitRatio + half.margin < POINTS_WORTH) {
    return `Half the size would do: it would hit ${percent(half.hitRatio)} of these gets, and this one hits ${now}.`;
  }
  return `Keep the size: half of it would hit ${percent(half.hitRatio)} of these gets, twice as much ${percent(twice.hitRatio)}, and this one hits ${now}.`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function total<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
