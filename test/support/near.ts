/**
 * Two threads write and delete, owners die, and this thread reads through a near cache: is any value older than what had been
 * acknowledged before the read began, newer than what had been begun when it ended, torn, or another key's? Runs on the built
 * package: Node cannot start a thread from TypeScript. Nothing is evicted and nothing expires.
 */
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Cache, type NearCacheOptions, openCache } from 'shardstash';
import { crashShard } from 'shardstash/testing';
import { packageRoot } from './package-root.ts';
import type { Random } from './random.ts';

export interface NearReport {
  readonly reads: number;
  /** Answered with what was kept. */
  readonly kept: number;
  readonly writes: number;
  readonly unknown: number;
  readonly crashes: number;
  /** Reads that a shard which had just died kept from an answer. */
  readonly busy: number;
  /** The first few. */
  readonly faults: string[];
  readonly faultCount: number;
}

interface Value {
  readonly key: number;
  readonly version: number;
  readonly list: readonly [number, { readonly version: number }];
}

const WRITERS = 2;
const SHARDS = 2;
const KEYS = 2_000;
/** Reads between two turns of the event loop. */
const RUN = 500;
const AWAITED_ONE_IN = 20;
const FAULTS_MAX = 10;
/** Soon, so that a short run sees one, too. */
const FIRST_CRASH_MS = 50;
/** Between two deaths, at least: an owner that dies young is replaced later each time. */
const CRASH_EVERY_MS = 300;

export async function runNear(reads: number, nearCache: NearCacheOptions, random: Random): Promise<NearReport> {
  const cache = await openCache<Value>({
    shards: SHARDS,
    nearCache: { maxEntries: KEYS / 2, ...nearCache },
    crashBudget: Number.POSITIVE_INFINITY,
  });
  const versions = new SharedArrayBuffer(KEYS * 8);
  const writers = Array.from({ length: WRITERS }, (_, first) =>
    startWriter(cache, first, versions, random.below(2 ** 31)),
  );
  const reader = new NearReader(cache, versions, random);
  try {
    await Promise.all(writers.map((writer) => once(writer, 'message')));
    const crashes = await reader.run(reads);
    const counts = await Promise.all(writers.map(stopWriter));
    const { busy, faults, faultCount } = reader;
    const { nearHits: kept } = await cache.metrics();
    const writes = counts.reduce((sum, each) => sum + each.writes, 0);
    const unknown = counts.reduce((sum, each) => sum + each.unknown, 0);
    return { reads, kept, busy, faults, faultCount, writes, unknown, crashes };
  } finally {
    await Promise.all(writers.map((writer) => writer.terminate()));
    await cache.close();
  }
}

function startWriter(cache: Cache<Value>, first: number, versions: SharedArrayBuffer, seed: number): Worker {
  const handle = cache.handle();
  return new Worker(new URL('test/support/near-writer.mjs', packageRoot()), {
    execArgv: [],
    workerData: { handle, first, step: WRITERS, keys: KEYS, seed, versions },
    transferList: handle.transfer,
  });
}

async function stopWriter(writer: Worker): Promise<{ readonly writes: number; readonly unknown: number }> {
  const report = once(writer, 'message');
  writer.postMessage('stop');
  const [counts] = await report;
  return counts;
}

class NearReader {
  /** Reads that a shard which had just died kept from an answer. */
  busy = 0;
  faultCount = 0;
  readonly faults: string[] = [];
  readonly #cache: Cache<Value>;
  readonly #started: Int32Array;
  readonly #settled: Int32Array;
  readonly #random: Random;
  #crash: Promise<void> | undefined;

  constructor(cache: Cache<Value>, versions: SharedArrayBuffer, random: Random) {
    this.#cache = cache;
    this.#started = new Int32Array(versions, 0, KEYS);
    this.#settled = new Int32Array(versions, KEYS * 4, KEYS);
    this.#random = random;
  }

  /** How many owners were ended meanwhile. */
  async run(reads: number): Promise<number> {
    let crashes = 0;
    let crashAtMs = performance.now() + FIRST_CRASH_MS;
    for (let done = 0; done < reads; done++) {
      if (done % AWAITED_ONE_IN === 0) await this.#get();
      else this.#getSync();
      if (done % RUN !== 0) {
        continue;
      }
      await turn();
      if (performance.now() > crashAtMs && this.#crash === undefined) {
        crashAtMs = performance.now() + CRASH_EVERY_MS + this.#random.below(CRASH_EVERY_MS);
        crashes++;
        this.#crash = this.#end(this.#random.below(SHARDS));
      }
    }
    await this.#crash;
    return crashes;
  }

  async #end(shard: number): Promise<void> {
    await crashShard(this.#cache as Cache, shard);
    this.#crash = undefined;
  }

  #getSync(): void {
    const key = this.#key();
    const settled = Atomics.load(this.#settled, key);
    try {
      this.#judge(key, settled, this.#cache.getSync(`key ${key}`));
    } catch (error) {
      if ((error as { code?: string }).code !== 'BUSY') throw error;
      this.busy++;
    }
  }

  async #get(): Promise<void> {
    const key = this.#key();
    const settled = Atomics.load(this.#settled, key);
    this.#judge(key, settled, await this.#cache.get(`key ${key}`));
  }

  /** Low ones more often. */
  #key(): number {
    const fraction = this.#random.fraction();
    return Math.floor(fraction * fraction * KEYS);
  }

  #judge(key: number, settled: number, value: Value | undefined): void {
    const started = Atomics.load(this.#started, key);
    if (value === undefined) {
      if (settled % 2 === 1 && started === settled) {
        this.#fault(`key ${key} is not there, and has version ${settled}`);
      }
      return;
    }
    const { version, list } = value;
    if (value.key !== key || list[0] !== version || list[1].version !== version) {
      this.#fault(`key ${key} has a foreign or torn value: ${JSON.stringify(value)}`);
    } else if (version < settled || version > started) {
      this.#fault(`key ${key} has version ${version}, where ${settled} to ${started} may be`);
    }
  }

  #fault(what: string): void {
    if (++this.faultCount <= FAULTS_MAX) {
      this.faults.push(what);
    }
  }
}
