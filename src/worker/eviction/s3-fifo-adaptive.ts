/**
 * S3-FIFO whose small queue finds its own size, as the window of W-TinyLFU does (share-climber.ts). The queues, the ghosts
 * and the hit of one byte are those of s3-fifo.ts; two things are different.
 *
 * The small queue begins with 10 % (half, of fewer than 200 entries) and is widened or narrowed a step after every four
 * cachefuls of requests, by what that did to the hit ratio. Wide, it is a FIFO of the whole cache that lets in nothing by
 * popularity, which is what loads of pure recency need; narrow, main stays as it is while a loop or a scan passes by.
 *
 * And until something has to go, main takes what the small queue has no room for. Alone, S3-FIFO leaves main empty until
 * something is used twice: a loop larger than the cache hits nothing then, where a main queue full of any of its entries
 * hits in proportion to its size. The price of that, a main queue full of what nobody wants again under recency, is what
 * the climbing makes good: neither is worth having without the other.
 *
 * Hits reach it as bytes in `touched`; how many there were it asks the shard, once in a while.
 */
import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { s3Fifo, usualSmallShare } from './s3-fifo.ts';
import { SAMPLE_PER_ENTRY, ShareClimber } from './share-climber.ts';

const SHARE_MIN = 0.01;
const SHARE_MAX = 0.9;
/** Looks at the count of hits in the time in which as many entries are added as the cache holds. */
const LOOKS_PER_CACHEFUL = 64;

export function createAdaptiveS3Fifo(context: PolicyContext): EvictionPolicy {
  const climber = new ShareClimber({ start: 0, min: SHARE_MIN, max: SHARE_MAX });
  let entries = 0;
  /** Whether something had to go: what a cache hits while it fills says nothing about its queues. */
  let wasFull = false;
  let hitsBefore = 0;
  let misses = 0;
  let missesAtLook = 0;
  const queues = s3Fifo(context, {
    smallShare: (ofEntries) => (wasFull ? climber.share : usualSmallShare(ofEntries)),
    fillsMain: true,
  });

  function beginSample(hits: number): void {
    hitsBefore = hits;
    misses = 0;
    missesAtLook = 0;
  }

  /** Takes a step if there were enough requests. */
  function look(): void {
    missesAtLook = misses;
    const hits = context.hitCount();
    const requests = hits - hitsBefore + misses;
    if (requests >= entries * SAMPLE_PER_ENTRY) {
      climber.climb(hits - hitsBefore, requests);
      beginSample(hits);
    }
  }

  return {
    ...queues,
    add(slot, hash) {
      entries++;
      misses++;
      if (wasFull && (misses - missesAtLook) * LOOKS_PER_CACHEFUL >= entries) {
        look();
      }
      return queues.add(slot, hash);
    },
    remove(slot, cause) {
      if (cause === 'evict' && !wasFull) {
        wasFull = true;
        climber.restart(usualSmallShare(entries));
        beginSample(context.hitCount());
      }
      entries--;
      queues.remove(slot, cause);
    },
    clear() {
      queues.clear();
      entries = 0;
      wasFull = false;
    },
  };
}
