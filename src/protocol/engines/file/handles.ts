/**
 * How many files an engine has open at once while it waits for the disk: callers may begin ten thousand calls in one turn, and a
 * process may open some thousand files. The rest waits in the order of its calls.
 */
const OPEN_MAX = 64;

export class FileHandles {
  #free = OPEN_MAX;
  readonly #waiting: (() => void)[] = [];

  /** Runs a step that keeps one file open until it has settled. */
  async during<T>(step: () => Promise<T>): Promise<T> {
    if (this.#free > 0) {
      this.#free--;
    } else {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await step();
    } finally {
      const next = this.#waiting.shift();
      // Whoever waits takes over the place.
      if (next === undefined) {
        this.#free++;
      } else {
        next();
      }
    }
  }
}
