/** How much waits in a lane, against what may, and who wants to know when it gets less. */

export interface BacklogLimits {
  readonly callsMax: number;
  readonly bytesMax: number;
}

export class Backlog {
  readonly #limits: BacklogLimits;
  readonly #waiting: (() => void)[] = [];
  calls = 0;
  bytes = 0;

  constructor(limits: BacklogLimits) {
    this.#limits = limits;
  }

  /** Judged by what waits already: with room for one byte it takes a call of any size. */
  get isFull(): boolean {
    return this.calls >= this.#limits.callsMax || this.bytes >= this.#limits.bytesMax;
  }

  /** Whether a caller with many calls to make should wait for `progress` before the next. */
  get isCrowded(): boolean {
    const { callsMax, bytesMax } = this.#limits;
    return this.calls >= callsMax / 2 || this.bytes >= bytesMax / 2;
  }

  add(bytes: number): void {
    this.calls++;
    this.bytes += bytes;
  }

  remove(calls: number, bytes: number): void {
    this.calls -= calls;
    this.bytes -= bytes;
  }

  clear(): void {
    this.calls = 0;
    this.bytes = 0;
  }

  /** Resolves with the next `wake`; at once when nothing waits. */
  progress(): Promise<void> {
    return this.calls === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) {
      resolve();
    }
  }
}
