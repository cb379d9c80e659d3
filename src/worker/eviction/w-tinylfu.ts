/**
 * W-TinyLFU: Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission policy", ACM TOS 2017, with the
 * adaptive window of Einziger, Eytan, Friedman and Manes, "Adaptive software cache management", Middleware 2018.
 *
 *     new --> window --- oldest: the candidate --\
 *                                                 >-- who was seen less often, by the sketch, goes
 *             probation - oldest: the victim ----/    (ties: the candidate)
 *                 |  used                 \__ a candidate that stays is newest here
 *                 v
 *             protected, 80 % of what the window leaves; its oldest go back to probation
 *
 * All three are LRU lists. A large window is good for recency, a small one for frequency: after every four cachefuls of
 * requests the window is moved a step, on in the same direction while the hit ratio rises, else back. A step is 6.25 % of
 * the cache and shrinks by 2 % each time; a change of five points or more makes it whole again. Entries follow the new
 * size a few at a time, as others come.
 *
 * Caffeine lets a candidate that loses in all the same once in 128, lest somebody who chooses keys makes others look
 * popular for ever by colliding with them. Here hashes are keyed, so that nobody can choose collisions, and such lots cost
 * six points on a loop of twice the cache's size.
 *
 * Best of the policies here on loops and scans, 2 to 4 points below LRU at worst where recency is all there is. It takes
 * some 50 cachefuls of requests to find its window. Every hit moves an entry and is counted in the sketch, so hits come in
 * order from the readers' rings.
 *
 * A snapshot has the three lists, each in its order, the share of the window, and of each entry how often the sketch
 * has seen it. What the sketch knows of other keys is lost, and the sample at hand begins anew.
 */
import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { FrequencySketch } from './frequency-sketch.ts';
import { BlendedOrder, ListOrder } from './list-order.ts';
import { SlotLists } from './lists.ts';
import { learntOf, marksOf, standingOf } from './standing.ts';
import { checkWeight, weightsOf } from './weights.ts';
import { WindowClimber } from './window-climber.ts';

const PROTECTED_SHARE = 0.8;
/** Entries that follow a new size at each request. */
const FOLLOW_MAX = 4;
const NONE = -1;
const WINDOW = 0;
const PROBATION = 1;
const PROTECTED = 2;
type List = 0 | 1 | 2;
/** Of the marks of an entry in a snapshot: two bits of its list, then what the sketch says. */
const LIST_MASK = 3;
const ESTIMATE_SHIFT = 2;

