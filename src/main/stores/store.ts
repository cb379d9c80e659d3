/**
 * A store: a Map that outlives the process, with the same asynchronous methods whatever keeps its entries. The engine keeps
 * texts and bytes; here keys become texts (engine-key.ts), values become records (record-codec.ts), and what has expired
 * is not there. Every value that is returned is a copy.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { engineKeyOf, keyOfEngineKey } from '../../protocol/engine-key.ts';
import { directoryOf } from '../../protocol/engines/directory.ts';
import type { Answer, Engine, EngineFacts } from '../../protocol/engines/engine.ts';
import { CacheError, type CacheErrorCode, misuse } from '../../protocol/errors.ts';
import { deadlineOf, openRecord, sealRecord } from '../../protocol/record.ts';
import type { RecordCodec } from '../codec/record-codec.ts';
import { deadlineFor, deadlineIn, hasExpired, type StoreSetOptions } from './deadline.ts';
import { keysOf, pairsOf } from './entries.ts';
import { Flights } from './flights.ts';
import { Records } from './records.ts';
import { lineOf, type Row, rowsOf } from './rows.ts';
import { Slice } from './slice.ts';
import { versionsOf } from './versions.ts';

/**
 * What an engine is given in one turn of the event loop, which those that answer at once would hold up otherwise. Of what setMany is given
 * no more lies in memory twice.
 */
const BATCH_MAX = 1_024;
const BATCH_BYTES_MAX = 16 * 1024 * 1024;
const GET_MANY_MAX = 64;

/** A store as it was opened. `openStore` takes it again, but for passwords and for serializers, engines and clients of your own. */
export interface StoreConfig {
  readonly name: string;
  readonly engine: string;
  readonly root?: string | undefined;
  readonly serializer: string;
  readonly compression: string | false;
  readonly base64: boolean;
  readonly strict: boolean;
  readonly appendMode: boolean;
  readonly [option: string]: unknown;
}

/** One of the values that a key was set to, in append mode. */
export interface Version<V> {
  /** From 1, the oldest. */
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly value: V;
}

/** What a store stands on. */
export interface StoreParts {
  readonly engine: Engine;
  readonly codec: RecordCodec;
  readonly config: StoreConfig;
  openSub(name: string): Promise<Store<unknown>>;
  closeEngine(): Promise<void>;
}

/** Without those who open and close. */
export type OpenedParts = Pick<StoreParts, 'engine' | 'codec' | 'config'>;

/** What a store says of itself: entries, what the engine knows, and how values are encoded. */
export type StoreFacts = StoreConfig & { readonly entries: number } & EngineFacts;

export class Store<V = unknown> implements AsyncIterable<[CacheKey, V]> {
  readonly config: StoreConfig;
  readonly #parts: StoreParts;
  readonly #codec: RecordCodec;
  readonly #records: Records;
  readonly #flights = new Flights<Uint8Array>();

  /** `openStore` makes stores. */
  constructor(parts: StoreParts) {
    this.config = parts.config;
    this.#parts = parts;
    this.#codec = parts.codec;
    this.#records = new Records(parts.engine, parts.config.name, parts.config.appendMode);
  }

