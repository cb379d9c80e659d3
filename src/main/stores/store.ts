/**
 * A store: a Map that outlives the process, with the same asynchronous methods whatever keeps its entries. The engine keeps
 * texts and bytes; here keys become texts (engine-key.ts), values become records (record-codec.ts), and what has expired
 * is not there. Every value that is returned is a copy.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CacheKey } from '../../protocol/cache-key.ts';
import { engineKeyOf, keyOfEngineKey } from '../../protocol/engine-key.ts';
import type { Answer, Engine, EngineFacts } from '../../protocol/engines/engine.ts';
import { CacheError, type CacheErrorCode, misuse } from '../../protocol/errors.ts';
import { deadlineOf, openRecord, sealRecord } from '../../protocol/record.ts';
import type { RecordCodec } from '../codec/record-codec.ts';
import { EVER } from '../units.ts';
import { deadlineFor, hasExpired, type StoreSetOptions } from './deadline.ts';
import { Records } from './records.ts';
import { csvOf, type Row, rowsOf } from './rows.ts';
import { versionsOf } from './versions.ts';

/**
 * What an engine is given in one turn of the event loop, which those that answer at once would hold up otherwise. Of what setMany is given
 * no more lies in memory twice.
 */
const BATCH_MAX = 1_024;
const BATCH_BYTES_MAX = 16 * 1024 * 1024;
const GET_MANY_MAX = 64;
/** How often popItem begins again while others take what it has found. */
const POP_TRIES = 1_000;

/** A store as it was opened. `openStore` takes it again, but for serializers and engines of your own. */
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
  afterClose(): Answer<void>;
}

/** What a store says of itself: entries, what the engine knows, and how values are encoded. */
export type StoreFacts = StoreConfig & { readonly entries: number } & EngineFacts;

export class Store<V = unknown> implements AsyncIterable<[CacheKey, V]> {
  readonly config: StoreConfig;
  readonly #parts: StoreParts;
  readonly #codec: RecordCodec;
  readonly #records: Records;
  readonly #flights = new Map<string, Promise<Uint8Array>>();

  /** `openStore` makes stores. */
  constructor(parts: StoreParts) {
    this.config = parts.config;
    this.#parts = parts;
    this.#codec = parts.codec;
    this.#records = new Records(parts.engine, parts.config.name, parts.config.appendMode);
  }

