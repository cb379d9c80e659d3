/**
 * S3-FIFO: Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023. Most keys of a
 * cache are asked for once. New entries queue in a small FIFO; whoever was not used twice by its end leaves, and only its
 * hash is remembered; the others move to the main FIFO, whose old end gives another round to what was used meanwhile.
 *
 *     new ------> small, 10 % ---- used twice or more ----> main, 90 % --- used: again at the new end
 *                   |                                         |     ^
 *                   v  else                                   v     |  a key that comes back soon
 *                 ghosts: hashes of as much as main holds   gone    '-- starts here
 *
 * A hit is one byte that readers store themselves, in `touched`, up to 3; nothing moves. An overwrite keeps its place and
 * counts as a use. Room is made in main while that is over its share, else in small.
 *
 * Best of the policies here on web, application and key-value loads, within 0.1 points of LRU where that is best, no help
 * against loops. A small queue of 10 % of very few entries pushes out what is needed again at once (13 points below LRU
 * on a trace of recency), so with fewer than SMALL_CACHE entries it takes half.
 *
 * A snapshot has both queues, each in its order, and the uses of each entry; the ghosts are lost.
 */
import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { Ghosts } from './ghosts.ts';
import { BlendedOrder, ListOrder } from './list-order.ts';
import { SlotLists } from './lists.ts';
import { learntOf, marksOf, standingOf } from './standing.ts';
import type { WarmingPolicy } from './warming.ts';
import { checkWeight, weightsOf } from './weights.ts';

export interface S3FifoOptions {
  /** What the small queue takes of the whole, between 0 and 1. Default: 0.1, and 0.5 with fewer than 200 entries. */
  readonly smallShare?: number;
}

const SMALL_SHARE = 0.1;
const SMALL_CACHE = 200;
const SMALL_SHARE_OF_FEW = 0.5;
/** The paper's: ghosts of as much as the main queue holds, whatever the small one takes. */
const GHOST_SHARE = 0.9;
/** Uses in the small queue that lead to the main one. */
const PROMOTING_USES = 2;
/** What `touched` counts to. */
const USES_MAX = 3;
/**
 * Entries that one victim moves at most; then the one at hand goes, used or not. Without a bound the first eviction of ten
 * million entries, all of them used, would walk them three times while every call waits: so it is half a millisecond. None
 * of the cells of golden.csv needs so many; 1,024 would change one of them, by 8e-6.
 */
const MOVES_MAX = 4_096;
/** What each victim adds to the moves that are left to it and the next ones: so a thousand of them cost little more. */
const MOVES_PER_VICTIM = 64;
const NONE = -1;
const SMALL = 0;
const MAIN = 1;
/** Of the marks of an entry in a snapshot: two bits of uses, then its queue. */
const QUEUE_SHIFT = 2;

export function createS3Fifo(context: PolicyContext, { smallShare }: S3FifoOptions = {}): EvictionPolicy {
  return s3Fifo(context, {
    max: (capacity, entries) => Math.floor(capacity * (smallShare ?? usualSmallShare(entries))),
    fillsMain: false,
  });
}

/** What the small queue takes of a cache of so many entries. */
export function usualSmallShare(entries: number): number {
  return entries < SMALL_CACHE ? SMALL_SHARE_OF_FEW : SMALL_SHARE;
}

/** How long the small queue is. All weights are of the unit that is divided: entries or bytes. */
export interface SmallQueue {
  /** What it may weigh, of so much in so many entries. */
  max(capacity: number, entries: number): number;
  /** Whether, until something had to go, the main queue takes what this one has no room for. */
  readonly fillsMain: boolean;
  /** What it has grown by. */
  earned?(): number;
  /**
   * A key came back that had left the small queue: a longer one would have had it. Of a snapshot, what had been earned
   * comes back.
   */
  returned?(weight: number): void;
  /** An entry had earned another round in the main queue: a shorter one would have lost it. */
  kept?(weight: number): void;
  clear?(): void;
}