  /** The value; undefined where there is none. In append mode the last one. */
  async get(key: CacheKey): Promise<V | undefined> {
    const text = engineKeyOf(key);
    const answer = this.#records.read(text);
    const record = answer instanceof Promise ? await answer : answer;
    return record === undefined || hasExpired(record) ? undefined : (this.#decode(text, record) as V);
  }

  /** The value, or KEY_NOT_FOUND; KEY_EXPIRED for one that is still there but past its deadline. */
  async getOrThrow(key: CacheKey): Promise<V> {
    const text = engineKeyOf(key);
    const record = await this.#records.readOwn(text);
    if (record === undefined || hasExpired(record)) {
      throw this.#error(record === undefined ? 'KEY_NOT_FOUND' : 'KEY_EXPIRED', key);
    }
    return this.#decode(text, record) as V;
  }

  /** The values of those keys that have one, in the order of `keys`. */
  async getMany(keys: Iterable<CacheKey>): Promise<Map<CacheKey, V>> {
    const wanted = Array.from(keysOf(keys), (key) => [key, engineKeyOf(key)] as const);
    const found = new Map<CacheKey, V>();
    const slice = new Slice();
    for (let at = 0; at < wanted.length; at += GET_MANY_MAX) {
      const step = wanted.slice(at, at + GET_MANY_MAX);
      const records = await this.#records.readMany(step.map(([, text]) => text));
      for (const [i, [key, text]] of step.entries()) {
        const record = records[i];
        if (record !== undefined && !hasExpired(record)) found.set(key, (await this.#decode(text, record)) as V);
        if (slice.isOver) await slice.rest();
      }
    }
    return found;
  }

  async has(key: CacheKey): Promise<boolean> {
    const record = await this.#records.readOwn(engineKeyOf(key));
    return record !== undefined && !hasExpired(record);
  }

  /** Milliseconds that the value still has: Infinity for ever, undefined where there is none. */
  async ttl(key: CacheKey): Promise<number | undefined> {
    const record = await this.#records.readOwn(engineKeyOf(key));
    const left = record === undefined ? 0 : deadlineOf(record) - Date.now();
    return left > 0 ? left : undefined;
  }

  /** Settles when the value survives the end of the process; with `sync: true`, of the machine. */
  async set(key: CacheKey, value: V, options?: StoreSetOptions): Promise<void> {
    const text = engineKeyOf(key);
    const expiresAtMs = deadlineFor(options);
    return this.#records.write(text, this.#codec.encode(value, expiresAtMs), expiresAtMs);
  }

  /** Only where there is no value: KEY_EXISTS otherwise, and it stays. */
  async add(key: CacheKey, value: V, options?: StoreSetOptions): Promise<void> {
    const isThere = await this.#setIf(key, value, options, (wasThere) => !wasThere);
    if (isThere) {
      throw this.#error('KEY_EXISTS', key);
    }
  }

  /** Only where there is a value: KEY_NOT_FOUND otherwise. */
  async update(key: CacheKey, value: V, options?: StoreSetOptions): Promise<void> {
    const wasThere = await this.#setIf(key, value, options, (isThere) => isThere);
    if (!wasThere) {
      throw this.#error('KEY_NOT_FOUND', key);
    }
  }

  /**
   * Many at once, in as few commits as the engine can. When it rejects, some of them may have been stored. The first 1,024 take
   * their turn among other calls on their keys at once; what comes after them, or after one that takes long to compress,
   * when it has been read and encoded. In append mode it is the first 64.
   */
  async setMany(
    entries: Iterable<readonly [CacheKey, V]> | Readonly<Record<string, V>>,
    options?: StoreSetOptions,
  ): Promise<void> {
    const expiresAtMs = deadlineFor(options);
    const slice = new Slice();
    let batch: [string, Buffer][] = [];
    let bytes = 0;
    for (const [key, value] of pairsOf(entries)) {
      const text = engineKeyOf(key);
      const encoded = this.#codec.encode(value, expiresAtMs);
      const record = encoded instanceof Promise ? await encoded : encoded;
      batch.push([text, record]);
      bytes += record.length;
      if (batch.length === BATCH_MAX || bytes >= BATCH_BYTES_MAX) {
        await this.#records.writeMany(batch, expiresAtMs);
        batch = [];
        bytes = 0;
        if (slice.isOver) await slice.rest();
      }
    }
    await this.#records.writeMany(batch, expiresAtMs);
  }

  /** Whether there was an entry: one that has expired and was not cleaned up counts. */
  async delete(key: CacheKey): Promise<boolean> {
    const text = engineKeyOf(key);
    this.#flights.drop(text);
    return this.#records.delete(text);
  }

  /** How many of them there were. All of them are tried; it rejects with the first that failed. */
  async deleteMany(keys: Iterable<CacheKey>): Promise<number> {
    const slice = new Slice();
    let count = 0;
    let batch: CacheKey[] = [];
    for (const key of keysOf(keys)) {
      batch.push(key);
      if (batch.length === BATCH_MAX) {
        count += await this.#deleteAll(batch);
        batch = [];
        if (slice.isOver) await slice.rest();
      }
    }
    return count + (await this.#deleteAll(batch));
  }

  /** Gives a value a new time to live; null for ever. KEY_NOT_FOUND where there is none. */
  async expire(key: CacheKey, ttl: number | string | null): Promise<void> {
    const expiresAtMs = deadlineIn(ttl);
    const before = await this.#records.change(engineKeyOf(key), (record) => {
      if (record === undefined || hasExpired(record)) {
        return record;
      }
      const { payload, ...head } = openRecord(record);
      return sealRecord({ ...head, expiresAtMs }, payload);
    });
    if (before === undefined || hasExpired(before)) {
      throw this.#error('KEY_NOT_FOUND', key);
    }
  }

  /**
   * The value, or what `factory` makes of the key, which is then stored. Calls at the same time share one run; one that throws
   * stores nothing. Where another was faster its value stands, and what was deleted meanwhile stays deleted.
   */
  async getOrSet(key: CacheKey, factory: (key: CacheKey) => V | Promise<V>, options?: StoreSetOptions): Promise<V> {
    if (typeof factory !== 'function') {
      throw misuse('INVALID_CONFIG', 'a function that makes the value', factory, { option: 'factory' });
    }
    // Before the work is done: what is wrong with them is wrong now.
    deadlineFor(options);
    const text = engineKeyOf(key);
    const record = await this.#records.readOwn(text);
    if (record !== undefined && !hasExpired(record)) {
      return this.#decode(text, record) as V;
    }
    const standing = await this.#flights.join(text, (isWanted) =>
      this.#compute(text, async () => factory(key), options, isWanted),
    );
    return this.#decode(text, standing) as V;
  }

  /** Takes a value out: of those who ask for it at the same time one gets it. */
  async pop(key: CacheKey): Promise<V | undefined> {
    return (await this.#pop(engineKeyOf(key)))?.value;
  }

  /** Takes some entry out; undefined for an empty store. */
  async popItem(): Promise<[CacheKey, V] | undefined> {
    for await (const page of this.#records.pages()) {
      for (const text of page) {
        const popped = await this.#pop(text);
        if (popped !== undefined) return [keyOfEngineKey(text), popped.value];
      }
    }
    return undefined;
  }

  /** Removes everything, and says how many. Stores within this one stay. */
  async clear(): Promise<number> {
    this.#flights.dropAll();
    return this.#records.clear();
  }

  /** Entries, those with it that have expired but were not cleaned up. Its cost depends on the engine. */
  async size(): Promise<number> {
    return this.#records.whole((engine) => engine.size());
  }

  /** Removes what has expired, and says how many. */
  async cleanup(): Promise<number> {
    let count = 0;
    for await (const [text, record] of this.#records.all()) {
      if (!hasExpired(record)) {
        continue;
      }
      const before = await this.#records.change(text, (now) => (now && hasExpired(now) ? undefined : now));
      if (before !== undefined && hasExpired(before)) count++;
    }
    return count;
  }

  /** A key that is there from begin to end comes once, any other at most once, whoever writes meanwhile. */
  async *keys(): AsyncGenerator<CacheKey> {
    for await (const [text] of this.#records.live()) yield keyOfEngineKey(text);
  }

  async *values(): AsyncGenerator<V> {
    for await (const [text, record] of this.#records.live()) yield (await this.#decode(text, record)) as V;
  }

  async *entries(): AsyncGenerator<[CacheKey, V]> {
    for await (const [text, record] of this.#records.live()) {
      yield [keyOfEngineKey(text), (await this.#decode(text, record)) as V];
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<[CacheKey, V]> {
    return this.entries();
  }

  async toMap(): Promise<Map<CacheKey, V>> {
    const map = new Map<CacheKey, V>();
    for await (const [key, value] of this) map.set(key, value);
    return map;
  }

  /** In append mode: every value that the key was set to, the oldest first; otherwise the one there is. */
  getAll(key: CacheKey): Promise<V[]>;
  getAll(key: CacheKey, options: { readonly withMetadata: true }): Promise<Version<V>[]>;
  async getAll(key: CacheKey, options: { readonly withMetadata?: boolean } = {}): Promise<V[] | Version<V>[]> {
    const text = engineKeyOf(key);
    const stored = await this.#records.readOwn(text);
    if (stored === undefined || hasExpired(stored)) {
      return [];
    }
    if (!this.config.appendMode) {
      if (options.withMetadata === true) {
        const expected = 'a store with `appendMode: true`, which knows when values were set';
        throw misuse('INVALID_CONFIG', expected, this.config.name, { option: 'withMetadata' });
      }
      return [(await this.#decode(text, stored)) as V];
    }
    const versions: Version<V>[] = [];
    try {
      for (const { storedAtMs, record } of versionsOf(stored)) {
        const value = (await this.#codec.decode(record)) as V;
        versions.push({ version: versions.length + 1, timestamp: storedAtMs, value });
      }
    } catch (cause) {
      throw this.#unreadable(text, cause);
    }
    return options.withMetadata === true ? versions : versions.map(({ value }) => value);
  }

  /** Every entry as rows of a table: see rows.ts. */
  async *rows(): AsyncGenerator<Row> {
    for await (const [key, value] of this) yield* rowsOf(key, value);
  }

  /** All rows as CSV, by RFC 4180, with a head. */
  async toCSV(): Promise<string> {
    const rows: Row[] = [];
    const columns = new Set<string>();
    for await (const row of this.rows()) {
      rows.push(row);
      for (const column of Object.keys(row)) columns.add(column);
    }
    const slice = new Slice();
    let text = lineOf([...columns]);
    for (const row of rows) {
      text += lineOf(Array.from(columns, (column) => row[column]));
      if (slice.isOver) await slice.rest();
    }
    return text;
  }

  /** A store within this one, with the same options. It is closed by itself. */
  async sub<W = V>(name: string): Promise<Store<W>> {
    return (await this.#parts.openSub(name)) as Store<W>;
  }

  /** Makes all that is acknowledged survive the machine's end, where the engine can. */
  async flush(): Promise<void> {
    await this.#records.whole((engine) => engine.flush());
  }

  /** Gives back what removed and replaced entries take, where the engine keeps them. */
  async compact(): Promise<void> {
    await this.#records.whole((engine) => engine.compact?.());
  }

  /** Reads everything, and tells what is wrong: a sentence for each thing, none for a store that is whole. */
  async *verify(): AsyncGenerator<string> {
    // An entry that the engine has told of is met again where it is read.
    const told = new Set<string>();
    try {
      for await (const finding of await this.#records.whole((engine) => engine.verify?.() ?? NOTHING)) {
        told.add(finding);
        yield finding;
      }
      for await (const page of this.#records.pages()) {
        for (const text of page) {
          const finding = await this.#findingOf(text);
          if (finding !== undefined && !told.has(finding)) yield finding;
        }
      }
    } catch (error) {
      if (!(error instanceof CacheError && error.code === 'STORE_CORRUPT')) throw error;
      yield error.message;
    }
  }

  async facts(): Promise<StoreFacts> {
    const facts = await this.#records.whole((engine) => engine.facts());
    return { ...facts, ...this.config, entries: await this.size() };
  }

  toJSON(): StoreConfig {
    return this.config;
  }

  /** Finishes what was begun and gives everything back; later calls get STORE_CLOSED. Again does nothing. */
  close(): Promise<void> {
    return this.#records.close(this.#parts.closeEngine);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What is wrong with a value, if anything is. */
  async #findingOf(text: string): Promise<string | undefined> {
    try {
      const record = await this.#records.readOwn(text);
      if (record !== undefined) await this.#decode(text, record);
      return undefined;
    } catch (error) {
      const { code, message } = error as CacheError;
      if (code === 'STORE_CLOSED') throw error;
      return message;
    }
  }

  /** Answers whether there was a value. */
  async #setIf(
    key: CacheKey,
    value: V,
    options: StoreSetOptions | undefined,
    mayWrite: (isThere: boolean) => boolean,
  ): Promise<boolean> {
    const text = engineKeyOf(key);
    const expiresAtMs = deadlineFor(options);
    const before = await this.#records.changeTo(text, this.#codec.encode(value, expiresAtMs), (stored, record) => {
      const isThere = stored !== undefined && !hasExpired(stored);
      return mayWrite(isThere) ? this.#records.asStored(stored, record, expiresAtMs) : stored;
    });
    return before !== undefined && !hasExpired(before);
  }

  /** Waits for all of them: those that fail late must not be nobody's. */
  async #deleteAll(keys: readonly CacheKey[]): Promise<number> {
    const answers = await Promise.allSettled(keys.map((key) => this.delete(key)));
    const failed = answers.find(({ status }) => status === 'rejected');
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    return answers.filter((answer) => answer.status === 'fulfilled' && answer.value).length;
  }

  async #pop(text: string): Promise<{ readonly value: V } | undefined> {
    this.#flights.drop(text);
    const record = await this.#records.change(text, () => undefined);
    return record === undefined || hasExpired(record) ? undefined : { value: (await this.#decode(text, record)) as V };
  }

  /** The record that stands in the end. It is stored while it `isWanted`. */
  async #compute(
    text: string,
    make: () => Promise<V>,
    options: StoreSetOptions | undefined,
    isWanted: () => boolean,
  ): Promise<Uint8Array> {
    const value = await make();
    const expiresAtMs = deadlineFor(options);
    const record = await this.#codec.encode(value, expiresAtMs);
    let standing = this.#records.asStored(undefined, record, expiresAtMs);
    if (isWanted()) {
      await this.#records.change(text, (stored) => {
        const isThere = stored !== undefined && !hasExpired(stored);
        standing = isThere ? Buffer.from(stored) : this.#records.asStored(stored, record, expiresAtMs);
        return isThere ? stored : standing;
      });
    }
    return standing;
  }

  /** Throws or rejects with what is wrong with the value, and where it is. */
  #decode(text: string, stored: Uint8Array): Answer<unknown> {
    try {
      const value = this.#codec.decode(this.#records.lastOf(stored));
      return value instanceof Promise ? value.catch((cause) => Promise.reject(this.#unreadable(text, cause))) : value;
    } catch (cause) {
      throw this.#unreadable(text, cause);
    }
  }

  #unreadable(text: string, cause: unknown): unknown {
    if (!(cause instanceof CacheError) || (cause.code !== 'STORE_CORRUPT' && cause.code !== 'STORE_FOREIGN')) {
      return cause;
    }
    const { name, root } = this.config;
    const message = `The value of ${JSON.stringify(text)} in the store ${name} cannot be read: ${cause.message}`;
    const path = root === undefined ? undefined : directoryOf(root, name);
    return new CacheError(cause.code, message, { key: keyOfEngineKey(text), path, cause });
  }

  #error(code: CacheErrorCode, key: CacheKey): CacheError {
    const told = {
      KEY_EXISTS: 'has a value for this key already',
      KEY_EXPIRED: 'had a value for this key, which has expired',
    };
    return new CacheError(
      code,
      `The store ${this.config.name} ${told[code as keyof typeof told] ?? 'has no value for this key'}`,
      { key },
    );
  }
}

/** Of an engine that has nothing to tell. */
const NOTHING: readonly string[] = [];
