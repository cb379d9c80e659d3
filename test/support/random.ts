/**
 * Seeded chance for tests. Every run draws another seed and prints it; `SEED=` runs that one again.
 */
export const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 0x7fff_ffff));

/** A generator of its own for one test, and a line that says how to run it again. */
export function seededRandom(what: string): Random {
  console.info(`${what}: SEED=${SEED}`);
  return new Random(SEED);
}

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state, good enough to choose among cases. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** An unsigned 32-bit integer. */
  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (z ^ (z >>> 14)) >>> 0;
  }

  /** In [0, 1). */
  fraction(): number {
    return this.word() / 0x1_0000_0000;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** True once in `times` calls. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** An integer in [least, most], each order of magnitude as likely as any other. */
  logUniform(least: number, most: number): number {
    const low = Math.log(least);
    return Math.min(most, Math.floor(Math.exp(low + this.fraction() * (Math.log(most + 1) - low))));
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) {
      bytes[i] = this.word();
    }
    return bytes;
  }
}
