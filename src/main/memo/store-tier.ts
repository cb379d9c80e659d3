/**
 * Any store as the tier of a memo: its engine decides where results are and who may use them. A store may have the results of
 * several memos, and other entries besides: a memo's are those whose keys begin with its name.
 *
 * A store cannot tell who computes what: two processes that miss the same call at the same time both compute it.
 */
import type { Store } from '../stores/index.ts';
import type { MemoRecord, MemoTier } from './tier.ts';

export class StoreTier implements MemoTier {
  readonly filename: string;
  readonly #store: Store;
  readonly #prefix: string;

  /** `name` is the memo's. */
  constructor(store: Store, name: string) {
    this.#store = store;
    this.#prefix = `memo ${JSON.stringify(name)} `;
    this.filename = store.config.name;
  }

  async get(key: string): Promise<MemoRecord | undefined> {
    const record = await this.#store.get(this.#prefix + key);
    return isRecord(record) ? record : undefined;
  }

  has(key: string): Promise<boolean> {
    return this.#store.has(this.#prefix + key);
  }

  async set(key: string, record: MemoRecord): Promise<void> {
    const leftMs = record.expiresAtMs - Date.now();
    if (leftMs <= 0) {
      return;
    }
    await this.#store.set(this.#prefix + key, record, { ttl: leftMs === Number.POSITIVE_INFINITY ? null : leftMs });
  }

  delete(key: string): Promise<boolean> {
    return this.#store.delete(this.#prefix + key);
  }

  async keys(): Promise<readonly string[]> {
    const keys: string[] = [];
    for await (const key of this.#store.keys()) {
      if (typeof key === 'string' && key.startsWith(this.#prefix)) keys.push(key.slice(this.#prefix.length));
    }
    return keys;
  }

  async size(): Promise<number> {
    return (await this.keys()).length;
  }

  async clear(): Promise<number> {
    const keys = await this.keys();
    return await this.#store.deleteMany(keys.map((key) => this.#prefix + key));
  }

  /** The store is its opener's. */
  close(): void {}
}

function isRecord(value: unknown): value is MemoRecord {
  return typeof value === 'object' && value !== null && 'result' in value && 'createdAtMs' in value;
}
