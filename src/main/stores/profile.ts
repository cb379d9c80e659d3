/**
 * How fast is which engine, with which encoding, on this machine? Every combination of what is asked for is opened as a store
 * in a folder of its own, measured and removed.
 *
 *     for each combination   open -> warm up -> iterations x { encode key .. read } -> clear -> close
 *
 * An operation is measured over a batch of different entries, since one alone is shorter than what the clock can tell; its
 * time is the batch's divided by their number. Reads come right after the writes, so they find what the system has in
 * memory: what is measured is the engine, not the disk. One thread calls, one call at a time.
 *
 * What is known and not there (a peer that nobody installed, a server that does not answer) is no failure of a profile: its
 * rows say so.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { CacheKey } from '../../protocol/cache-key.ts';
import { engineKeyOf, keyOfEngineKey } from '../../protocol/engine-key.ts';
import { attempt } from '../../protocol/engines/faults.ts';
import { openRecordCodec } from '../codec/encoding.ts';
import type { RecordCodec } from '../codec/record-codec.ts';
import { openStore } from './open.ts';
import { type Combination, type ProfileOptions, type ProfilePlan, resolveProfile } from './profile-options.ts';
import { Profile, type ProfileOperation, type ProfileRow } from './profile-table.ts';
import { madeValue } from './profile-values.ts';
import type { Store } from './store.ts';

export type { ProfileOptions } from './profile-options.ts';

/** Entries of a batch: as many as have so many bytes together, within these bounds. */
const BATCH_MAX = 100;
const BATCH_MIN = 3;
const BATCH_BYTES = 2 * 1024 * 1024;
const SEED = 20_240_601;
/** Until the compiler has done its work: without it the first one that is measured takes thirty times as long as the last. */
const WARM_UP_SECONDS = 0.02;
const WARM_UPS_MAX = 200;
const CLOCK_MS = 0.001;
const FOR_EVER = Number.POSITIVE_INFINITY;
const ROOT_PREFIX = 'shardstash-profile-';

/** What is measured with: entries, and what they become on the way. */
interface Batch {
  readonly keys: readonly CacheKey[];
  readonly texts: readonly string[];
  readonly values: readonly unknown[];
  readonly keyBytes: number;
  readonly valueBytes: number;
}

/**
 * Measures engines and encodings against each other.
 *
 * ```ts
 * const table = await profile({ engine: ['file', 'memory'], compression: [false, 'zlib'], size: [1_000] });
 * console.log(table.toText());
 * ```
 * Rejects with INVALID_CONFIG for options that are none or make more than 1,000 combinations, UNKNOWN_PLUGIN for names that
 * nobody knows, ENGINE_ERROR where `root` is not there or cannot be written to, and the reason of the signal. An engine or
 * compression that fails becomes rows with `error`.
 */
