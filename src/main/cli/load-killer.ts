/**
 * Kills the threads of shards while a load goes on, one after the other, and waits each time until the shard answers again.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type Cache, CacheError } from '../index.ts';
import { crashShard } from '../testing.ts';

/** A shard that takes longer has not come back. */
const DOWN_MAX_MS = 30_000;
const LOOK_AGAIN_MS = 2;
/** After these nobody comes back. */
const FINAL = ['CACHE_CLOSED', 'SHARD_FAILED'];

export class Killer {
  kills = 0;
  /** Shards that answered again. */
  restarts = 0;
  /** From a kill to the first answer. */
  longestDownMs = 0;
  readonly #cache: Cache<string, string>;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #killing: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(cache: Cache<string, string>, everyMs: number) {
    this.#cache = cache;
    this.#everyMs = everyMs;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#killing = this.#kill();
      // Whoever stops hears of it.
      this.#killing.then(() => this.#isOver || this.start()).catch(() => {});
    }, this.#everyMs);
  }

  /** No more kills. Resolves when the last shard is back. Rejects if one could not be killed. */
  async stop(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    await this.#killing;
  }

  async #kill(): Promise<void> {
    const killedMs = performance.now();
    await crashShard(this.#cache, this.kills % this.#cache.config.shards);
    this.kills++;
    if (await this.#comesBack(killedMs + DOWN_MAX_MS)) {
      this.restarts++;
      this.longestDownMs = Math.max(this.longestDownMs, performance.now() - killedMs);
    }
  }

  async #comesBack(deadlineMs: number): Promise<boolean> {
    while (performance.now() < deadlineMs) {
      try {
        // Each shard answers for itself.
        await this.#cache.size();
        return true;
      } catch (error) {
        if (error instanceof CacheError && FINAL.includes(error.code)) {
          return false;
        }
        await pause(LOOK_AGAIN_MS);
      }
    }
    return false;
  }
}
