/**
 * The records of a store, in order: between the typed methods of store.ts, which may have to wait for a value to be compressed in
 * another thread, and the engine, which takes calls on one key in the order in which they come.
 *
 *     set('k', large)   encoding ............ engine.set
 *     get('k')          waits for it ......... engine.get        what is not encoded elsewhere does not wait
 *
 * In append mode every record that is written becomes one more version of the key's (versions.ts).
 */
import type { Answer, Engine } from '../../protocol/engines/engine.ts';
import { KeyTurns } from '../../protocol/engines/key-turns.ts';
import { CacheError } from '../../protocol/errors.ts';
import { hasExpired } from './deadline.ts';
import { Slice } from './slice.ts';
import { versionsOf, withVersion } from './versions.ts';

/** Records that are read, or appended, at once: a page of keys may stand for gigabytes, and each append for an open file. */
const RECORDS_PER_STEP = 64;

type Entry = readonly [text: string, record: Uint8Array];
/** What a key's record becomes: undefined for none, the same object for no change. */
type Change = (stored: Uint8Array | undefined) => Uint8Array | undefined;

export class Records {
  readonly #engine: Engine;
  readonly #name: string;
  readonly #appends: boolean;
  /** Values that are being encoded, and what came after them on the same keys. */
  readonly #turns = new KeyTurns();
  #closing: Promise<void> | undefined;

  constructor(engine: Engine, name: string, appends: boolean) {
    this.#engine = engine;
    this.#name = name;
    this.#appends = appends;
  }

  /** As it is stored: perhaps expired. Good until the next call when it comes at once. */
  read(text: string): Answer<Uint8Array | undefined> {
    const engine = this.#open();
    return this.#turns.isFree(text) ? engine.get(text) : this.#turns.run(text, () => ownCopy(engine.get(text)));
  }

  /** The same in memory of its own, which is still good after a turn of others. */
  async readOwn(text: string): Promise<Uint8Array | undefined> {
    return ownCopy(this.read(text));
  }

