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
  /** Resolves when the write is acknowledged. */
  set(key: string, record: Uint8Array): Promise<void>;
  /**
   * Runs `step`, which removes the key from the engine, with what waited for the key; when it is done nothing waits for the
   * key any more, and when it fails all is as it was.
   */
  remove<T>(key: string, step: (waiting: Uint8Array | undefined) => Promise<T>): Promise<T>;
  /** Resolves when the engine has all that was acknowledged until now. */
  drain(): Promise<void>;
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

  set(key: string, record: Uint8Array): Promise<void> {
    return this.#breaker.run(() => this.#engine.set(key, record));
  }

  remove<T>(_key: string, step: (waiting: undefined) => Promise<T>): Promise<T> {
    return step(undefined);
  }

  async drain(): Promise<void> {
    // The engine has it.
  }

  async close(): Promise<Unwritten> {
    return { lost: 0 };
  }
}