  /** The value; undefined where there is none. In append mode the last one. */
  async get(key: CacheKey): Promise<V | undefined> {
    const answer = this.#records.read(engineKeyOf(key));
    const record = answer instanceof Promise ? await answer : answer;
    return record === undefined || hasExpired(record) ? undefined : (this.#decode(record) as V);
  }

  /** The value, or KEY_NOT_FOUND; KEY_EXPIRED for one that is still there but past its deadline. */
  async getOrThrow(key: CacheKey): Promise<V> {
    const record = await this.#own(key);
    if (record === undefined || hasExpired(record)) {
      throw this.#error(record === undefined ? 'KEY_NOT_FOUND' : 'KEY_EXPIRED', key);
    }
    return this.#decode(record) as V;
  }

  /** The values of those keys that have one, in the order of `keys`. */
  async getMany(keys: Iterable<CacheKey>): Promise<Map<CacheKey, V>> {
    const wanted = Array.from(keys, (key) => [key, engineKeyOf(key)] as const);
    const found = new Map<CacheKey, V>();
    await this.#records.encoded();
    for (let at = 0; at < wanted.length; at += GET_MANY_MAX) {
      const step = wanted.slice(at, at + GET_MANY_MAX);
      const records = await this.#records.engine.getMany(step.map(([, text]) => text));
      for (const [i, [key]] of step.entries()) {
        const record = records[i];
        if (record !== undefined && !hasExpired(record)) found.set(key, (await this.#decode(record)) as V);
      }
      if (at + GET_MANY_MAX < wanted.length) await nextTurn();
    }
    return found;
  }

  async has(key: CacheKey): Promise<boolean> {
    const record = await this.#own(key);
    return record !== undefined && !hasExpired(record);
  }

  /** Milliseconds that the value still has: Infinity for ever, undefined where there is none. */
  async ttl(key: CacheKey): Promise<number | undefined> {
    const record = await this.#own(key);
    return record === undefined || hasExpired(record) ? undefined : deadlineOf(record) - Date.now();
  }

  /** Settles when the value survives the end of the process; with `sync: true`, of the machine. */
  async set(key: CacheKey, value: V, options?: StoreSetOptions): Promise<void> {
    const text = engineKeyOf(key);
    const expiresAtMs = deadlineFor(options?.ttl);
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

  /** Many at once, in as few commits as the engine can. When it rejects, some of them may have been stored. */
  async setMany(
    entries: Iterable<readonly [CacheKey, V]> | Readonly<Record<string, V>>,
    options?: StoreSetOptions,
  ): Promise<void> {
    const expiresAtMs = deadlineFor(options?.ttl);
    const pairs = Symbol.iterator in entries ? (entries as Iterable<readonly [CacheKey, V]>) : Object.entries(entries);
    let batch: [string, Buffer][] = [];
    let bytes = 0;
    await this.#records.encoded();
    for (const [key, value] of pairs) {
      const text = engineKeyOf(key);
      const record = await this.#codec.encode(value, expiresAtMs);
      batch.push([text, record]);
      bytes += record.length;
      if (batch.length === BATCH_MAX || bytes >= BATCH_BYTES_MAX) {
        await this.#records.writeMany(batch, expiresAtMs);
        batch = [];
        bytes = 0;
        await nextTurn();
      }
    }
    await this.#records.writeMany(batch, expiresAtMs);
  }

  /** Whether there was an entry: one that has expired and was not cleaned up counts. */
  async delete(key: CacheKey): Promise<boolean> {
    return this.#records.delete(engineKeyOf(key));
  }

  /** How many of them there were. */
  async deleteMany(keys: Iterable<CacheKey>): Promise<number> {
    let count = 0;
    let asked = 0;
    for (const key of keys) {
      if (await this.delete(key)) count++;
      if (++asked % BATCH_MAX === 0) await nextTurn();
    }
    return count;
  }

  /** Gives a value a new time to live; null for ever. KEY_NOT_FOUND where there is none. */
  async expire(key: CacheKey, ttl: number | string | null): Promise<void> {
    const expiresAtMs = ttl === null ? EVER : deadlineFor(ttl);
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
   * stores nothing. Where another process was faster its value stands.
   */
  async getOrSet(key: CacheKey, factory: (key: CacheKey) => V | Promise<V>, options?: StoreSetOptions): Promise<V> {
    const record = await this.#own(key);
    if (record !== undefined && !hasExpired(record)) {
      return this.#decode(record) as V;
    }
    const text = engineKeyOf(key);
    let flight = this.#flights.get(text);
    if (flight === undefined) {
      flight = this.#compute(key, factory, options).finally(() => this.#flights.delete(text));
      this.#flights.set(text, flight);
    }
    return this.#decode(await flight) as V;
  }

  /** Takes a value out: of those who ask for it at the same time one gets it. */
  async pop(key: CacheKey): Promise<V | undefined> {
    const record = await this.#records.change(engineKeyOf(key), () => undefined);
    return record === undefined || hasExpired(record) ? undefined : (this.#decode(record) as V);
  }

  /** Takes some entry out; undefined for an empty store. */
  async popItem(): Promise<[CacheKey, V] | undefined> {
    for (let tries = 0; tries < POP_TRIES; tries++) {
      const [text] = await this.#records
        .live()
        .next()
        .then(({ value }) => value ?? []);
      if (text === undefined) {
        return undefined;
      }
      const record = await this.#records.change(text, () => undefined);
      if (record !== undefined && !hasExpired(record)) {
        return [keyOfEngineKey(text), (await this.#decode(record)) as V];
      }
    }
    throw new CacheError('BUSY', `Others empty the store ${this.config.name} faster than this call: try again`);
  }

  /** Removes everything, and says how many. Stores within this one stay. */
  async clear(): Promise<number> {
    await this.#records.encoded();
    return this.#records.engine.clear();
  }

  /** Entries, those with it that have expired but were not cleaned up. Its cost depends on the engine. */
  async size(): Promise<number> {
    await this.#records.encoded();
    return this.#records.engine.size();
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
    for await (const [, record] of this.#records.live()) yield (await this.#decode(record)) as V;
  }

  async *entries(): AsyncGenerator<[CacheKey, V]> {
    for await (const [text, record] of this.#records.live()) {
      yield [keyOfEngineKey(text), (await this.#decode(record)) as V];
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
    const stored = await this.#own(key);
    if (stored === undefined || hasExpired(stored)) {
      return [];
    }
    if (!this.config.appendMode) {
      if (options.withMetadata === true) {
        const expected = 'a store with `appendMode: true`, which knows when values were set';
        throw misuse('INVALID_CONFIG', expected, this.config.name, { option: 'withMetadata' });
      }
      return [(await this.#decode(stored)) as V];
    }
    const versions: Version<V>[] = [];
    for (const { storedAtMs, record } of versionsOf(stored)) {
      const value = (await this.#codec.decode(record)) as V;
      versions.push({ version: versions.length + 1, timestamp: storedAtMs, value });
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
    for await (const row of this.rows()) rows.push(row);
    return csvOf(rows);
  }

  /** A store within this one, with the same options. It is closed by itself. */
  async sub<W = V>(name: string): Promise<Store<W>> {
    return (await this.#parts.openSub(name)) as Store<W>;
  }

  /** Makes all that is acknowledged survive the machine's end, where the engine can. */
  async flush(): Promise<void> {
    await this.#records.encoded();
    await this.#records.engine.flush();
  }

  /** Gives back what removed and replaced entries take, where the engine keeps them. */
  async compact(): Promise<void> {
    await this.#records.encoded();
    await this.#records.engine.compact?.();
  }

  /** Reads everything, and tells what is wrong: a sentence for each thing, none for a store that is whole. */
  async *verify(): AsyncGenerator<string> {
    try {
      yield* this.#records.engine.verify?.() ?? [];
      for await (const [text, record] of this.#records.all()) {
        try {
          await this.#decode(record);
        } catch (error) {
          yield `The value of ${JSON.stringify(text)} cannot be read: ${(error as Error).message}`;
        }
      }
    } catch (error) {
      if (!(error instanceof CacheError && error.code === 'STORE_CORRUPT')) throw error;
      yield error.message;
    }
  }

  async facts(): Promise<StoreFacts> {
    return { ...(await this.#records.engine.facts()), ...this.config, entries: await this.size() };
  }

  toJSON(): StoreConfig {
    return this.config;
  }

  /** Finishes what was begun and gives everything back; later calls get STORE_CLOSED. Again does nothing. */
  close(): Promise<void> {
    return this.#records.close(this.#parts.afterClose);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A record in memory of its own, which is still good after a turn of others. */
  async #own(key: CacheKey): Promise<Uint8Array | undefined> {
    const answer = this.#records.read(engineKeyOf(key));
    return answer instanceof Promise || answer === undefined ? answer : Buffer.from(answer);
  }

  /** Answers whether there was a value. */
  async #setIf(
    key: CacheKey,
    value: V,
    options: StoreSetOptions | undefined,
    mayWrite: (isThere: boolean) => boolean,
  ): Promise<boolean> {
    const text = engineKeyOf(key);
    const expiresAtMs = deadlineFor(options?.ttl);
    const record = await this.#codec.encode(value, expiresAtMs);
    const before = await this.#records.change(text, (stored) => {
      const isThere = stored !== undefined && !hasExpired(stored);
      return mayWrite(isThere) ? this.#records.asStored(stored, record, expiresAtMs) : stored;
    });
    return before !== undefined && !hasExpired(before);
  }

  /** The record that stands in the end. */
  async #compute(
    key: CacheKey,
    factory: (key: CacheKey) => V | Promise<V>,
    options: StoreSetOptions | undefined,
  ): Promise<Uint8Array> {
    const value = await factory(key);
    const expiresAtMs = deadlineFor(options?.ttl);
    const record = await this.#codec.encode(value, expiresAtMs);
    let standing: Uint8Array = record;
    await this.#records.change(engineKeyOf(key), (stored) => {
      const isThere = stored !== undefined && !hasExpired(stored);
      standing = isThere ? Buffer.from(stored) : this.#records.asStored(stored, record, expiresAtMs);
      return isThere ? stored : standing;
    });
    return standing;
  }

  #decode(stored: Uint8Array): Answer<unknown> {
    return this.#codec.decode(this.#records.lastOf(stored));
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
