/**
 * How long reads take, one at a time, while something else goes on, beside as many of the same reads while nothing does: the
 * slowest of them, which a mean hides.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Shardstash } from '../peers/shardstash.ts';
import { type Figure, figure } from './figure.ts';
import { at, keyOf, uniformIds } from './keys.ts';
import { compare, type Ratio } from './ratio.ts';

/** Reads between two turns of the event loop, and between two looks whether it still goes on. */
const READS_A_TURN = 500;
const TURNS_A_LOOK = 20;
/** Of one run: what is more is not kept. */
const READS_MAX = 5_000_000;
const NS_PER_MS = 1e6;
const PERCENTILES = { p99: 0.99, 'p99.9': 0.999 } as const;

type Percentile = keyof typeof PERCENTILES;

export class DisturbedReads {
  readonly #cache: Shardstash<unknown>;
  readonly #ids: Int32Array;
  readonly #during: Float64Array[] = [];
  readonly #still: Float64Array[] = [];

  /** Reads the keys of the ids 0 to `entries` - 1. */
  constructor(cache: Shardstash<unknown>, entries: number) {
    this.#cache = cache;
    this.#ids = uniformIds(entries);
  }

  /** One round: reads while it goes on, and as many when it does not any more. */
  async round(goesOn: () => boolean | Promise<boolean>): Promise<void> {
    const times = await this.#readWhile(goesOn);
    this.#during.push(times);
    let looks = times.length / (READS_A_TURN * TURNS_A_LOOK);
    this.#still.push(await this.#readWhile(() => --looks > 0));
  }

  /** `what` completes "p99 of memory hits ...", `against` is what it is like without; `reach` has the goals. */
  report(
    what: string,
    against: string,
    reach: Partial<Record<Percentile, number>>,
  ): { figures: Figure[]; ratios: Ratio[] } {
    const figures: Figure[] = [];
    const ratios: Ratio[] = [];
    for (const name of Object.keys(PERCENTILES) as Percentile[]) {
      const share = PERCENTILES[name];
      const goal = reach[name];
      const during = figureOf(`${name} of memory hits ${what}`, this.#during, share);
      const otherwise = figureOf(`${name} of memory hits ${what}: ${against}`, this.#still, share);
      figures.push(during, otherwise);
      ratios.push(
        compare(during, otherwise, {
          what: `memory hit ${what}, ${name}`,
          against,
          ...(goal === undefined ? {} : { reach: goal }),
        }),
      );
    }
    return { figures, ratios };
  }

  /** How long each read took, in ms, ascending. */
  async #readWhile(goesOn: () => boolean | Promise<boolean>): Promise<Float64Array> {
    const times = new Float64Array(READS_MAX);
    let reads = 0;
    for (let turns = 0; turns % TURNS_A_LOOK !== 0 || turns === 0 || (await goesOn()); turns++) {
      for (let i = 0; i < READS_A_TURN; i++) {
        const key = keyOf(at(this.#ids, reads));
        const startMs = performance.now();
        await this.#cache.get(key);
        times[reads++ % READS_MAX] = performance.now() - startMs;
      }
      await turn();
    }
    return times.slice(0, Math.min(reads, READS_MAX)).sort();
  }
}

function figureOf(name: string, runs: readonly Float64Array[], share: number): Figure {
  const rounds = runs.map((times) => (times[Math.ceil(times.length * share) - 1] as number) * NS_PER_MS);
  return figure(name, 'ns', rounds);
}
