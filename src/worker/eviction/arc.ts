/**
 * ARC: Megiddo and Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003. One LRU list for entries that
 * were used once, one for those used again, and of each the ghosts of what left it. A key that comes back while its ghost
 * is there says that its list was too short: the target `p` for the first list moves towards it.
 *
 *     once     [ ghosts | entries, about p ]      used again: to the other list
 *     again    [ ghosts | entries          ]      each with its ghosts at most a cacheful, both at most two
 *
 * Close to LRU where that is best and never much below it, better under scans, no help against loops. Every hit moves an
 * entry, so hits come in order from the readers' rings.
 *
 * A snapshot has both lists, each in its order, and the target; the ghosts are lost.
 */
import type { EvictionPolicy, PolicyContext } from '../../protocol/policy.ts';
import { Ghosts } from './ghosts.ts';
import { BlendedOrder, ListOrder } from './list-order.ts';
import { SlotLists } from './lists.ts';
import { learntOf, marksOf, standingOf } from './standing.ts';
import { checkWeight, weightsOf } from './weights.ts';

const ONCE = 0;
const AGAIN = 1;
const NEITHER = 2;
const NONE = -1;

export function createArc(context: PolicyContext): EvictionPolicy {
  const { slots, hashOf } = context;
  const weights = weightsOf(context);
  const lists = new SlotLists(slots, 2);
  const listOf = new Uint8Array(new SharedArrayBuffer(slots));
  const weightIn: [number, number] = [0, 0];
  const ghostsOf = [new Ghosts(slots), new Ghosts(slots)] as const;
  /** What the entries used once should weigh: p. */
  let target = 0;
  /** Whose ghost the key was that is about to be stored, and its hash. */
  let ghostWas = NEITHER;
  let arriving: number | undefined;

  const total = () => weightIn[ONCE] + weightIn[AGAIN];

  function push(slot: number, list: 0 | 1, weight: number): void {
    lists.push(slot, list);
    listOf[slot] = list;
    weightIn[list] += weight;
  }

  function leave(slot: number, weight: number): void {
    lists.remove(slot);
    weightIn[listOf[slot] as 0 | 1] -= weight;
  }

  /** Forgets the ghosts that a new entry leaves no room for. */
  function trimGhosts(weight: number): void {
    ghostsOf[ONCE].trim(weights.capacity - weightIn[ONCE] - weight);
    ghostsOf[AGAIN].trim(2 * weights.capacity - total() - ghostsOf[ONCE].weight - weight);
  }

  function use(slot: number): void {
    const weight = weights.of(slot);
    leave(slot, weight);
    push(slot, AGAIN, weight);
  }

  return {
    hits: 'ring',
    arrive(hash) {
      arriving = hash;
      const [once, again] = ghostsOf;
      const [onceWeight, againWeight] = [once.weight, again.weight];
      let weight = once.take(hash);
      if (weight >= 0) {
        ghostWas = ONCE;
        target = Math.min(weights.capacity, target + weight * Math.max(againWeight / onceWeight, 1));
        return;
      }
      weight = again.take(hash);
      ghostWas = weight >= 0 ? AGAIN : NEITHER;
      if (weight >= 0) {
        target = Math.max(0, target - weight * Math.max(onceWeight / againWeight, 1));
      }
    },
    add(slot, hash) {
      const weight = weights.note(slot);
      if (arriving !== hash) {
        // Evicted to make room for itself: it is back, and its ghost is none.
        ghostWas = NEITHER;
        ghostsOf[ONCE].take(hash);
        ghostsOf[AGAIN].take(hash);
      }
      const isKnown = ghostWas !== NEITHER;
      ghostWas = NEITHER;
      arriving = undefined;
      if (!isKnown) {
        trimGhosts(weight);
      }
      push(slot, isKnown ? AGAIN : ONCE, weight);
      return true;
    },
    hit: use,
    update(slot, previous) {
      const list = listOf[previous] as 0 | 1;
      lists.replace(slot, previous);
      listOf[slot] = list;
      weightIn[list] -= weights.of(previous);
      weightIn[list] += weights.note(slot);
      use(slot);
    },
    remove(slot, cause) {
      const weight = weights.of(slot);
      if (cause === 'evict') {
        weights.fill(total());
      }
      leave(slot, weight);
      if (cause === 'evict') {
        ghostsOf[listOf[slot] as 0 | 1].push(hashOf(slot), weight);
      }
    },
    clear() {
      for (const list of [ONCE, AGAIN] as const) {
        lists.clear(list);
        ghostsOf[list].clear();
        weightIn[list] = 0;
      }
      target = 0;
      ghostWas = NEITHER;
    },
    victim() {
      const once = weightIn[ONCE];
      const isOver = once > target || (ghostWas === AGAIN && once === target);
      const oldest = lists.oldest(isOver ? ONCE : AGAIN);
      return oldest === NONE ? lists.oldest(isOver ? AGAIN : ONCE) : oldest;
    },
    ahead(into) {
      const isOver = weightIn[ONCE] > target;
      const count = lists.oldestInto(into, isOver ? ONCE : AGAIN);
      return lists.oldestInto(into, isOver ? AGAIN : ONCE, count);
    },
    order(used) {
      const links = lists.copy(used);
      const weight = Math.max(1, total());
      const learnt = target / weight;
      const ofList = (list: 0 | 1) =>
        new ListOrder(links, [{ from: lists.oldest(list), mark: list }], (_slot, mark) => standingOf(mark, learnt));
      return new BlendedOrder(ofList(ONCE), ofList(AGAIN), weightIn[ONCE] / weight);
    },
    restore(slot, hash, standing) {
      const weight = weights.note(slot);
      ghostsOf[ONCE].take(hash);
      ghostsOf[AGAIN].take(hash);
      ghostWas = NEITHER;
      arriving = undefined;
      target = Math.min(weights.capacity, target + weight * learntOf(standing));
      trimGhosts(weight);
      push(slot, (marksOf(standing) & 1) === 0 ? ONCE : AGAIN, weight);
      return true;
    },
    check() {
      for (const list of [ONCE, AGAIN] as const) {
        ghostsOf[list].check();
        checkWeight(lists, list, weights, weightIn[list]);
      }
    },
  };
}
