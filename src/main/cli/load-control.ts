/**
 * What the threads of a load share while it runs: whether it has begun and whether it is to end, and how far each thread
 * is. In memory that all see, because a thread that gets from memory alone hears no messages meanwhile.
 *
 *     int32     ready | go | stop | -        float64   calls done, by thread
 */

const READY = 0;
const GO = 1;
const STOP = 2;
const HEAD_BYTES = 16;

export class LoadControl {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #done: Float64Array;

  constructor(threads: number, buffer = new SharedArrayBuffer(HEAD_BYTES + threads * 8)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, HEAD_BYTES / 4);
    this.#done = new Float64Array(buffer, HEAD_BYTES, threads);
  }

  get hasBegun(): boolean {
    return Atomics.load(this.#words, GO) === 1;
  }

  get isStopped(): boolean {
    return Atomics.load(this.#words, STOP) === 1;
  }

  /** Of all threads. */
  get done(): number {
    return this.#done.reduce((sum, each) => sum + each, 0);
  }

  tell(thread: number, done: number): void {
    this.#done[thread] = done;
  }

  /** Resolves when all `threads` wait in `whenBegun`. Does not keep the process alive. */
  async whenReady(threads: number): Promise<void> {
    for (let ready = this.#ready; ready < threads; ready = this.#ready) {
      await Atomics.waitAsync(this.#words, READY, ready).value;
    }
  }

  /** For a thread that is ready. */
  async whenBegun(): Promise<void> {
    Atomics.add(this.#words, READY, 1);
    Atomics.notify(this.#words, READY);
    await Atomics.waitAsync(this.#words, GO, 0).value;
  }

  begin(): void {
    Atomics.store(this.#words, GO, 1);
    Atomics.notify(this.#words, GO);
  }

  /** Begun or not: each thread ends after the call that it is at. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
    this.begin();
    Atomics.notify(this.#words, STOP);
  }

  /** Holds this thread until then, but for the stop. */
  sleepUntil(dueMs: number): void {
    const leftMs = dueMs - performance.now();
    if (leftMs > 0) {
      Atomics.wait(this.#words, STOP, 0, leftMs);
    }
  }

  get #ready(): number {
    return Atomics.load(this.#words, READY);
  }
}
