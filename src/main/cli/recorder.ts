/**
 * The pool's side of an advice: reads the requests once and records them as columns of numbers in shared memory, which the
 * threads of the simulation read from there.
 *
 * Twenty bytes a request at most, and the number of a key once, however long the keys are: memory is bounded by REQUESTS_MAX
 * and by how many keys can be numbered.
 */
import type { MessagePort } from 'node:worker_threads';
import { entryBytes, REQUESTS_MAX, type SimulatedRequests } from '../simulation.ts';
import { type BadLine, BadLines, type TraceFault } from './bad-lines.ts';
import { UNSET } from './batch.ts';
import { SHARD_BYTES_MAX } from './capacities.ts';
import { EXIT_FAILED } from './command.ts';
import { KeyNumbers } from './key-numbers.ts';
import { type Origin, originFault, originName, readOrigin } from './origin.ts';
import type { TraceSink } from './trace.ts';

const ROWS_FIRST = 2 ** 16;
/** How often the other side hears how far it is. */
const TELL_INTERVAL_MS = 100;

export interface RecorderTask {
  readonly port: MessagePort;
  readonly origin: Origin;
  readonly limit: number;
  readonly strict: boolean;
  /** Bytes of a value whose request names no size. */
  readonly valueBytes: number;
  /** Whether to record what each request would take, and how long it would live. */
  readonly sized: boolean;
  readonly timed: boolean;
}

export type RecorderMessage =
  | { readonly kind: 'bad line'; readonly bad: BadLine }
  | { readonly kind: 'progress'; readonly requests: number };

export interface Recording {
  readonly requests: SimulatedRequests;
  /** What all keys would take together, each as it was first requested, but for those that no shard can hold. */
  readonly footprintBytes: number;
  /** What the smallest would take; Infinity where there is none. */
  readonly leastBytes: number;
  /** Whether there was more than could be recorded. */
  readonly isCut: boolean;
  readonly badLines: number;
  readonly fault: TraceFault | undefined;
}

/** The pool's task. */
export default async function record(task: RecorderTask): Promise<Recording> {
  const { port, origin } = task;
  const recorder = new Recorder(task);
  let fault: TraceFault | undefined;
  try {
    await readOrigin(origin, recorder, () => recorder.settled());
    recorder.badLines.judge(originName(origin), recorder.count);
  } catch (error) {
    fault = { message: originFault(origin, error), exitCode: EXIT_FAILED };
  } finally {
    port.close();
  }
  return recorder.recording(fault);
}

class Recorder implements TraceSink {
  readonly badLines: BadLines;
  readonly #task: RecorderTask;
  readonly #keys = new KeyNumbers();
  #ids = new Int32Array(new SharedArrayBuffer(ROWS_FIRST * 4));
  #sizes: Float64Array<SharedArrayBuffer> | undefined;
  #ttls: Float64Array<SharedArrayBuffer> | undefined;
  #footprintBytes = 0;
  #leastBytes = Number.POSITIVE_INFINITY;
  #hasTtls = false;
  #isCut = false;
  #toldMs = performance.now();
  count = 0;

  constructor(task: RecorderTask) {
    this.#task = task;
    this.badLines = new BadLines(task.strict, (bad) => this.#post({ kind: 'bad line', bad }));
    this.#sizes = task.sized ? floats(ROWS_FIRST) : undefined;
    this.#ttls = task.timed ? floats(ROWS_FIRST) : undefined;
  }

  request(bytes: Buffer, keyStart: number, keyEnd: number, size: number, ttlSeconds: number): boolean {
    if (this.count === REQUESTS_MAX || this.#keys.isFull) {
      this.#isCut = true;
      return false;
    }
    if (this.count === this.#ids.length) {
      this.#grow();
    }
    const known = this.#keys.count;
    const id = this.#keys.numberOf(bytes, keyStart, keyEnd);
    const valueBytes = size === UNSET ? this.#task.valueBytes : size;
    // A trace may name the largest size that a number can hold exactly, and an entry takes more.
    const exact = entryBytes(keyEnd - keyStart, valueBytes, ttlSeconds !== UNSET);
    const weight = Math.min(exact, Number.MAX_SAFE_INTEGER);
    if (id === known && weight <= SHARD_BYTES_MAX) {
      this.#footprintBytes += weight;
    }
    this.#leastBytes = Math.min(this.#leastBytes, weight);
    this.#hasTtls ||= ttlSeconds !== UNSET;
    this.#ids[this.count] = id;
    if (this.#sizes !== undefined) {
      this.#sizes[this.count] = weight;
    }
    if (this.#ttls !== undefined) {
      this.#ttls[this.count] = ttlSeconds === UNSET ? Number.NaN : ttlSeconds;
    }
    this.count++;
    return this.count < this.#task.limit;
  }

  badLine(line: number, reason: string, text: string): boolean {
    return this.badLines.add(line, reason, text);
  }

  async settled(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#toldMs >= TELL_INTERVAL_MS) {
      this.#toldMs = nowMs;
      this.#post({ kind: 'progress', requests: this.count });
    }
  }

  recording(fault: TraceFault | undefined): Recording {
    return {
      requests: {
        ids: this.#ids.subarray(0, this.count),
        keys: this.#keys.count,
        sizes: this.#sizes?.subarray(0, this.count),
        // Where nothing expires there is no clock to set.
        ttls: this.#hasTtls ? this.#ttls?.subarray(0, this.count) : undefined,
      },
      footprintBytes: this.#footprintBytes,
      leastBytes: this.#leastBytes,
      isCut: this.#isCut,
      badLines: this.badLines.count,
      fault: fault ?? this.badLines.fault,
    };
  }

  /** Doubles the columns. The new half takes no memory until it is written. */
  #grow(): void {
    const rows = this.#ids.length * 2;
    const ids = new Int32Array(new SharedArrayBuffer(rows * 4));
    ids.set(this.#ids);
    this.#ids = ids;
    this.#sizes = this.#sizes && grown(this.#sizes, rows);
    this.#ttls = this.#ttls && grown(this.#ttls, rows);
  }

  #post(message: RecorderMessage): void {
    this.#task.port.postMessage(message);
  }
}

function floats(rows: number): Float64Array<SharedArrayBuffer> {
  return new Float64Array(new SharedArrayBuffer(rows * 8));
}

function grown(column: Float64Array<SharedArrayBuffer>, rows: number): Float64Array<SharedArrayBuffer> {
  const larger = floats(rows);
  larger.set(column);
  return larger;
}
