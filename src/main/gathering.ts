/** The results of many calls under one promise: it settles when all have, with the first error if there was one. */
import type { Result } from '../protocol/reply.ts';
import type { Waiter } from './call.ts';

export class Gathering implements Waiter {
  readonly results: Promise<Result[]>;
  readonly #results: Result[];
  #left: number;
  #error: { cause: unknown } | undefined;
  #settle: () => void = () => {};

  constructor(count: number) {
    this.#results = new Array<Result>(count).fill(undefined);
    this.#left = count;
    this.results = new Promise((resolve, reject) => {
      this.#settle = () => (this.#error === undefined ? resolve(this.#results) : reject(this.#error.cause));
    });
    // Whoever gathers awaits it later, after the last call was made: an early error is not unhandled.
    this.results.catch(() => {});
    if (count === 0) {
      this.#settle();
    }
  }

  resolve(result: Result, index: number): void {
    this.#results[index] = result;
    this.#done();
  }

  reject(cause: unknown): void {
    this.#error ??= { cause };
    this.#done();
  }

  #done(): void {
    this.#left--;
    if (this.#left === 0) {
      this.#settle();
    }
  }
}
