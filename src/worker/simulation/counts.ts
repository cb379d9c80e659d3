/** What a simulation counts, whatever decides there what leaves. */
export interface Counts {
  readonly requests: number;
  readonly hits: number;
  /** The sizes of all requests, and of those that hit. */
  readonly bytesRequested: number;
  readonly bytesHit: number;
  readonly evictions: number;
  readonly expirations: number;
  /** Misses that were not stored because the policy would not have it, and because they are larger than the cache. */
  readonly refused: number;
  readonly tooLarge: number;
  /** What is in the cache at the end. */
  readonly entries: number;
  readonly bytes: number;
}
