/**
 * The order of calls on one key, for engines of which some calls take a while: what is called while an earlier call on the same
 * key is under way waits for it, and what meets nothing runs at once, without a promise.
 *
 *     set('a')   ........          a call that answered a promise
 *     get('a')           .         waits for it
 *     get('b')   .                 does not
 *     clear()            ......    alone: waits for all, and all that come later wait for it
 *
 * What waits is as much as callers have called and not awaited: the bound is theirs.
 */
import type { Answer } from './engine.ts';

export class KeyTurns<K = string> {
  /** Of each key the last call that is under way or waits. None of them ever rejects. */
  readonly #last = new Map<K, Promise<void>>();
  /** The last call that is alone, until it has settled. */
  #alone: Promise<void> | undefined;

  /** Whether a call on this key would run at once. */
  isFree(key: K): boolean {
    return this.#alone === undefined && !this.#last.has(key);
  }

  /** Whether any call would. */
  get isIdle(): boolean {
    return this.#alone === undefined && this.#last.size === 0;
  }

  run<T>(key: K, step: () => Answer<T>): Answer<T> {
    const before = this.#last.get(key) ?? this.#alone;
    if (before !== undefined) {
      return this.#keep(key, before.then(step));
    }
    const answer = step();
    return answer instanceof Promise ? this.#keep(key, answer) : answer;
  }

  /** Runs a step while nothing else is under way. */
  runAlone<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.idle().then(step);
    const settled = turn.then(ignore, ignore);
    // They are all waited for: who comes now waits for this alone.
    this.#last.clear();
    this.#alone = settled;
    void settled.then(() => {
      if (this.#alone === settled) this.#alone = undefined;
    });
    return turn;
  }

  /** When all that was called until now has settled. */
  async idle(): Promise<void> {
    await Promise.all([this.#alone, ...this.#last.values()]);
  }

  #keep<T>(key: K, turn: Promise<T>): Promise<T> {
    const leave = () => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    };
    const settled: Promise<void> = turn.then(leave, leave);
    this.#last.set(key, settled);
    return turn;
  }
}

/** When all have settled: nothing is under way any more when the first error is told. */
export async function allOf(writes: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(writes)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

/** Whoever made the call hears how it ended; those who wait only need to know that it did. */
function ignore(): void {}
