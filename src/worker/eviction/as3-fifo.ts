/**
 * AS3-FIFO, adaptive: S3-FIFO whose small queue finds its own length. The queues, the ghosts and the hit of one byte are those of s3-fifo.ts; two
 * things are different.
 *
 * Until something has to go, main takes what the small queue has no room for. Alone, S3-FIFO leaves main empty until
 * something is used twice: a loop larger than the cache hits nothing then, while a main queue full of any of its entries
 * hits in proportion to its size, and keeps them for as long as nothing better asks for their place.
 *
 * The price of that would be a main queue full of what nobody wants again, where recency is all there is. So the small
 * queue grows by the weight of every key that comes back while its ghost is there, since a longer one would have had it,
 * and shrinks by that of every entry that has earned another round in main, since a shorter main would have lost it: the
 * two ghost lists of ARC (Megiddo and Modha, FAST 2003), told apart without a list for main. It is never shorter than in
 * S3-FIFO. Where popularity rules, entries of main earn more rounds than keys come back, and it stays at that; where
 * recency rules nothing in main earns any, and within a cacheful or two the small queue is all there is.
 *
 * Where it gains and what was tried instead, as the share of the gap between LRU and Belady's optimum that is closed over
 * the 51 cells of test/scripts/golden.ts, and the worst of them in points from LRU:
 *
 *     S3-FIFO                                            22.0 %   -1.40
 *     + main filled at first                             45.8 %   -1.4, but 25 to 42 points below LRU under recency alone
 *     + main filled, idle entries of main leave early    22 to 39 %, and recency as bad: what comes back once fills main
 *     + main filled, share of the small queue climbs     41 to 43 %   -0.9, but 30 cachefuls until recency is learnt
 *     + main filled, small queue grows and shrinks       43.4 %   -1.38, recency learnt within two cachefuls: this one
 *     both of the last two                               41.7 %   -0.9
 *     W-TinyLFU with an adaptive window                  40.9 %   -3.26
 *
 * What it leaves open: under a load of stack distances that fall off within half a cache, it is 13 points below LRU, as
 * S3-FIFO is; climbing mends that, at the price of web loads.
 *
 * A snapshot tells beside what S3-FIFO knows how much the small queue has grown.
 */
import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { s3Fifo, usualSmallShare } from './s3-fifo.ts';

/** What is left to main at least, so that it can earn its rounds. */
const SMALL_SHARE_MAX = 0.9;

export function createAs3Fifo(context: PolicyContext): EvictionPolicy {
  let earned = 0;
  return s3Fifo(context, {
    fillsMain: true,
    max(capacity, entries) {
      // The capacity may have shrunk since it was earned.
      earned = Math.min(earned, capacity * SMALL_SHARE_MAX);
      return Math.floor(Math.max(earned, capacity * usualSmallShare(entries)));
    },
    earned: () => earned,
    returned(weight) {
      earned += weight;
    },
    kept(weight) {
      earned = Math.max(0, earned - weight);
    },
    clear() {
      earned = 0;
    },
  });
}
