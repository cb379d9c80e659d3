/**
 * One thread of a load, on a Piscina pool: attaches to the cache, and calls it, one call at a time, until its share is
 * done. It knows of every value that it reads whether it is one, and of which key.
 *
 * What is measured is the cache and not this file. Keys are drawn and built before; a get that hits costs one await, a look
 * at the value, and a counter. A clock costs 0.06 us a look, which is nothing beside a set and a third of a get: so
 * sets are all timed, and of gets one in READS_PER_SAMPLE.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { attachCache, type Cache, type CacheHandle } from '../index.ts';
import { Latencies } from './latencies.ts';
import { LoadControl } from './load-control.ts';
import { type DrawOptions, type Draws, drawnFor } from './load-draws.ts';
import { faultOf, isWhole, makeValue } from './load-values.ts';

export interface LoadTask extends DrawOptions {
  readonly handle: CacheHandle;
  readonly control: SharedArrayBuffer;
  readonly threads: number;
  readonly valueLength: number;
  /** From one call that is due to the next; 0: each as soon as the one before is done. */
  readonly intervalMs: number;
  readonly sync: boolean;
}

export interface LatencyCounts {
  readonly counts: Float64Array;
  readonly maxMs: number;
}

export interface ErrorCount {
  readonly count: number;
  /** Of the first. */
  readonly message: string;
}

/** What a thread has done. Times are of the clock that all threads share. */
export interface LoadShare {
  readonly thread: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly reads: number;
  readonly writes: number;
  /** Writes that followed a miss, of a call that was a get. */
  readonly fills: number;
  readonly hits: number;
  readonly misses: number;
  readonly readLatency: LatencyCounts;
  readonly writeLatency: LatencyCounts;
  /** By code. */
  readonly errors: Readonly<Record<string, ErrorCount>>;
  readonly wrongValues: number;
  /** The first of them, as sentences. */
  readonly wrongTold: readonly string[];
  /** How late the latest call was begun that was due; 0 without a schedule. */
  readonly behindMs: number;
  /** What a sample of a latency includes that is the clock's own. */
  readonly clockMs: number;
}

/** Gets between two that are timed, where none has to be. */
export const READS_PER_SAMPLE = 16;
/** Calls between two turns of the event loop, which else would never turn: gets are answered in this thread. */
const CALLS_PER_TURN = 512;
/** Of a schedule that leaves room, the event loop turns this often. */
const TURN_MS = 1;
const TOLD_MAX = 3;
const CLOCK_LOOKS = 1_001;
/** After these the cache answers nothing any more. */
const FINAL = ['CACHE_CLOSED'];

/** The pool's task. */
export default async function driveShare(task: LoadTask): Promise<LoadShare> {
  const cache = await attachCache<string, string>(task.handle);
  try {
    const client = new LoadClient(cache, task, drawnFor(task));
    return await client.run();
  } finally {
    await cache.close();
  }
}

export class LoadClient {
  readonly #cache: Cache<string, string>;
  readonly #task: LoadTask;
  readonly #draws: Draws;
  readonly #control: LoadControl;
  readonly #reads = new Latencies();
  readonly #writes = new Latencies();
  readonly #errors = new Map<string, { count: number; message: string }>();
  readonly #wrongTold: string[] = [];
  #wrongValues = 0;
  #readCount = 0;
  #writeCount = 0;
  #hits = 0;
  #misses = 0;
  #fills = 0;
  /** Of the first call that is due. */
  #firstMs = 0;
  /** When this thread last slept until a call was due: how late it woke up is no fault of the cache. */
  #wokeMs = 0;
  #behindMs = 0;
  #isOver = false;

  constructor(cache: Cache<string, string>, task: LoadTask, draws: Draws) {
    this.#cache = cache;
    this.#task = task;
    this.#draws = draws;
    this.#control = new LoadControl(task.threads, task.control);
  }

  async run(): Promise<LoadShare> {
    const { thread, threads, operations, intervalMs } = this.#task;
    const callsPerTurn = Math.max(1, Math.min(CALLS_PER_TURN, Math.floor(TURN_MS / intervalMs)));
    const clockMs = clockCost();
    await this.#control.whenBegun();
    const startedMs = performance.now();
    // One thread after the other: calls that are all due at once would wait for each other.
    this.#firstMs = startedMs + (thread / threads) * intervalMs;
    for (let done = 0; done < operations && !this.#isOver && !this.#control.isStopped; ) {
      const until = Math.min(operations, done + callsPerTurn);
      await this.#calls(done, until);
      done = until;
      this.#control.tell(thread, done);
      await turn();
    }
    return this.#share(startedMs, performance.now(), clockMs);
  }

