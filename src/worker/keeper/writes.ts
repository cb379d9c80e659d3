/**
 * When a tier's engine gets what is written: at once (here), or later (write-behind.ts). Calls on one key come one at a time, but
 * for a scan or a cleanup, which only remove what has expired.
 */
import type { Engine } from '../../protocol/engines/engine.ts';
import type { ErrorRecord } from '../../protocol/errors.ts';
import type { Breaker } from './breaker.ts';

export interface Writes {
  /** What is written and not with the engine yet; undefined: ask the engine. */
  find(key: string): Uint8Array | undefined;
  /** Of all that is written and not with the engine yet. */
  keys(): Iterable<string>;
  /** Resolves when the write is acknowledged. */
  set(key: string, record: Uint8Array): Promise<void>;
  /**
   * Runs `step`, which removes the key from the engine, with what waited for the key; when it is done nothing waits for the
   * key any more, and when it fails all is as it was.
   */
  remove<T>(key: string, step: (waiting: Uint8Array | undefined) => Promise<T>): Promise<T>;
  /**
   * Resolves when the engine has all that was acknowledged until now, but for entries that it does not take whatever one
   * does. Rejects where it takes nothing.
   */
  drain(): Promise<void>;
  /** What still waits of keys that `isOf` says true of: it waits no more. For keys that nobody writes meanwhile. */
  forget(isOf: (key: string) => boolean): readonly string[];
  /** Nothing is called any more. What the engine would not take is lost. */
  close(): Promise<Unwritten>;
}

export interface Unwritten {
  readonly lost: number;
  readonly error?: ErrorRecord;
}

export class WriteThrough implements Writes {
  readonly #engine: Engine;
  readonly #breaker: Breaker;

  constructor(engine: Engine, breaker: Breaker) {
    this.#engine = engine;
    this.#breaker = breaker;
  }

  find(): undefined {
    return undefined;
  }

  keys(): Iterable<string> {
    return [];
  }

  set(key: string, record: Uint8Array): Promise<void> {
    return this.#breaker.run(() => this.#engine.set(key, record));
  }

  remove<T>(_key: string, step: (waiting: undefined) => Promise<T>): Promise<T> {
    return step(undefined);
  }

  async drain(): Promise<void> {
    // The engine has it.
  }

  forget(): readonly string[] {
    return [];
  }

  async close(): Promise<Unwritten> {
    return { lost: 0 };
  }
}
