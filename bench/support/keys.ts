/**
 * Keys and the order in which they are asked for. Seeded, so that every contender and every run meets the same ones.
 *
 * An id stands for the key `'user:' + id`. A sequence drawn at random has SEQUENCE_LENGTH members, a power of two, and
 * is read in a circle.
 */

const SEQUENCE_LENGTH = 2 ** 20;
const SEQUENCE_MASK = SEQUENCE_LENGTH - 1;
const SEED = 0x5eed;
/** Coprime to any number of keys that is no multiple of it: spreads the popular ranks over the keys. */
const SPREAD_PRIME = 611_953;

export function keyOf(id: number): string {
  return `user:${id}`;
}

/** The keys of the ids 0 to `count` - 1. */
export function keysOf(count: number): string[] {
  return Array.from({ length: count }, (_, id) => keyOf(id));
}

/** Keys in the order in which lookups ask for them, and the same strings by id. */
export interface Asked {
  /** Every id once, in random order. */
  readonly ids: Int32Array;
  /** The keys of `ids`. Built in this order, so they lie in memory as they are asked for: a request has its key at hand. */
  readonly keys: readonly string[];
  /** The very same strings, in the order of their ids. */
  readonly keysById: readonly string[];
}

/** The ids `from` to `from + count - 1`. */
export function askedKeys(count: number, from = 0): Asked {
  const order = shuffled(count);
  const keys = Array.from(order, (id) => keyOf(from + id));
  const keysById = new Array<string>(count);
  for (let i = 0; i < count; i++) {
    keysById[order[i] as number] = keys[i] as string;
  }
  return { ids: order.map((id) => from + id), keys, keysById };
}

/** SEQUENCE_LENGTH ids, each of `count` equally likely. */
export function uniformIds(count: number): Int32Array {
  const random = seededRandom(SEED + count);
  return Int32Array.from({ length: SEQUENCE_LENGTH }, () => Math.floor(random() * count));
}

/** The id of rank r with a probability in proportion to 1 / r^exponent, as the requests of a service are. */
export function zipfIds(count: number, exponent: number): Int32Array {
  const cumulated = new Float64Array(count);
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) {
    sum += rank ** -exponent;
    cumulated[rank - 1] = sum;
  }
  const random = seededRandom(SEED + count + 1);
  return Int32Array.from({ length: SEQUENCE_LENGTH }, () => {
    const rank = firstAtLeast(cumulated, random() * sum);
    return (rank * SPREAD_PRIME) % count;
  });
}

/** The member of a drawn sequence at any index, in a circle. */
export function at(sequence: Int32Array, index: number): number {
  return sequence[index & SEQUENCE_MASK] as number;
}

/** Mulberry32: 0 up to 1, the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Draws one after the other for ever, for a loop that is measured: an order that repeats itself would let a contender that
 * lays things out as they come find each where the one before it was. Xorshift32 (Marsaglia, 2003), a few ns a draw.
 */
export class Draws {
  #state = SEED;

  /** 0 to `count` - 1. */
  below(count: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return Math.floor(((x >>> 0) / 2 ** 32) * count);
  }
}

/** 0 to `count` - 1 in random order. */
export function shuffled(count: number): Int32Array {
  const random = seededRandom(SEED - count);
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    const moved = order[i] as number;
    order[i] = order[other] as number;
    order[other] = moved;
  }
  return order;
}

function firstAtLeast(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
