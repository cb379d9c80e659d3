/**
 * How long things took, counted in bins that grow with what they hold (Tene's HdrHistogram): every power of two has 128
 * bins of one width, so a figure is at most 1 in 128 off, whatever its size. To record one costs 1 ns; Node's own
 * histogram, a call into C++, takes 25. Plain counts, so that those of many threads are added up.
 *
 *     ns        0 .. 255        256 .. 511        512 .. 1,023       ...
 *     bins      one each        2 ns each         4 ns each
 */

const BINS = 128;
const BINS_BITS = 7;
/** The last octave ends at 2^62 ns: nobody waits for that. */
const OCTAVES = 55;
/** Above this a value leaves what integers can hold. */
const SMALL_MAX = 2 ** 31;
/** Larger ones are counted in microseconds or so. */
const COARSE_BITS = 24;
const NS_PER_MS = 1e6;
const NS_PER_US = 1e3;
const US_PER_MS = 1e3;

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export class Latencies {
  /** By bin. */
  readonly counts: Float64Array<ArrayBuffer>;
  #maxMs: number;

  constructor(counts = new Float64Array((OCTAVES + 1) * BINS), maxMs = 0) {
    this.counts = counts;
    this.#maxMs = maxMs;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  record(ms: number): void {
    const bin = binOf(ms * NS_PER_MS);
    this.counts[bin] = (this.counts[bin] as number) + 1;
    if (ms > this.#maxMs) {
      this.#maxMs = ms;
    }
  }

  /** Takes in what another has counted, in whichever thread. */
  add(counts: Float64Array, maxMs: number): void {
    for (const [bin, count] of counts.entries()) {
      this.counts[bin] = (this.counts[bin] as number) + count;
    }
    this.#maxMs = Math.max(this.#maxMs, maxMs);
  }

  /** In microseconds; all 0 where nothing was recorded. */
  percentilesUs(): Percentiles {
    const count = this.counts.reduce((sum, each) => sum + each, 0);
    const us = (share: number) => this.#atUs(Math.max(1, Math.ceil(count * share)));
    return {
      count,
      p50: us(0.5),
      p95: us(0.95),
      p99: us(0.99),
      p999: us(0.999),
      max: this.#maxMs * US_PER_MS,
    };
  }

  /** The middle of the bin in which the `rank`th lies; never more than the longest. */
  #atUs(rank: number): number {
    let seen = 0;
    for (const [bin, count] of this.counts.entries()) {
      seen += count;
      if (seen >= rank) {
        return Math.min(middleOf(bin), this.#maxMs * NS_PER_MS) / NS_PER_US;
      }
    }
    return 0;
  }
}

function binOf(ns: number): number {
  // What was over before it began, as a clock may say, was over at once.
  return ns < SMALL_MAX ? smallBin(ns > 0 ? ns | 0 : 0) : COARSE_BITS * BINS + smallBin((ns / 2 ** COARSE_BITS) | 0);
}

/** From octave 1 on the leading bit is left out: what follows it are seven bits of place within the octave. */
function smallBin(value: number): number {
  const octave = Math.max(0, 31 - Math.clz32(value) - BINS_BITS);
  return octave * BINS + (value >>> octave);
}

function middleOf(bin: number): number {
  const octave = Math.max(0, Math.floor(bin / BINS) - 1);
  return (bin - octave * BINS) * 2 ** octave + (2 ** octave - 1) / 2;
}
