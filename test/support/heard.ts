/** What a listener of a cache was handed, for tests: every key, and how many it was not told of. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache, CacheEvents, CacheKey } from 'shardstash';

type Removal = 'evict' | 'expire' | 'delete';

export interface Heard {
  /** In the order in which they came. */
  readonly keys: CacheKey[];
  readonly batches: CacheEvents[Removal][];
  dropped: number;
  /** Resolves when so many events were told, or counted as dropped. */
  all(count: number): Promise<CacheKey[]>;
}

/** Listens until the cache is closed. */
export function listen(cache: Cache, event: Removal): Heard {
  const heard: Heard = {
    keys: [],
    batches: [],
    dropped: 0,
    async all(count) {
      while (heard.keys.length + heard.dropped < count) await sleep(2);
      return heard.keys;
    },
  };
  cache.on(event, (batch) => {
    heard.batches.push(batch as CacheEvents[Removal]);
    heard.keys.push(...batch.keys);
    heard.dropped += batch.dropped;
  });
  return heard;
}