export function createWTinyLfu(context: PolicyContext): EvictionPolicy {
  const { slots, hashOf } = context;
  const weights = weightsOf(context);
  const lists = new SlotLists(slots, 3);
  const listOf = new Uint8Array(new SharedArrayBuffer(slots));
  const weightIn: [number, number, number] = [0, 0, 0];
  // Slots are as many as the smallest of entries would need: where only bytes bound the cache, it grows to what comes.
  const sketch = new FrequencySketch(slots, context.entriesMax === Number.POSITIVE_INFINITY ? 0 : context.entriesMax);
  const climber = new WindowClimber();
  let entries = 0;
  /** Whether room was needed: what a cache hits while it fills says nothing about its window. */
  let wasFull = false;
  /** The victim that was named and has not left, and the candidate that it lost to, if it did. */
  let named = NONE;
  let winner = NONE;

  const windowMax = () => Math.max(1, Math.floor(weights.capacity * climber.share));
  const total = () => weightIn[WINDOW] + weightIn[PROBATION] + weightIn[PROTECTED];
  const protectedMax = () => weights.capacity * (1 - climber.share) * PROTECTED_SHARE;

  function push(slot: number, list: List, weight: number): void {
    lists.push(slot, list);
    listOf[slot] = list;
    weightIn[list] += weight;
  }

  function leave(slot: number, weight: number): void {
    lists.remove(slot);
    weightIn[listOf[slot] as List] -= weight;
  }

  function move(slot: number, list: List): void {
    const weight = weights.of(slot);
    leave(slot, weight);
    push(slot, list, weight);
  }

  /** Moves a few of the oldest of a list that weighs too much to probation. */
  function settle(list: List, weightMax: number): void {
    for (let moves = 0; weightIn[list] > weightMax && moves < FOLLOW_MAX; moves++) {
      move(lists.oldest(list), PROBATION);
    }
  }

  function use(slot: number): void {
    named = NONE;
    sketch.add(hashOf(slot), entries);
    climber.hit();
    const list = listOf[slot] as List;
    move(slot, list === WINDOW ? WINDOW : PROTECTED);
    settle(PROTECTED, protectedMax());
  }

  /** Who of the two leaves. */
  function loserOf(candidate: number, victim: number): number {
    return sketch.estimate(hashOf(candidate)) > sketch.estimate(hashOf(victim)) ? victim : candidate;
  }

  return {
    hits: 'ring',
    arrive() {
      named = NONE;
    },
    add(slot, hash) {
      named = NONE;
      entries++;
      sketch.add(hash, entries);
      if (wasFull) {
        climber.miss(entries);
      }
      settle(WINDOW, windowMax());
      push(slot, WINDOW, weights.note(slot));
      return true;
    },
    hit: use,
    update(slot, previous) {
      const list = listOf[previous] as List;
      lists.replace(slot, previous);
      listOf[slot] = list;
      weightIn[list] -= weights.of(previous);
      weightIn[list] += weights.note(slot);
      use(slot);
    },
    remove(slot, cause) {
      if (cause === 'evict') {
        weights.fill(total());
        if (!wasFull) {
          wasFull = true;
          climber.restart();
        }
      }
      leave(slot, weights.of(slot));
      entries--;
      if (cause === 'evict' && slot === named && winner !== NONE) {
        move(winner, PROBATION);
      }
      named = NONE;
    },
    clear() {
      for (const list of [WINDOW, PROBATION, PROTECTED] as const) {
        lists.clear(list);
        weightIn[list] = 0;
      }
      sketch.clear();
      climber.restart();
      entries = 0;
      wasFull = false;
      named = NONE;
    },
    victim() {
      if (named !== NONE) {
        return named;
      }
      const candidate = lists.oldest(WINDOW);
      const unprotected = lists.oldest(PROBATION);
      const victim = unprotected === NONE ? lists.oldest(PROTECTED) : unprotected;
      winner = NONE;
      if (candidate === NONE || victim === NONE) {
        named = candidate === NONE ? victim : candidate;
      } else if (weightIn[WINDOW] + total() / entries <= windowMax()) {
        // The window has room for one more of the usual weight.
        named = victim;
      } else {
        named = loserOf(candidate, victim);
        winner = named === victim ? candidate : NONE;
      }
      return named;
    },
    ahead(into) {
      const count = lists.oldestInto(into, PROBATION, 0, into.length >> 1);
      return lists.oldestInto(into, WINDOW, count);
    },
    order(used) {
      const links = lists.copy(used);
      const learnt = wasFull ? climber.share : 0;
      const of = (...from: List[]) => {
        const stretches = from.map((list) => ({ from: lists.oldest(list), mark: list }));
        return new ListOrder(links, stretches, (slot, mark) =>
          standingOf(mark | (sketch.estimate(hashOf(slot)) << ESTIMATE_SHIFT), learnt),
        );
      };
      return new BlendedOrder(of(WINDOW), of(PROBATION, PROTECTED), weightIn[WINDOW] / Math.max(1, total()));
    },
    restore(slot, hash, standing) {
      const marks = marksOf(standing);
      named = NONE;
      entries++;
      sketch.raise(hash, marks >> ESTIMATE_SHIFT, entries);
      if (learntOf(standing) > 0 && !wasFull) {
        wasFull = true;
        climber.restart(learntOf(standing));
      }
      push(slot, Math.min(PROTECTED, marks & LIST_MASK) as List, weights.note(slot));
      return true;
    },
    check() {
      let counted = 0;
      for (const list of [WINDOW, PROBATION, PROTECTED] as const) {
        counted += checkWeight(lists, list, weights, weightIn[list]);
      }
      if (counted !== entries) {
        throw new Error(`w-tinylfu: ${counted} entries in the lists, ${entries} counted`);
      }
    },
  };
}
