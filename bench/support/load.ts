/**
 * Measures work that is in flight: a load makes a given number of operations and resolves when the last is acknowledged.
 * How many fill a slice is learnt from the slice before.
 */
import type { Figure } from './figure.ts';
import { measureInRounds, type Pace } from './rounds.ts';

const FIRST_OPERATIONS = 1_024;
const NS_PER_MS = 1e6;
/** Steps from the first guess to a full slice: a slice is at most so many times as long as the one before. */
const GROWTH_MAX = 64;

export interface Load {
  readonly name: string;
  run(operations: number): Promise<void>;
}

export async function measureLoads(loads: readonly Load[], { rounds, sliceMs }: Pace): Promise<Figure[]> {
  const operationsOf = new Map<Load, number>();
  for (const load of loads) {
    // Two slices that count for nothing: the first of a load compiles it.
    const first = await timed(load, FIRST_OPERATIONS);
    const second = await timed(load, next(FIRST_OPERATIONS, first, sliceMs));
    operationsOf.set(load, next(FIRST_OPERATIONS * GROWTH_MAX, second, sliceMs));
  }
  return await measureInRounds(loads, rounds, (load) => timed(load, operationsOf.get(load) as number));
}

/** Makes `operations` calls, at most `concurrency` of them in flight: that many async loops share one counter. */
export async function inFlight(
  concurrency: number,
  operations: number,
  call: (index: number) => unknown,
): Promise<void> {
  let next = 0;
  const loop = async () => {
    while (next < operations) {
      await call(next++);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
}

async function timed(load: Load, operations: number): Promise<number> {
  const startMs = performance.now();
  await load.run(operations);
  return ((performance.now() - startMs) * NS_PER_MS) / operations;
}

function next(operations: number, nsPerOperation: number, sliceMs: number): number {
  const wanted = Math.ceil((sliceMs * NS_PER_MS) / nsPerOperation);
  return Math.max(FIRST_OPERATIONS, Math.min(wanted, operations * GROWTH_MAX));
}
