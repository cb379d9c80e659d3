/**
 * Entries by how often they were used, in constant time a use: Shah, Mitra and Matani, "An O(1) algorithm for implementing
 * the LFU cache eviction scheme", 2010.
 *
 *     classes, fewest uses first     [ 1 ]      [ 2 ]      [ 7 ]
 *     entries, oldest in it first    a, d, e    b          c, f
 *
 * A use moves an entry to the new end of the next class, which is made if there is none. With a half-life, all counts are
 * halved, rounded up, after so many uses: classes that become equal are joined end to end, so this takes a step a class and
 * not one an entry (there are at most some 2 * sqrt(half-life) of them). An entry remembers its class until counts are
 * halved; then its class may be gone, so it remembers its count and the halving that was last right for, and what it is now
 * follows. That takes a lookup by count, so it is only done where there is a half-life.
 *
 * A snapshot has the entries class by class, and the count of each: it is put together of the old ends of the classes,
 * so that takes a step a class, too. They come back in such an order, so that the class of one is that of the last one
 * or next to it. How many uses there were since counts were halved is not told: the next halving comes later.
 */
import type { EvictionPolicy, SlotOrder } from '../../protocol/policy.ts';
import { ListOrder, type Stretch } from './list-order.ts';
import { SlotLists } from './lists.ts';

const NONE = -1;
/** More halvings than any count survives. */
const HALVINGS_MAX = 53;
/**
 * Classes that one entry of a snapshot is led past at most, lest a file that was made up holds the shard; then it stays
 * where it is.
 */
const PASSED_MAX = 4_096;
/** The highest count that a snapshot tells. */
const USES_MAX = 2 ** 32 - 1;

export class FrequencyClasses {
  /** Entries, a list a class. */
  readonly #members: SlotLists;
  /** Classes, fewest uses first. */
  readonly #order: SlotLists;
  /** Uses of the entries of a class. Float64: a count that wraps would be worse than eight bytes a class. */
  readonly #uses: Float64Array;
  /** Without a half-life: the class of each entry. */
  readonly #classOfSlot: Int32Array;
  /** With one: its count, as of the halving of that number, and the classes by count. */
  readonly #usesOfSlot: Float64Array;
  readonly #halvingOfSlot: Float64Array;
  readonly #classOfUses = new Map<number, number>();
  readonly #halfLife: number;
  readonly #ages: boolean;
  #freeClass = NONE;
  #classes = 0;
  #usesSinceHalving = 0;
  #halving = 0;
  /** The class that an entry of a snapshot came into last. */
  #restoredTo = NONE;

  /** `halfLife` in uses, Infinity for never. */
  constructor(slots: number, halfLife = Number.POSITIVE_INFINITY) {
    this.#halfLife = halfLife;
    this.#ages = halfLife !== Number.POSITIVE_INFINITY;
    // One more than entries: a use makes the next class before the last entry of this one has left it.
    const classes = slots + 1;
    this.#members = new SlotLists(slots, classes, 0);
    this.#order = new SlotLists(classes);
    // Shared only so that pages are handed out when touched.
    const column = (length: number) => new Float64Array(new SharedArrayBuffer(length * 8));
    this.#uses = column(classes);
    this.#classOfSlot = new Int32Array(new SharedArrayBuffer(this.#ages ? 0 : slots * 4));
    this.#usesOfSlot = column(this.#ages ? slots : 0);
    this.#halvingOfSlot = column(this.#ages ? slots : 0);
  }

  /** The entry that is longest in the class of fewest uses, -1 when there is none. */
  get leastUsed(): number {
    const lowest = this.#order.oldest();
    return lowest === NONE ? NONE : this.#members.oldest(lowest);
  }

  /** The entry that is longest in the class of most uses, -1 when there is none. */
  get mostUsed(): number {
    const highest = this.#order.newest();
    return highest === NONE ? NONE : this.#members.oldest(highest);
  }

