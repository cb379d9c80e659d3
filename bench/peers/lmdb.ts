/**
 * lmdb: a B+ tree in a memory-mapped file, which all threads and processes read in place. Its closest relative to ours, with
 * a disk below it and no bound. It runs without fsync here, in a folder of its own that goes when it closes.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import type { Peer } from './index.ts';

const FILL_ENTRIES = 100_000;

export class LmdbPeer<V> implements Peer<V> {
  readonly name = 'lmdb';
  readonly #folder: string;
  readonly #database: RootDatabase<V, string>;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#database = open<V, string>({ path: join(folder, 'data'), noSync: true, noMemInit: true, compression: false });
  }

  static async open<V>(): Promise<LmdbPeer<V>> {
    return new LmdbPeer<V>(await mkdtemp(join(tmpdir(), 'shardstash-bench-')));
  }

  get(key: string): V | undefined {
    return this.#database.get(key);
  }

  /** Settles when the transaction that took it in has been committed. */
  set(key: string, value: V): Promise<boolean> {
    return this.#database.put(key, value);
  }

  fill(keys: readonly string[], make: (index: number) => V): void {
    for (let from = 0; from < keys.length; from += FILL_ENTRIES) {
      this.#database.transactionSync(() => {
        for (let i = from; i < Math.min(from + FILL_ENTRIES, keys.length); i++) {
          this.#database.putSync(keys[i] as string, make(i));
        }
      });
    }
  }

  async close(): Promise<void> {
    await this.#database.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
