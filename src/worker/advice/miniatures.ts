/**
 * Caches of other sizes and policies, in miniature, under the gets, sets and deletes of a few of a shard's keys.
 *
 * Where one key in a thousand is followed, a cache that holds a thousandth hits those keys about as often as the whole
 * cache hits all of them, whatever its policy is (Waldspurger, Saemundsson, Ahmad and Park, "Cache modeling and
 * optimization using miniature simulations", USENIX ATC 2017). So each miniature is a simulator of the shard's own policy
 * with FACTORS of the capacity, times the share of the keys; and beside them is the same size under other policies.
 *
 *     a get that missed    every miniature is asked; those that miss wait for the set that will come, if it comes
 *     a get that hit       those that miss have evicted what the shard still has: they store it now, as it is there
 *     a set after a miss   is stored where it was waited for, and nowhere else: with more room it would never have come
 *     any other set        an overwrite where the key is there, else a new entry
 *
 * At first every key is followed. Whenever a miniature would hold more than ENTRIES_MAX, half of the keys are let go and the
 * miniatures shrink with them, so that memory and time have a bound and small caches are played whole.
 */
import { ENTRY_COLUMN_BYTES, type ShardLimits } from '../../protocol/memory.ts';
import type { PolicyFactory } from '../../protocol/policy.ts';
import { FOLLOW_RANGE, isFollowed } from '../../protocol/samples.ts';
import { Simulator, type SimulatorOptions } from '../simulation/simulator.ts';

/** Then the one of the cache as it is has 1,024 to 2,048 of a large cache, and to halve them all takes 10 ms. */
export const ENTRIES_MAX = 8_192;
/** Sets that are waited for at most; the oldest are given up. */
const AWAITED_MAX = 4_096;
/** The smallest entry there is. */
const SIZE_MIN = 32 + ENTRY_COLUMN_BYTES;
/** Followed keys are dealt into so many groups, whose differences say how far chance may have led. */
export const GROUPS = 16;

/** One miniature: a policy, and the multiple of the shard's capacity that it has. */
export interface Model {
  readonly factor: number;
  readonly createPolicy: PolicyFactory;
  readonly guard?: SimulatorOptions['guard'];
}

/** An entry as the shard has it. */
export interface LiveEntry {
  readonly size: number;
  /** Monotonic ms, Infinity for ever. */
  readonly deadline: number;
  readonly slideMs: number;
}

export class Miniatures {
  /** Hits of each model, GROUPS after GROUPS: in gets of the shard, of which each that is played stands for many. */
  readonly hits: Float64Array;
  readonly #models: readonly Model[];
  readonly #limits: ShardLimits;
  readonly #seed: number;
  #below: number;
  #simulators: Simulator[];
  /** For each key that missed: which of the miniatures wait for its set, as bits. */
  readonly #awaited = new Map<number, number>();

  constructor(models: readonly Model[], limits: ShardLimits, below: number, seed: number) {
    this.#models = models;
    this.#limits = limits;
    this.#seed = seed;
    this.#below = below;
    this.hits = new Float64Array(models.length * GROUPS);
    this.#simulators = models.map((model) => this.#build(model));
  }

  /** The share of the keys that is followed, out of FOLLOW_RANGE. */
  get below(): number {
    return this.#below;
  }

  entriesOf(model: number): number {
    return (this.#simulators[model] as Simulator).entries;
  }

  /** A get of a followed key. Says which miniatures missed, as bits: then `put`, or `awaitSet`, is to follow. */
  get(id: number, now: number): number {
    const weight = FOLLOW_RANGE / this.#below;
    const simulators = this.#simulators;
    const group = groupOf(id);
    let missed = 0;
    for (let i = 0; i < simulators.length; i++) {
      if ((simulators[i] as Simulator).get(id, now)) {
        (this.hits[i * GROUPS + group] as number) += weight;
      } else {
        missed |= 1 << i;
      }
    }
    return missed;
  }

  /** Stores what the shard has, and those that missed have evicted. */
  put(id: number, { size, deadline, slideMs }: LiveEntry, missed: number, now: number): void {
    const simulators = this.#simulators;
    for (let i = 0; i < simulators.length; i++) {
      if ((missed & (1 << i)) !== 0) {
        (simulators[i] as Simulator).put(id, size, deadline, slideMs, now);
      }
    }
  }

  /** The shard has missed, too: a set will say what is to be stored where. */
  awaitSet(id: number, missed: number): void {
    this.#awaited.delete(id);
    this.#awaited.set(id, missed);
    if (this.#awaited.size > AWAITED_MAX) {
      const [oldest] = this.#awaited.keys();
      this.#awaited.delete(oldest as number);
    }
  }

  /** A followed key was stored, or overwritten. */
  set(id: number, live: LiveEntry, now: number): void {
    const awaited = this.#awaited.get(id);
    this.#awaited.delete(id);
    this.put(id, live, awaited ?? -1, now);
  }

  delete(id: number): void {
    this.#awaited.delete(id);
    for (const simulator of this.#simulators) {
      simulator.delete(id);
    }
  }

  clear(): void {
    this.#awaited.clear();
    for (const simulator of this.#simulators) {
      simulator.clear();
    }
  }

  sweep(now: number): void {
    for (const simulator of this.#simulators) {
      simulator.sweep(now);
    }
  }

  /** Nobody heard what became of the keys that missed. */
  interrupt(): void {
    this.#awaited.clear();
  }

  /** Whether the next entry needs `halve` to come first. */
  get isFull(): boolean {
    for (const simulator of this.#simulators) {
      if (simulator.entries >= ENTRIES_MAX) {
        return true;
      }
    }
    return false;
  }

  /** Lets half of the keys go. Those that stay come into the smaller miniatures in the order in which they would leave. */
  halve(now: number): void {
    const below = Math.max(1, this.#below >>> 1);
    this.#below = below;
    for (const id of this.#awaited.keys()) {
      if (!isFollowed(id, below)) {
        this.#awaited.delete(id);
      }
    }
    this.#simulators = this.#models.map((model, i) => {
      const simulator = this.#build(model);
      (this.#simulators[i] as Simulator).drain((id, size, deadline, slideMs) => {
        if (isFollowed(id, below)) {
          simulator.put(id, size, deadline, slideMs, now);
        }
      });
      return simulator;
    });
  }

  /** Throws on the first broken invariant. For tests and fuzzers. */
  check(): void {
    for (const simulator of this.#simulators) {
      simulator.check();
    }
  }

  #build({ factor, createPolicy, guard }: Model): Simulator {
    const scale = (factor * this.#below) / FOLLOW_RANGE;
    const { entriesMax, bytesMax } = this.#limits;
    return new Simulator({
      createPolicy,
      entriesMax: Math.max(1, Math.round(entriesMax * scale)),
      bytesMax: Math.max(1, Math.floor(bytesMax * scale)),
      // One more than is ever there: `isFull` is asked before the next comes.
      keys: ENTRIES_MAX + 1,
      sizeMin: SIZE_MIN,
      seed: this.#seed,
      expires: true,
      ...(guard === undefined ? {} : { guard }),
    });
  }
}

/** Of bits that do not decide who is followed. */
export function groupOf(id: number): number {
  return (id ^ (id >>> 4)) & (GROUPS - 1);
}
