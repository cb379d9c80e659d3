/**
 * The workload of a replay without a trace: a few keys wanted often, most of them hardly ever.
 *
 * Key k of n is drawn with a probability proportional to 1 / k^0.99, the usual model of what caches see (Breslau et al.,
 * "Web Caching and Zipf-like Distributions", 1999; 0.99 is YCSB's). Sampling is by rejection-inversion (Hörmann and
 * Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", 1996): no table, constant
 * time whatever n, exact. The generator is seeded, so every run replays the same requests. Popularity does not drift here,
 * as it does in real traces.
 */

export interface Workload {
  readonly requests: number;
  readonly keys: number;
  readonly exponent: number;
  readonly seed: number;
}

export const ZIPF: Workload = { requests: 2_000_000, keys: 1_000_000, exponent: 0.99, seed: 42 };

/** Draws integers from 1 to `keys`. `random` draws from [0, 1). */
export class ZipfSampler {
  readonly #keys: number;
  readonly #exponent: number;
  readonly #random: () => number;
  /** The area under the density up to the first key and up to the last. */
  readonly #areaFirst: number;
  readonly #areaLast: number;
  /** Closer to its inverse than this a key is accepted without a second look. */
  readonly #accepted: number;

  constructor({ keys, exponent }: Pick<Workload, 'keys' | 'exponent'>, random: () => number) {
    this.#keys = keys;
    this.#exponent = exponent;
    this.#random = random;
    this.#areaFirst = this.#area(1.5) - 1;
    this.#areaLast = this.#area(keys + 0.5);
    this.#accepted = 2 - this.#inverse(this.#area(2.5) - this.#density(2));
  }

  /** Rejects at most a few draws in a hundred, so the loop is short. */
  next(): number {
    for (;;) {
      const area = this.#areaLast + this.#random() * (this.#areaFirst - this.#areaLast);
      const x = this.#inverse(area);
      const key = Math.min(Math.max(Math.round(x), 1), this.#keys);
      if (key - x <= this.#accepted || area >= this.#area(key + 0.5) - this.#density(key)) {
        return key;
      }
    }
  }

  #density(x: number): number {
    return Math.exp(-this.#exponent * Math.log(x));
  }

  /** Integral of the density, (x^(1-s) - 1) / (1-s), in a form that holds at s = 1 too. */
  #area(x: number): number {
    const log = Math.log(x);
    return log * expm1Ratio((1 - this.#exponent) * log);
  }

  #inverse(area: number): number {
    return Math.exp(area * log1pRatio(Math.max(-1, area * (1 - this.#exponent))));
  }
}

/** (e^x - 1) / x */
function expm1Ratio(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.expm1(x) / x : 1 + x / 2;
}

/** ln(1 + x) / x */
function log1pRatio(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.log1p(x) / x : 1 - x / 2;
}

/** Tommy Ettinger's generator of 32 bits of state: small, fast, and even enough for a workload. Draws from [0, 1). */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