/** Both queues and the ghosts, for whoever decides how long the small one is. */
export function s3Fifo(context: PolicyContext, small: SmallQueue): WarmingPolicy {
  const { slots, entriesMax, touched, hashOf } = context;
  const weights = weightsOf(context);
  const queues = new SlotLists(slots, 2);
  const queueOf = new Uint8Array(new SharedArrayBuffer(slots));
  const ghosts = new Ghosts(slots);
  let entries = 0;
  let smallWeight = 0;
  let mainWeight = 0;
  let isFilling = small.fillsMain;
  let movesLeft = MOVES_MAX;
  /** The victim that was named and has not left. */
  let named = NONE;
  /** The hash of the key that is about to be stored, and whether its ghost was there. */
  let arriving: number | undefined;
  let isRemembered = false;

  function push(slot: number, queue: number, weight: number): void {
    queues.push(slot, queue);
    queueOf[slot] = queue;
    weigh(queue, weight);
  }

  function weigh(queue: number, weight: number): void {
    if (queue === SMALL) {
      smallWeight += weight;
    } else {
      mainWeight += weight;
    }
  }

  /** The oldest of the small queue that was not used twice, those before it moved; NONE when all were. */
  function oldestUnusedOfSmall(): number {
    let at = queues.oldest(SMALL);
    for (; at !== NONE && movesLeft > 0 && (touched[at] as number) >= PROMOTING_USES; movesLeft--) {
      const weight = weights.of(at);
      touched[at] = 0;
      queues.remove(at);
      weigh(SMALL, -weight);
      push(at, MAIN, weight);
      at = queues.oldest(SMALL);
    }
    return at;
  }

  /** The oldest of the main queue that was not used since its last round. */
  function oldestUnusedOfMain(): number {
    let at = queues.oldest(MAIN);
    for (; at !== NONE && movesLeft > 0 && touched[at] !== 0; movesLeft--) {
      touched[at] = Math.min(USES_MAX, touched[at] as number) - 1;
      small.kept?.(weights.of(at));
      queues.refresh(at, MAIN);
      at = queues.oldest(MAIN);
    }
    return at;
  }

  return {
    hits: 'byte',
    arrive(hash) {
      named = NONE;
      const weight = ghosts.take(hash);
      arriving = hash;
      isRemembered = weight >= 0;
      if (isRemembered) {
        small.returned?.(weight);
      }
    },
    add(slot, hash) {
      // Of as many as there will be, where that is known: a large cache that is still filling is no small one.
      const ofEntries = entriesMax === Number.POSITIVE_INFINITY ? entries : entriesMax;
      const overflows = isFilling && smallWeight >= small.max(weights.capacity, ofEntries);
      if (arriving !== hash) {
        // Evicted to make room for itself: it is back, and its ghost is none.
        ghosts.take(hash);
        isRemembered = false;
      }
      push(slot, isRemembered || overflows ? MAIN : SMALL, weights.note(slot));
      arriving = undefined;
      named = NONE;
      entries++;
      return true;
    },
    hit: () => {},
    update(slot, previous) {
      const queue = queueOf[previous] as number;
      queues.replace(slot, previous);
      queueOf[slot] = queue;
      weigh(queue, -weights.of(previous));
      weigh(queue, weights.note(slot));
      touched[slot] = Math.min(USES_MAX, (touched[slot] as number) + 1);
      named = NONE;
    },
    remove(slot, cause) {
      const queue = queueOf[slot] as number;
      const weight = weights.of(slot);
      if (cause === 'evict') {
        isFilling = false;
        weights.fill(smallWeight + mainWeight);
        if (queue === SMALL) {
          ghosts.push(hashOf(slot), weight);
          ghosts.trim(Math.floor(weights.capacity * GHOST_SHARE));
        }
      }
      queues.remove(slot);
      weigh(queue, -weight);
      entries--;
      named = NONE;
    },
    clear() {
      queues.clear(SMALL);
      queues.clear(MAIN);
      ghosts.clear();
      entries = 0;
      smallWeight = 0;
      mainWeight = 0;
      isFilling = small.fillsMain;
      small.clear?.();
      named = NONE;
      arriving = undefined;
    },
    victim() {
      if (named !== NONE) {
        return named;
      }
      movesLeft = Math.min(MOVES_MAX, movesLeft + MOVES_PER_VICTIM);
      const isMainOver = mainWeight > weights.capacity - small.max(weights.capacity, entries);
      named = isMainOver ? oldestUnusedOfMain() : oldestUnusedOfSmall();
      if (named === NONE) {
        // Nobody was left in the one: whoever there is, is in the other.
        named = isMainOver ? oldestUnusedOfSmall() : oldestUnusedOfMain();
      }
      return named;
    },
    warm(slots, count) {
      let warmed = 0;
      for (let i = 0; i < count; i++) {
        const slot = slots[i] as number;
        warmed ^= (queueOf[slot] as number) ^ weights.of(slot);
      }
      return warmed;
    },
    ahead(into) {
      const count = queues.oldestInto(into, SMALL);
      return queues.oldestInto(into, MAIN, count);
    },
    order(used) {
      const links = queues.copy(used);
      const uses = touched.slice(0, used);
      const weight = smallWeight + mainWeight;
      const learnt = (small.earned?.() ?? 0) / Math.max(1, weight);
      const ofQueue = (queue: number) =>
        new ListOrder(links, [{ from: queues.oldest(queue), mark: queue }], (slot, mark) =>
          standingOf((mark << QUEUE_SHIFT) | Math.min(USES_MAX, uses[slot] as number), learnt),
        );
      return new BlendedOrder(ofQueue(SMALL), ofQueue(MAIN), smallWeight / Math.max(1, weight));
    },
    restore(slot, hash, standing) {
      const marks = marksOf(standing);
      const weight = weights.note(slot);
      touched[slot] = marks & USES_MAX;
      ghosts.take(hash);
      small.returned?.(weight * learntOf(standing));
      push(slot, (marks >> QUEUE_SHIFT) & 1, weight);
      arriving = undefined;
      named = NONE;
      entries++;
      return true;
    },
    check() {
      ghosts.check();
      const counted = checkWeight(queues, SMALL, weights, smallWeight) + checkWeight(queues, MAIN, weights, mainWeight);
      if (counted !== entries) {
        throw new Error(`s3-fifo: ${counted} entries in the queues, ${entries} counted`);
      }
    },
  };
}
