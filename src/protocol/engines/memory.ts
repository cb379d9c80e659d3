/**
 * In memory, for tests and small data: a Map of records, gone with the process. Stores of one name in one process share it, as
 * long as one of them is open. It is not bounded: a bounded one that evicts is the cache itself.
 */
import { type Engine, type EngineFacts, type EngineKind, KEYS_PER_PAGE, type Place } from './engine.ts';

class Shelf {
  readonly records = new Map<string, Uint8Array>();
  manifest: string | undefined;
  users = 0;
}

const shelves = new Map<string, Shelf>();

class MemoryEngine implements Engine {
  readonly #name: string;
  readonly #shelf: Shelf;
  readonly manifest;

  constructor(name: string) {
    this.#name = name;
    const shelf = shelves.get(name) ?? new Shelf();
    shelves.set(name, shelf);
    shelf.users++;
    this.#shelf = shelf;
    this.manifest = {
      read: () => shelf.manifest,
      write: (text: string) => {
        shelf.manifest ??= text;
      },
      remove: () => {
        shelf.manifest = undefined;
      },
    };
  }

  get(key: string): Uint8Array | undefined {
    return this.#shelf.records.get(key);
  }

  set(key: string, record: Uint8Array): void {
    this.#shelf.records.set(key, Buffer.from(record));
  }

  delete(key: string): boolean {
    return this.#shelf.records.delete(key);
  }

  update(key: string, change: (record: Uint8Array | undefined) => Uint8Array | undefined): void {
    const before = this.#shelf.records.get(key);
    const after = change(before);
    if (after === undefined) {
      this.#shelf.records.delete(key);
    } else if (after !== before) {
      this.set(key, after);
    }
  }

  getMany(keys: readonly string[]): (Uint8Array | undefined)[] {
    return keys.map((key) => this.#shelf.records.get(key));
  }

  setMany(entries: readonly (readonly [string, Uint8Array])[]): void {
    for (const [key, record] of entries) this.set(key, record);
  }

  clear(): number {
    const count = this.#shelf.records.size;
    this.#shelf.records.clear();
    return count;
  }

  size(): number {
    return this.#shelf.records.size;
  }

  /** A snapshot of the keys: a key that is removed and set again while they are read would come twice from the Map. */
  async *keys(): AsyncGenerator<readonly string[]> {
    const all = Array.from(this.#shelf.records.keys());
    for (let at = 0; at < all.length; at += KEYS_PER_PAGE) {
      yield all.slice(at, at + KEYS_PER_PAGE);
    }
  }

  flush(): void {
    // There is nothing that would survive.
  }

  close(): void {
    this.#shelf.users--;
    if (this.#shelf.users === 0) {
      shelves.delete(this.#name);
    }
  }

  facts(): EngineFacts {
    let bytes = 0;
    for (const record of this.#shelf.records.values()) bytes += record.length;
    return { bytes };
  }
}

export const memoryEngine: EngineKind = {
  keeps: 'nothing',
  access: 'shared',
  options: [],
  open: async ({ name }: Place) => new MemoryEngine(name),
};
