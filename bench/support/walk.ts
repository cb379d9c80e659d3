/**
 * The yardstick for what waits for memory: a walk along one random cycle through a plain typed array. Each step is a load
 * whose place only the load before it tells, so no processor can look ahead; what a step costs at a size is what the
 * machine asks for one cache miss there. The array is shared memory, as a shard's is: both have pages of the same size.
 */
import { shuffled } from './keys.ts';
import { LOOP_OPERATIONS, type MicroTask } from './micro.ts';

const STEPS = 10_000;
const NS_PER_MS = 1e6;

/** A random cycle in memory that threads can share. */
export function cycleOf(entries: number, entryBytes: number): Int32Array {
  if (!Number.isInteger(entries) || entryBytes % 4 !== 0) {
    throw new RangeError(`No cycle of ${entries} places that are ${entryBytes} bytes apart`);
  }
  const stride = entryBytes / 4;
  const words = new Int32Array(new SharedArrayBuffer(entries * entryBytes));
  const order = shuffled(entries);
  for (let i = 0; i < entries; i++) {
    words[(order[i] as number) * stride] = (order[(i + 1) % entries] as number) * stride;
  }
  return words;
}

export class Walk implements MicroTask {
  readonly name: string;
  readonly #words: Int32Array;
  /** Kept from step to step: no compiler may leave the loads out. */
  #at = 0;

  /** Through as many places as there are entries, `entryBytes` apart: a cycle of its own, unless it is given one. */
  constructor(name: string, entries: number, entryBytes: number, words = cycleOf(entries, entryBytes)) {
    this.name = name;
    this.#words = words;
  }

  readonly loop = (): void => this.#walk(LOOP_OPERATIONS);

  /** Walks until it has spent `sliceMs`, and returns the nanoseconds of one step. */
  measure(sliceMs: number): number {
    const startMs = performance.now();
    let elapsedMs = 0;
    let steps = 0;
    while (elapsedMs < sliceMs) {
      this.#walk(STEPS);
      steps += STEPS;
      elapsedMs = performance.now() - startMs;
    }
    return (elapsedMs * NS_PER_MS) / steps;
  }

  #walk(steps: number): void {
    const words = this.#words;
    let at = this.#at;
    for (let i = 0; i < steps; i++) {
      at = words[at] as number;
    }
    this.#at = at;
  }
}