  /** Writes the entries of fewest uses, oldest of each class first, and says how many. */
  leastUsedInto(slots: Int32Array): number {
    let count = 0;
    for (let at = this.#order.oldest(); at !== NONE && count < slots.length; at = this.#order.newerThan(at)) {
      count = this.#members.oldestInto(slots, at, count);
    }
    return count;
  }

  /** All entries, in slots below `used`, those of fewest uses first, and their counts. */
  leastUsedFirst(used: number): SlotOrder {
    return new ListOrder(this.#members.copy(used), this.#stretches());
  }

  /** As `leastUsedFirst`, those of most uses first. */
  mostUsedFirst(used: number): SlotOrder {
    return new ListOrder(this.#members.copy(used), this.#stretches().reverse());
  }

  /** A new entry, used once. */
  add(slot: number): void {
    const lowest = this.#order.oldest();
    if (lowest !== NONE && this.#uses[lowest] === 1) {
      this.#join(slot, lowest);
    } else {
      const made = this.#make(1);
      this.#order.unshift(made);
      this.#join(slot, made);
    }
    this.#count();
  }

  /** The entry was used once more. */
  use(slot: number): void {
    const from = this.#classOf(slot);
    const uses = (this.#uses[from] as number) + 1;
    let to = this.#order.newerThan(from);
    if (to === NONE || this.#uses[to] !== uses) {
      to = this.#make(uses);
      this.#order.pushAfter(to, from);
    }
    this.#leave(slot, from);
    this.#join(slot, to);
    this.#count();
  }

  /** A new entry of a snapshot, which says how often it was used. Counts as no use of this cache. */
  restore(slot: number, uses: number): void {
    const to = this.#classNear(Math.max(1, uses));
    this.#join(slot, to);
    this.#restoredTo = to;
  }

  /** The entry has another slot, which may be the same. */
  move(slot: number, previous: number): void {
    this.#members.replace(slot, previous);
    if (this.#ages) {
      this.#usesOfSlot[slot] = this.#usesOfSlot[previous] as number;
      this.#halvingOfSlot[slot] = this.#halvingOfSlot[previous] as number;
    } else {
      this.#classOfSlot[slot] = this.#classOfSlot[previous] as number;
    }
  }

  remove(slot: number): void {
    this.#leave(slot, this.#classOf(slot));
  }

  clear(): void {
    for (let at = this.#order.oldest(); at !== NONE; at = this.#order.oldest()) {
      this.#members.clear(at);
      this.#unmake(at);
    }
    this.#usesSinceHalving = 0;
  }

  /** Throws on the first broken invariant. For tests and fuzzers. */
  check(): void {
    let before = 0;
    let classes = 0;
    for (let at = this.#order.oldest(); at !== NONE; at = this.#order.newerThan(at)) {
      const uses = this.#uses[at] as number;
      const isFound = !this.#ages || this.#classOfUses.get(uses) === at;
      if (!(uses > before && isFound) || this.#members.count(at) === 0) {
        throw new Error(`classes: the one of ${uses} uses after ${before} is empty or out of place`);
      }
      for (let slot = this.#members.oldest(at); slot !== NONE; slot = this.#members.newerThan(slot)) {
        if (this.#classOf(slot) !== at) {
          throw new Error(`classes: slot ${slot} is in the class of ${uses} uses and has another count`);
        }
      }
      before = uses;
      classes++;
    }
    if (this.#ages && classes !== this.#classOfUses.size) {
      throw new Error(`classes: ${classes} in order, ${this.#classOfUses.size} by count`);
    }
  }

  #stretches(): Stretch[] {
    const stretches: Stretch[] = [];
    for (let at = this.#order.oldest(); at !== NONE; at = this.#order.newerThan(at)) {
      stretches.push({ from: this.#members.oldest(at), mark: Math.min(USES_MAX, this.#uses[at] as number) });
    }
    return stretches;
  }

  /**
   * The class of so many uses, found or made from the one that was restored to last; some other if that is very far.
   */
  #classNear(uses: number): number {
    const hasLast = this.#restoredTo !== NONE && this.#members.oldest(this.#restoredTo) !== NONE;
    let at = hasLast ? this.#restoredTo : this.#order.newest();
    let passes = PASSED_MAX;
    for (; at !== NONE && (this.#uses[at] as number) > uses && passes > 0; passes--) {
      at = this.#order.olderThan(at);
    }
    let next = at === NONE ? NONE : this.#order.newerThan(at);
    for (; next !== NONE && (this.#uses[next] as number) <= uses && passes > 0; passes--) {
      at = next;
      next = this.#order.newerThan(at);
    }
    if (at !== NONE && (passes === 0 || this.#uses[at] === uses)) {
      return at;
    }
    const made = this.#make(uses);
    if (at === NONE) {
      this.#order.unshift(made);
    } else {
      this.#order.pushAfter(made, at);
    }
    return made;
  }

  #classOf(slot: number): number {
    if (!this.#ages) {
      return this.#classOfSlot[slot] as number;
    }
    const halvings = Math.min(HALVINGS_MAX, this.#halving - (this.#halvingOfSlot[slot] as number));
    const uses = Math.ceil((this.#usesOfSlot[slot] as number) / 2 ** halvings);
    return this.#classOfUses.get(uses) as number;
  }

  #join(slot: number, to: number): void {
    this.#members.push(slot, to);
    if (this.#ages) {
      this.#usesOfSlot[slot] = this.#uses[to] as number;
      this.#halvingOfSlot[slot] = this.#halving;
    } else {
      this.#classOfSlot[slot] = to;
    }
  }

  #leave(slot: number, from: number): void {
    this.#members.remove(slot);
    if (this.#members.oldest(from) === NONE) {
      this.#unmake(from);
    }
  }

  #make(uses: number): number {
    let made = this.#freeClass;
    if (made === NONE) {
      made = this.#classes++;
    } else {
      this.#freeClass = this.#uses[made] as number;
    }
    this.#members.clear(made);
    this.#uses[made] = uses;
    if (this.#ages) {
      this.#classOfUses.set(uses, made);
    }
    return made;
  }

  #unmake(at: number): void {
    this.#order.remove(at);
    if (this.#ages) {
      this.#classOfUses.delete(this.#uses[at] as number);
    }
    this.#uses[at] = this.#freeClass;
    this.#freeClass = at;
  }

  #count(): void {
    if (++this.#usesSinceHalving >= this.#halfLife) {
      this.#usesSinceHalving = 0;
      this.#halve();
    }
  }

  /** Halves all counts. Of two classes that become one, the entries of fewer uses go first. */
  #halve(): void {
    this.#halving++;
    let below = NONE;
    for (let at = this.#order.oldest(); at !== NONE; ) {
      const next = this.#order.newerThan(at);
      const uses = Math.ceil((this.#uses[at] as number) / 2);
      if (below !== NONE && this.#uses[below] === uses) {
        this.#members.append(below, at);
        this.#unmake(at);
      } else {
        this.#classOfUses.delete(this.#uses[at] as number);
        this.#uses[at] = uses;
        this.#classOfUses.set(uses, at);
        below = at;
      }
      at = next;
    }
  }
}

/**
 * A policy that keeps `classes` and lacks only the choice of a victim and the order of those. Storing is the first use,
 * an overwrite one more.
 */
export function countingUses(classes: FrequencyClasses): Omit<EvictionPolicy, 'victim' | 'order'> {
  return {
    hits: 'ring',
    add(slot) {
      classes.add(slot);
      return true;
    },
    hit: (slot) => classes.use(slot),
    update(slot, previous) {
      classes.move(slot, previous);
      classes.use(slot);
    },
    restore(slot, _hash, standing) {
      classes.restore(slot, standing);
      return true;
    },
    remove: (slot) => classes.remove(slot),
    clear: () => classes.clear(),
    check: () => classes.check(),
  };
}
