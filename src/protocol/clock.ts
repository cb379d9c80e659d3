/**
 * Time in memory is monotonic milliseconds. Threads of one process share the origin of `performance.now()`, so a
 * deadline that one thread writes means the same instant to all others, whatever the wall clock does.
 *
 * For tests there is a clock that stands still until it is turned. Its hands lie in shared memory, so every thread reads
 * the same time, and a shard that sleeps is woken when they move:
 *
 *     words 0-1  milliseconds, as float64
 *     word 2     turns: counted up, and waited on
 */
export interface Clock {
  now(): number;
}

export const monotonic: Clock = performance;

const TURNS = 2;

export class SharedClock implements Clock {
  readonly buffer: SharedArrayBuffer;
  readonly #ms: Float64Array;
  readonly #words: Int32Array;

  constructor(buffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer;
    this.#ms = new Float64Array(buffer, 0, 1);
    this.#words = new Int32Array(buffer);
  }

  now(): number {
    return this.#ms[0] as number;
  }

  /** Moves the hands, and wakes whoever waits for that. */
  turn(ms: number): void {
    this.#ms[0] = this.now() + ms;
    Atomics.add(this.#words, TURNS, 1);
    Atomics.notify(this.#words, TURNS);
  }

  /** Resolves when the hands have moved since `turned` was looked at. Holds no process. */
  async turnAfter(turned: number): Promise<void> {
    const waiting = Atomics.waitAsync(this.#words, TURNS, turned);
    if (waiting.async) {
      await waiting.value;
    }
  }

  get turned(): number {
    return Atomics.load(this.#words, TURNS);
  }
}
