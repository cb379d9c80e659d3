/**
 * Classes with memoized methods, as users write them. The runner of the tests takes no decorators, so this is compiled by itself
 * (memo-decorator.test.ts), and what it exports is what its compiler must accept.
 */
import { memoized } from 'shardstash/memo';

export class Account {
  runs = 0;
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  @memoized()
  async load(page: number, options?: { verbose?: boolean }): Promise<string> {
    this.runs++;
    return `${this.id} ${page} ${options?.verbose ?? false}`;
  }

  @memoized({ ignore: ['verbose'], ttl: '1h', maxEntries: 10 })
  async page(page: number, _options?: { verbose?: boolean }): Promise<number> {
    this.runs++;
    return page;
  }

  @memoized()
  async #secret(): Promise<string> {
    this.runs++;
    return `secret of ${this.id}`;
  }

  secret(): Promise<string> {
    return this.#secret();
  }

  static runs = 0;

  @memoized()
  static async count(): Promise<number> {
    return ++Account.runs;
  }
}

/** Of a class whose results outlive the process. */
export class Stored {
  runs = 0;
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  @memoized({ filename: 'stored', self: (instance: Stored) => instance.id })
  async load(n: number): Promise<string> {
    this.runs++;
    return `${this.id} ${n}`;
  }
}
