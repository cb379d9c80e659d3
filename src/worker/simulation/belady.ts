/**
 * What no policy can beat: the optimum of Belady ("A study of replacement algorithms for virtual-storage computer", IBM
 * Systems Journal 1966), which knows the future and lets go what is asked for again last.
 *
 * An entry is known by the position of its next request. So a request hits if its own position is in the set of those,
 * the victim is the greatest, and nothing has to be kept by key. What is never asked for again is only counted, and goes
 * first. Every miss is stored, as reference figures have it; a policy that refused keys might come out above, but none of
 * ours does.
 *
 * That is the optimum where all entries are of one size. With sizes the best choice is a knapsack problem; the same rule
 * is a good guess there and no bound, so a policy may come out above it. It does not know of expiry either.
 */
import type { Counts } from '../../protocol/simulation.ts';
import { mixed } from './mix.ts';
import { Positions } from './positions.ts';
import { Residents } from './residents.ts';

/** The next use of what is never used again. */
export const NO_NEXT_USE = -1;

export interface BeladyOptions {
  /** How many requests there will be. */
  readonly requests: number;
  readonly entriesMax?: number;
  readonly bytesMax?: number;
  /** Whether requests come with sizes. */
  readonly sized?: boolean;
}

const NEVER = Number.POSITIVE_INFINITY;

export class Belady implements Counts {
  requests = 0;
  hits = 0;
  bytesRequested = 0;
  bytesHit = 0;
  evictions = 0;
  readonly expirations = 0;
  readonly refused = 0;
  tooLarge = 0;
  entries = 0;
  bytes = 0;

  readonly #entriesMax: number;
  readonly #bytesMax: number;
  readonly #nextUses: Positions;
  /** What an entry was charged, by the position of its next use. Undefined where every size is 1. */
  readonly #weights: Float64Array | undefined;
  /** The weights of entries that are never asked for again, one after the other. */
  readonly #deadWeights: number[] = [];
  #dead = 0;

  constructor({ requests, entriesMax = NEVER, bytesMax = NEVER, sized = false }: BeladyOptions) {
    this.#entriesMax = entriesMax;
    this.#bytesMax = bytesMax;
    this.#nextUses = new Positions(requests);
    this.#weights = sized ? new Float64Array(requests) : undefined;
  }

  /** The next request: its key will be requested again at position `nextUse`, the first request being at 0. */
  request(nextUse: number, size = 1): boolean {
    const position = this.requests++;
    this.bytesRequested += size;
    if (this.#nextUses.has(position)) {
      this.hits++;
      this.bytesHit += size;
      this.#nextUses.remove(position);
      this.#enter(nextUse, this.#weights === undefined ? 1 : (this.#weights[position] as number));
      return true;
    }
    if (size > this.#bytesMax) {
      this.tooLarge++;
      return false;
    }
    while (this.entries >= this.#entriesMax || this.bytes + size > this.#bytesMax) {
      this.#evict();
    }
    this.#enter(nextUse, size);
    this.entries++;
    this.bytes += size;
    return false;
  }

  get misses(): number {
    return this.requests - this.hits;
  }

  #enter(nextUse: number, weight: number): void {
    if (nextUse !== NO_NEXT_USE) {
      this.#nextUses.add(nextUse);
      if (this.#weights !== undefined) {
        this.#weights[nextUse] = weight;
      }
      return;
    }
    this.#dead++;
    if (this.#weights !== undefined) {
      this.#deadWeights.push(weight);
    }
  }

  /** Removes an entry; there is one, or there would be room. */
  #evict(): void {
    let weight = 1;
    if (this.#dead > 0) {
      this.#dead--;
      weight = this.#deadWeights.pop() ?? 1;
    } else {
      const last = this.#nextUses.greatest;
      this.#nextUses.remove(last);
      weight = this.#weights?.[last] ?? 1;
    }
    this.entries--;
    this.bytes -= weight;
    this.evictions++;
  }
}

/** For each request the position of the next one of its key, or NO_NEXT_USE. Ids are below `keys`. */
export function nextUses(ids: Int32Array, keys: number, into: Int32Array = new Int32Array(ids.length)): Int32Array {
  const last = new Int32Array(Math.min(keys, ids.length)).fill(NO_NEXT_USE);
  // Where more keys were announced than can come, those that come are numbered anew: memory follows the requests.
  const numbers = keys > ids.length ? new Residents(ids.length) : undefined;
  for (let i = ids.length - 1; i >= 0; i--) {
    const id = ids[i] as number;
    const number = numbers === undefined ? id : numberOf(id, numbers);
    into[i] = last[number] as number;
    last[number] = i;
  }
  return into;
}

function numberOf(id: number, numbers: Residents): number {
  const hash = mixed(id);
  const known = numbers.find(hash);
  if (known !== -1) {
    return known;
  }
  numbers.add(hash, numbers.size);
  return numbers.size - 1;
}
