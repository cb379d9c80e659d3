/** How threads end, and how often they may before nobody starts another: for the threads of shards and that of a tier. */
import type { Worker } from 'node:worker_threads';

/** Deaths are forgiven after this. */
const BUDGET_WINDOW_MS = 60_000;

export interface Death {
  readonly code: number;
  readonly cause: unknown;
}

/** Never rejects. */
export function deathOf(worker: Worker): Promise<Death> {
  return new Promise((resolve) => {
    let cause: unknown;
    worker.once('error', (error) => {
      cause = error;
    });
    worker.once('exit', (code) => resolve({ code, cause }));
  });
}

export class CrashBudget {
  readonly #deathsMax: number;
  /** When threads died lately, oldest first. */
  #deaths: number[] = [];

  /** `deathsMax` within a minute are forgiven. */
  constructor(deathsMax: number) {
    this.#deathsMax = deathsMax;
  }

  /** Deaths of the last minute. */
  get deaths(): number {
    return this.#deaths.length;
  }

  /** Counts a death, and says whether it is one too many. */
  spend(): boolean {
    const nowMs = performance.now();
    this.#deaths = [...this.#deaths.filter((atMs) => nowMs - atMs < BUDGET_WINDOW_MS), nowMs];
    return this.#deaths.length > this.#deathsMax;
  }
}