export async function profile(options: ProfileOptions = {}): Promise<Profile> {
  const plan = await resolveProfile(options);
  plan.signal?.throwIfAborted();
  const base = plan.root ?? tmpdir();
  const root = attempt('make a folder to measure in', base, () => mkdtempSync(join(base, ROOT_PREFIX)));
  try {
    const rows: ProfileRow[] = [];
    for (const [done, combination] of plan.combinations.entries()) {
      plan.onProgress(done, plan.combinations.length);
      await measure(combination, plan, root, rows);
    }
    plan.onProgress(plan.combinations.length, plan.combinations.length);
    return new Profile(rows);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Adds the rows of one combination. */
async function measure(combination: Combination, plan: ProfilePlan, root: string, rows: ProfileRow[]): Promise<void> {
  const batch = batchOf(combination);
  const table = new Rows(combination, batch, plan, rows);
  await table.measureKeys();
  const { serializer, compression, base64, engine, engineName } = combination;
  const codec = await table.unlessMissing(['encode value', 'decode value', 'write', 'read'], () =>
    openRecordCodec({ serializer, compression, base64 }),
  );
  if (codec === undefined) {
    return;
  }
  await table.measureValues(codec);
  await table.unlessMissing(['write', 'read'], async () => {
    const where = engineName === 'redis' ? { url: plan.url } : {};
    const store = await openStore.tmp({ root, engine, serializer, compression, base64, ...where });
    try {
      await table.measureStore(store);
    } finally {
      await store.close();
    }
  });
}

/** The rows of one combination, as they are measured. */
class Rows {
  readonly #combination: Combination;
  readonly #batch: Batch;
  readonly #plan: ProfilePlan;
  readonly #rows: ProfileRow[];
  #recordBytes = 0;

  constructor(combination: Combination, batch: Batch, plan: ProfilePlan, rows: ProfileRow[]) {
    this.#combination = combination;
    this.#batch = batch;
    this.#plan = plan;
    this.#rows = rows;
  }

  async measureKeys(): Promise<void> {
    const { keys, texts, keyBytes } = this.#batch;
    const stored = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / texts.length;
    await this.#measure('encode key', keyBytes, stored, (i) => engineKeyOf(keys[i]));
    await this.#measure('decode key', keyBytes, stored, (i) => keyOfEngineKey(texts[i] as string));
  }

  async measureValues(codec: RecordCodec): Promise<void> {
    await this.unlessMissing(['encode value', 'decode value'], async () => {
      const { values, valueBytes } = this.#batch;
      const records: Buffer[] = [];
      for (const value of values) records.push(await codec.encode(value, FOR_EVER));
      this.#recordBytes = records.reduce((sum, { length }) => sum + length, 0) / records.length;
      await this.#measure('encode value', valueBytes, this.#recordBytes, (i) => codec.encode(values[i], FOR_EVER));
      await this.#measure('decode value', valueBytes, this.#recordBytes, (i) => codec.decode(records[i] as Buffer));
    });
  }

  async measureStore(store: Store): Promise<void> {
    const { keys, values, valueBytes } = this.#batch;
    const [key, bytes] = [(i: number) => keys[i] as CacheKey, this.#recordBytes];
    await this.#measure('write', valueBytes, bytes, (i) => store.set(key(i), values[i]));
    await this.#measure('read', valueBytes, bytes, (i) => store.get(key(i)));
  }

  /**
   * What `step` resolves to; undefined where it fails, and then rows say why: for those of `operations` that were not measured,
   * or for the last where all were.
   */
  async unlessMissing<T>(operations: readonly ProfileOperation[], step: () => Promise<T>): Promise<T | undefined> {
    const before = this.#rows.length;
    try {
      return await step();
    } catch (cause) {
      this.#plan.signal?.throwIfAborted();
      const error = cause instanceof Error ? cause.message : String(cause);
      const measured = new Set(this.#rows.slice(before).map(({ operation }) => operation));
      const left = operations.filter((operation) => !measured.has(operation));
      for (const operation of left.length > 0 ? left : operations.slice(-1)) {
        this.#rows.push({ ...this.#named(operation), iteration: 0, error });
      }
      return undefined;
    }
  }

  /** Adds a row for each iteration. */
  async #measure(
    operation: ProfileOperation,
    rawSize: number,
    storedSize: number,
    run: (index: number) => unknown,
  ): Promise<void> {
    const measured: ProfileRow[] = [];
    let warmedUp = 0;
    for (let round = 0; round < WARM_UPS_MAX && warmedUp < WARM_UP_SECONDS; round++) {
      warmedUp += await this.#timed(run);
    }
    for (let iteration = 1; iteration <= this.#plan.iterations; iteration++) {
      const time = (await this.#timed(run)) / this.#batch.keys.length;
      const speed = { time, rate: 1 / time, mbPerSecond: rawSize / time / 1e6 };
      measured.push({
        ...this.#named(operation),
        ...{ rawSize, storedSize, ratio: storedSize / rawSize },
        ...{ iteration, ...speed },
      });
    }
    this.#rows.push(...measured);
  }

  /** The seconds of a batch. A signal, and whoever draws the progress, has a turn before each. */
  async #timed(run: (index: number) => unknown): Promise<number> {
    await turn();
    this.#plan.signal?.throwIfAborted();
    const { length } = this.#batch.keys;
    const startedMs = performance.now();
    for (let i = 0; i < length; i++) {
      const answer = run(i);
      // Most are no promise, and to wait for one that is none takes a tenth of a microsecond.
      if (answer instanceof Promise) await answer;
    }
    // A clock that is too coarse for it would make an endless rate.
    return Math.max(performance.now() - startedMs, CLOCK_MS) / 1_000;
  }

  #named(operation: ProfileOperation) {
    const { engineName, compression, base64, serializerName, size } = this.#combination;
    const encoding =
      [...(compression === false ? [] : [compression]), ...(base64 ? ['base64'] : [])].join('+') || 'plain';
    return { engine: engineName, encoding, serializer: serializerName, operation, size };
  }
}

/** Keys are lists, as those of calls with arguments are. The serializer 'raw' takes bytes: the value's JSON. */
function batchOf({ size, serializerName }: Combination): Batch {
  const count = Math.min(BATCH_MAX, Math.max(BATCH_MIN, Math.floor(BATCH_BYTES / size)));
  const keys = Array.from({ length: count }, (_, i): CacheKey => ['user', i, { page: i % 7 }]);
  const made = Array.from({ length: count }, (_, i) => madeValue(size, SEED + i));
  const mean = (lengths: readonly number[]) => lengths.reduce((sum, length) => sum + length, 0) / count;
  return {
    keys,
    texts: keys.map(engineKeyOf),
    values: made.map(({ value, bytes }) => (serializerName === 'raw' ? bytes : value)),
    keyBytes: mean(keys.map((key) => Buffer.byteLength(JSON.stringify(key)))),
    valueBytes: mean(made.map(({ bytes }) => bytes.length)),
  };
}
