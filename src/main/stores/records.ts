/**
 * The records of a store, in order: between the typed methods of store.ts, which may have to wait for a value to be compressed in
 * another thread, and the engine, which takes calls on one key in the order in which they come.
 *
 *     set('k', large)   encoding ............ engine.set
 *     get('k')          waits for it ......... engine.get        what is not encoded elsewhere does not wait
 *
 * In append mode every record that is written becomes one more version of the key's (versions.ts).
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Answer, Engine } from '../../protocol/engines/engine.ts';
import { CacheError } from '../../protocol/errors.ts';
import { hasExpired } from './deadline.ts';
import { versionsOf, withVersion } from './versions.ts';

/** Records that are read at once: a page of keys may stand for gigabytes. */
const RECORDS_PER_STEP = 64;

type Entry = readonly [text: string, record: Uint8Array];

export class Records {
  readonly #engine: Engine;
  readonly #name: string;
  readonly #appends: boolean;
  /** Settles when what is encoded for a key has been written, or not. */
  readonly #encoding = new Map<string, Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(engine: Engine, name: string, appends: boolean) {
    this.#engine = engine;
    this.#name = name;
    this.#appends = appends;
  }

  /** Throws STORE_CLOSED. */
  get engine(): Engine {
    if (this.#closing !== undefined) {
      throw new CacheError('STORE_CLOSED', `The store ${this.#name} is closed: open it again`);
    }
    return this.#engine;
  }

  /** As it is stored: perhaps expired. Good until the next call when it comes at once. */
  read(text: string): Answer<Uint8Array | undefined> {
    const before = this.#encoding.size === 0 ? undefined : this.#encoding.get(text);
    return before === undefined ? this.engine.get(text) : before.then(() => this.engine.get(text));
  }

  write(text: string, record: Buffer | Promise<Buffer>, expiresAtMs: number): Answer<void> {
    if (record instanceof Promise || this.#encoding.has(text)) {
      return this.#writeLater(text, record, expiresAtMs);
    }
    return this.#writeNow(text, record, expiresAtMs);
  }

  async writeMany(batch: readonly (readonly [string, Buffer])[], expiresAtMs: number): Promise<void> {
    if (this.#appends) {
      for (const [text, record] of batch) await this.#writeNow(text, record, expiresAtMs);
    } else if (batch.length > 0) {
      await this.engine.setMany(batch);
    }
  }

  delete(text: string): Answer<boolean> {
    const before = this.#encoding.size === 0 ? undefined : this.#encoding.get(text);
    return before === undefined ? this.engine.delete(text) : before.then(() => this.engine.delete(text));
  }

  /** Replaces a record by what `change` makes of it; answers what there was, in memory of its own. */
  async change(
    text: string,
    change: (record: Uint8Array | undefined) => Uint8Array | undefined,
  ): Promise<Uint8Array | undefined> {
    const before = this.#encoding.get(text);
    if (before !== undefined) await before;
    let found: Buffer | undefined;
    await this.engine.update(text, (record) => {
      found = record === undefined ? undefined : Buffer.from(record);
      return change(record);
    });
    return found;
  }

  /** What a record looks like where it is the value of a key. */
  asStored(before: Uint8Array | undefined, record: Buffer, expiresAtMs: number): Buffer {
    return this.#appends ? withVersion(before, record, expiresAtMs, Date.now()) : record;
  }

  /** The record that has the value: in append mode the last version. */
  lastOf(stored: Uint8Array): Uint8Array {
    return this.#appends ? (versionsOf(stored).at(-1)?.record as Uint8Array) : stored;
  }

  /** Everything, expired ones, too, in steps that memory can hold. */
  async *all(): AsyncGenerator<Entry> {
    await this.encoded();
    for await (const page of this.engine.keys()) {
      for (let at = 0; at < page.length; at += RECORDS_PER_STEP) {
        const step = page.slice(at, at + RECORDS_PER_STEP);
        const records = await this.engine.getMany(step);
        for (const [i, record] of records.entries()) {
          if (record !== undefined) yield [step[i] as string, record];
        }
      }
      // Engines that answer at once would hold up the event loop for as long as there are entries.
      await nextTurn();
    }
  }

  async *live(): AsyncGenerator<Entry> {
    for await (const entry of this.all()) {
      if (!hasExpired(entry[1])) yield entry;
    }
  }

  /** When all that is being encoded has been written, or not. */
  async encoded(): Promise<void> {
    if (this.#encoding.size > 0) await Promise.all(this.#encoding.values());
  }

  /** What was begun is finished; what comes later gets STORE_CLOSED. */
  close(afterwards: () => Answer<void>): Promise<void> {
    this.#closing ??= this.#close(afterwards);
    return this.#closing;
  }

  async #close(afterwards: () => Answer<void>): Promise<void> {
    await this.encoded();
    try {
      await this.#engine.close();
    } finally {
      await afterwards();
    }
  }

  #writeNow(text: string, record: Buffer, expiresAtMs: number): Answer<void> {
    return this.#appends
      ? this.engine.update(text, (before) => this.asStored(before, record, expiresAtMs))
      : this.engine.set(text, record);
  }

  async #writeLater(text: string, record: Buffer | Promise<Buffer>, expiresAtMs: number): Promise<void> {
    const { engine } = this;
    const written = Promise.all([record, this.#encoding.get(text)]).then(async ([encoded]) => {
      // Closing waits for this, so the engine is still there.
      await (this.#appends
        ? engine.update(text, (before) => this.asStored(before, encoded, expiresAtMs))
        : engine.set(text, encoded));
    });
    const settled = written.then(ignore, ignore);
    this.#encoding.set(text, settled);
    try {
      await written;
    } finally {
      if (this.#encoding.get(text) === settled) this.#encoding.delete(text);
    }
  }
}

/** The caller of the write hears how it ended; those who wait only need to know that it did. */
function ignore(): void {}
