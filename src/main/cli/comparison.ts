/** Hit ratios of every policy at every capacity and number of shards, over one recording of requests. */
import { type defaultPolicy, type SimulatedCache, type SimulationResult, simulate } from '../simulation.ts';
import type { Unit } from './capacities.ts';
import type { Recording } from './recorder.ts';

/** What nobody can beat, as it is called among policies. */
export const OPTIMUM = 'belady';
/** What others are measured by. */
export const BASELINE = 'lru';

export type ComparedPolicy = typeof defaultPolicy;

export interface ComparisonOptions {
  readonly policies: readonly ComparedPolicy[];
  readonly unit: Unit;
  /** Ascending. */
  readonly sizes: readonly number[];
  /** The first is the one that is shown. */
  readonly shards: readonly number[];
  readonly threads: number | undefined;
  readonly requestsPerSecond: number | undefined;
  readonly signal: AbortSignal;
  /** Hears the share of all work that is done. */
  readonly onProgress: (share: number) => void;
}

export interface Cell extends SimulationResult {
  /** One of the policies, or the optimum. */
  readonly policy: string;
  readonly shards: number;
  readonly size: number;
}

export interface Comparison {
  readonly unit: Unit;
  readonly policies: readonly ComparedPolicy[];
  readonly sizes: readonly number[];
  readonly shards: readonly number[];
  readonly requests: number;
  readonly keys: number;
  readonly footprintBytes: number;
  /** Hits of a cache that holds everything: all requests but the first of each key. */
  readonly ceiling: number;
  readonly cells: readonly Cell[];
}

export async function compare(recording: Recording, options: ComparisonOptions): Promise<Comparison> {
  const { policies, unit, sizes, shards, threads, requestsPerSecond, signal, onProgress } = options;
  const { requests, footprintBytes } = recording;
  const places = shards.flatMap((count) =>
    [...policies, OPTIMUM].flatMap((policy) => sizes.map((size) => ({ policy, shards: count, size }))),
  );
  const caches = places.map(({ policy, shards: count, size }) => {
    const bound = unit === 'entries' ? { maxEntries: size } : { maxBytes: size };
    return { eviction: policy as SimulatedCache['eviction'], shards: count, ...bound };
  });
  const results = await simulate(requests, caches, { threads, requestsPerSecond, signal, onProgress });
  const count = requests.ids.length;
  return {
    ...{ unit, policies, sizes, shards },
    requests: count,
    keys: requests.keys,
    footprintBytes,
    ceiling: count === 0 ? 0 : (count - requests.keys) / count,
    cells: places.map((place, i) => ({ ...place, ...(results[i] as SimulationResult) })),
  };
}

/** The cells of a policy, one for each size. */
export function cellsOf({ cells, shards }: Comparison, policy: string, count = shards[0]): Cell[] {
  return cells.filter((cell) => cell.policy === policy && cell.shards === count);
}

/** The hit ratios of a policy, one for each size. */
export function ratiosOf(comparison: Comparison, policy: string, count = comparison.shards[0]): number[] {
  return cellsOf(comparison, policy, count).map(({ hitRatio }) => hitRatio);
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