  async readMany(texts: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const engine = this.#open();
    return texts.every((text) => this.#turns.isFree(text))
      ? engine.getMany(texts)
      : Promise.all(texts.map((text) => this.readOwn(text)));
  }

  write(text: string, record: Buffer | Promise<Buffer>, expiresAtMs: number): Answer<void> {
    if (!(record instanceof Promise)) {
      return this.#call(text, (engine) => this.#write(engine, text, record, expiresAtMs));
    }
    return this.#later(text, record, async (engine) => this.#write(engine, text, await record, expiresAtMs));
  }

  async writeMany(batch: readonly (readonly [string, Buffer])[], expiresAtMs: number): Promise<void> {
    const engine = this.#open();
    if (this.#appends) {
      for (let at = 0; at < batch.length; at += RECORDS_PER_STEP) {
        const step = batch.slice(at, at + RECORDS_PER_STEP);
        await Promise.all(step.map(async ([text, record]) => this.write(text, record, expiresAtMs)));
      }
    } else if (batch.every(([text]) => this.#turns.isFree(text))) {
      await engine.setMany(batch);
    } else {
      await this.#turns.runAlone(async () => engine.setMany(batch));
    }
  }

  delete(text: string): Answer<boolean> {
    return this.#call(text, (engine) => engine.delete(text));
  }

  /** Replaces a record by what `change` makes of it; answers what there was, in memory of its own. */
  async change(text: string, change: Change): Promise<Uint8Array | undefined> {
    let found: Buffer | undefined;
    await this.#call(text, (engine) =>
      engine.update(text, (record) => {
        found = record === undefined ? undefined : Buffer.from(record);
        return change(record);
      }),
    );
    return found;
  }

  /** The same with a record that may still be on its way: what comes after it on the key waits with it. */
  async changeTo(
    text: string,
    record: Buffer | Promise<Buffer>,
    change: (stored: Uint8Array | undefined, record: Buffer) => Uint8Array | undefined,
  ): Promise<Uint8Array | undefined> {
    if (!(record instanceof Promise)) {
      return this.change(text, (stored) => change(stored, record));
    }
    let found: Buffer | undefined;
    await this.#later(text, record, async (engine) => {
      const encoded = await record;
      await engine.update(text, (stored) => {
        found = stored === undefined ? undefined : Buffer.from(stored);
        return change(stored, encoded);
      });
    });
    return found;
  }

  /** What a record looks like where it is the value of a key. Versions that have expired are gone. */
  asStored(before: Uint8Array | undefined, record: Buffer, expiresAtMs: number): Buffer {
    if (!this.#appends) {
      return record;
    }
    return withVersion(
      before === undefined || hasExpired(before) ? undefined : before,
      record,
      expiresAtMs,
      Date.now(),
    );
  }

  /** The record that has the value: in append mode the last version. */
  lastOf(stored: Uint8Array): Uint8Array {
    return this.#appends ? (versionsOf(stored).at(-1)?.record as Uint8Array) : stored;
  }

  clear(): Answer<number> {
    const engine = this.#open();
    return this.#turns.isIdle ? engine.clear() : this.#turns.runAlone(async () => engine.clear());
  }

  /** A call that is about no key, after all that came before it. */
  whole<T>(step: (engine: Engine) => Answer<T>): Answer<T> {
    const engine = this.#open();
    return this.#turns.isIdle ? step(engine) : this.#turns.idle().then(() => step(engine));
  }

  /** Pages of the keys of everything, expired ones, too. */
  async *pages(): AsyncGenerator<readonly string[]> {
    const engine = this.#open();
    await this.#turns.idle();
    yield* engine.keys();
  }

  /** Everything, expired ones, too, in steps that memory can hold. */
  async *all(): AsyncGenerator<Entry> {
    const slice = new Slice();
    for await (const page of this.pages()) {
      for (let at = 0; at < page.length; at += RECORDS_PER_STEP) {
        const step = page.slice(at, at + RECORDS_PER_STEP);
        const records = await this.#open().getMany(step);
        for (const [i, record] of records.entries()) {
          if (record !== undefined) yield [step[i] as string, record];
          if (slice.isOver) await slice.rest();
        }
      }
    }
  }

  async *live(): AsyncGenerator<Entry> {
    for await (const entry of this.all()) {
      if (!hasExpired(entry[1])) yield entry;
    }
  }

  /** What was begun is finished; what comes later gets STORE_CLOSED. */
  close(closeEngine: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#turns.idle().then(closeEngine);
    return this.#closing;
  }

  /** Throws STORE_CLOSED. */
  #open(): Engine {
    if (this.#closing !== undefined) {
      throw new CacheError('STORE_CLOSED', `The store ${this.#name} is closed: open it again`);
    }
    return this.#engine;
  }

  #call<T>(text: string, step: (engine: Engine) => Answer<T>): Answer<T> {
    const engine = this.#open();
    return this.#turns.isFree(text) ? step(engine) : this.#turns.run(text, () => step(engine));
  }

  #later<T>(text: string, record: Promise<Buffer>, step: (engine: Engine) => Promise<T>): Answer<T> {
    // Its failure is told by the step, which may have to wait for its turn, or never come.
    record.catch(ignore);
    const engine = this.#open();
    return this.#turns.run(text, () => step(engine));
  }

  #write(engine: Engine, text: string, record: Buffer, expiresAtMs: number): Answer<void> {
    return this.#appends
      ? engine.update(text, (before) => this.asStored(before, record, expiresAtMs))
      : engine.set(text, record);
  }
}

/** What an engine answers at once is good until the next call, and a promise may be looked at after it. */
function ownCopy(answer: Answer<Uint8Array | undefined>): Answer<Uint8Array | undefined> {
  return answer instanceof Promise || answer === undefined ? answer : Buffer.from(answer);
}

function ignore(): void {}
