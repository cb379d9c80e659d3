/**
 * Any store as the tier of a memo: its engine decides where results are and who may use them. A store may have the results of
 * several memos, and other entries besides: a memo's are those whose keys begin with its name.
 *
 * A store cannot tell who computes what: two processes that miss the same call at the same time both compute it.
 */
import type { Store } from '../stores/index.ts';
import { EVER } from '../units.ts';
import type { MemoRecord, MemoTier } from './tier.ts';

/** A record without what is not known of it. */
interface StoredRecord {
  readonly result: unknown;
  readonly args?: readonly unknown[];
  readonly version?: string;
  readonly createdAtMs: number;
  readonly expiresAtMs?: number;
}

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
    const stored = await this.#store.get(this.#prefix + key);
    if (!isStored(stored)) {
      return undefined;
    }
    const { result, args, version, createdAtMs, expiresAtMs = EVER } = stored;
    return { result, args, version, createdAtMs, expiresAtMs };
  }

  has(key: string): Promise<boolean> {
    return this.#store.has(this.#prefix + key);
  }

  async set(key: string, { result, args, version, createdAtMs, expiresAtMs }: MemoRecord): Promise<void> {
    const leftMs = expiresAtMs - Date.now();
    if (leftMs <= 0) {
      return;
    }
    // Nothing that a serializer as strict as plain JSON would refuse, but for the result itself.
    const stored: StoredRecord = {
      result,
      createdAtMs,
      ...(args === undefined ? {} : { args }),
      ...(version === undefined ? {} : { version }),
      ...(expiresAtMs === EVER ? {} : { expiresAtMs }),
    };
    await this.#store.set(this.#prefix + key, stored, { ttl: leftMs === EVER ? null : leftMs });
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

function isStored(value: unknown): value is StoredRecord {
  return typeof value === 'object' && value !== null && 'result' in value && 'createdAtMs' in value;
}