  /** The loop that is measured. */
  async #calls(from: number, until: number): Promise<void> {
    const { intervalMs, sync, valueLength } = this.#task;
    const { ids, keys } = this.#draws;
    const cache = this.#cache;
    let at = from % ids.length;
    for (let call = from; call < until && !this.#isOver; call++) {
      const dueMs = intervalMs === 0 ? 0 : this.#whenDue(call);
      const id = ids[at] as number;
      const key = keys[at] as string;
      at = at + 1 === ids.length ? 0 : at + 1;
      if (id < 0) {
        await this.#write(~id, key, dueMs);
        continue;
      }
      const isTimed = dueMs !== 0 || this.#readCount % READS_PER_SAMPLE === READS_PER_SAMPLE - 1;
      this.#readCount++;
      const startMs = dueMs === 0 && isTimed ? performance.now() : dueMs;
      let value: string | undefined;
      try {
        value = sync ? cache.getSync(key) : await cache.get(key);
      } catch (error) {
        this.#countError(error);
        continue;
      }
      if (isTimed) {
        this.#reads.record(performance.now() - startMs);
      }
      if (value === undefined) {
        this.#misses++;
        this.#fills++;
        await this.#write(id, key, 0);
      } else {
        this.#hits++;
        if (!isWhole(value, id, valueLength)) this.#countWrong(key, value, id);
      }
    }
  }

  async #write(id: number, key: string, dueMs: number): Promise<void> {
    const { thread, threads, valueLength } = this.#task;
    const version = this.#writeCount++ * (threads + 1) + thread;
    const value = makeValue(id, version, valueLength);
    const startMs = dueMs === 0 ? performance.now() : dueMs;
    try {
      await this.#cache.set(key, value);
    } catch (error) {
      this.#countError(error);
      return;
    }
    this.#writes.record(performance.now() - startMs);
  }

  /**
   * Waits until a call is due, and says from when its latency counts. One that is late because those before took long
   * counts from when it was due, or what delays a hundred calls would show as one slow one (coordinated omission, Tene).
   */
  #whenDue(call: number): number {
    const dueMs = this.#firstMs + call * this.#task.intervalMs;
    const nowMs = performance.now();
    if (nowMs < dueMs) {
      this.#control.sleepUntil(dueMs);
      this.#wokeMs = performance.now();
      return this.#wokeMs;
    }
    this.#behindMs = Math.max(this.#behindMs, nowMs - Math.max(dueMs, this.#wokeMs));
    return Math.max(dueMs, this.#wokeMs);
  }

  #countError(error: unknown): void {
    const { code, name = 'Error', message = String(error) } = (error ?? {}) as { code?: unknown } & Partial<Error>;
    const kind = typeof code === 'string' ? code : name;
    const counted = this.#errors.get(kind) ?? { count: 0, message };
    counted.count++;
    this.#errors.set(kind, counted);
    this.#isOver ||= FINAL.includes(kind);
  }

  #countWrong(key: string, value: unknown, id: number): void {
    this.#wrongValues++;
    if (this.#wrongTold.length < TOLD_MAX) {
      this.#wrongTold.push(`The value of '${key}' ${faultOf(value, id, this.#task.valueLength)}`);
    }
  }

  #share(startedMs: number, endedMs: number, clockMs: number): LoadShare {
    return {
      ...{ thread: this.#task.thread, startedMs, endedMs, clockMs, behindMs: this.#behindMs },
      reads: this.#readCount,
      writes: this.#writeCount,
      hits: this.#hits,
      misses: this.#misses,
      fills: this.#fills,
      readLatency: { counts: this.#reads.counts, maxMs: this.#reads.maxMs },
      writeLatency: { counts: this.#writes.counts, maxMs: this.#writes.maxMs },
      errors: Object.fromEntries(this.#errors),
      wrongValues: this.#wrongValues,
      wrongTold: this.#wrongTold,
    };
  }
}

/** The median of what lies between two looks at the clock. */
function clockCost(): number {
  const looks = new Float64Array(CLOCK_LOOKS);
  for (let i = 0; i < looks.length; i++) {
    const startMs = performance.now();
    looks[i] = performance.now() - startMs;
  }
  return looks.sort()[CLOCK_LOOKS >> 1] as number;
}
