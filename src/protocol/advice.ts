/** What one shard tells of itself for `advise()`: plain data, as JSON in a reply. */

/** The sizes that are simulated, as multiples of what the shard has. The cache as it is comes second. */
export const FACTORS = [0.5, 1, 2, 4] as const;
export const AS_IT_IS = 1;

/** What a cache of another size, or with another policy, would have made of the shard's gets. */
export interface Difference {
  /** Hits it would have had more than the shard, below 0 for fewer; of all gets, not of those that were followed. */
  readonly hits: number;
  /** How uncertain that is: the variance that comes of not following every key. */
  readonly variance: number;
}

export interface ShardAdvice {
  /** Gets since the cache was opened, or its metrics were reset, and how many of them hit. */
  readonly requests: number;
  readonly hits: number;
  /** The share of keys that is followed, and how many of their gets were played. */
  readonly sampleRate: number;
  readonly followed: number;
  /** Entries that the miniature of the cache as it is holds now. */
  readonly miniatureEntries: number;
  /** One for each of FACTORS. */
  readonly sizes: readonly Difference[];
  /** The same size under other policies. */
  readonly policies: readonly (Difference & { readonly name: string })[];
  /** By how many hits the miniature of the cache as it is differs from the shard itself. */
  readonly drift: number;
  /** Gets that were looked at for hot keys, and the keys that were met most often and are there. */
  readonly looked: number;
  readonly hotKeys: readonly HotKey[];
  /** Why nothing is simulated any more. */
  readonly failure?: string;
}

export interface HotKey {
  readonly encoding: number;
  /** Its bytes in base64. */
  readonly key: string;
  readonly count: number;
}
