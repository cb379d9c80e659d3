/**
 * Judges what several processes say that they have read from one store: is there a read of a value that was overwritten, or deleted, by a
 * write that had been acknowledged before the read began, and how long before?
 *
 * A write W is over when its answer has come. X has overwritten it for certain when X began after that. So a read that returns what W
 * wrote is stale by the time between its own begin and the first answer of such an X, if that is positive. Of writes that overlap, any may
 * be the last. One whose outcome is unknown overwrites nothing, and may still have been done a while after it failed.
 *
 * Reports come in any order, from each process with the promise that all that it has begun before a time is told
 * (`upTo`). What is read is judged once all have told what they began before it ended. A write that was overwritten long before
 * the oldest read that is still to come is forgotten; a value that nobody is known to have written is a fault.
 */

export const READ = 0;
export const SET = 1;
export const DELETE = 2;
/** Its value is the number that it was answered. */
export const INCREMENT = 3;
/** What a read or a delete has for a value. */
export const NOTHING = 0;

/** How long beyond the limit a write is known after it was certainly overwritten. A value older than that is a fault anyway. */
const RETAIN_MS = 2_000;
/** How long after its failure a write may be done. */
const LATE_MS = 1_000;
/** Of those that are kept, to be told. */
const FAULTS_MAX = 50;

/** Times are milliseconds of a clock that all processes share. */
export interface Operation {
  readonly kind: number;
  readonly key: number;
  /** Of a set: no other set has it, on any key. */
  readonly value: number;
  readonly begin: number;
  readonly end: number;
  /** Of a write: nobody knows whether it was done. Reads that fail are not told. */
  readonly isUnknown: boolean;
}

interface Write {
  readonly value: number;
  readonly begin: number;
  /** When it was over: its answer, or the last moment at which it may have been done. */
  readonly over: number;
  readonly isUnknown: boolean;
}

export class StalenessJudge {
  readonly #limitMs: number;
  readonly #writes = new Map<number, Write[]>();
  readonly #upTo: number[];
  #reads: Operation[] = [];
  readonly faults: string[] = [];
  faultCount = 0;
  judged = 0;
  /** Of all reads, also of those within the limit. */
  oldestMs = 0;

  constructor(processes: number, limitMs: number) {
    this.#upTo = new Array<number>(processes).fill(Number.NEGATIVE_INFINITY);
    this.#limitMs = limitMs;
  }

  /** What a process has done; all that it began before `upTo` is told with this. */
  hear(process: number, operations: readonly Operation[], upTo: number): void {
    for (const operation of operations) {
      if (operation.kind === READ) {
        this.#reads.push(operation);
      } else {
        const { value, begin, end, isUnknown } = operation;
        // The number that an increment would have been answered is not known.
        const written = operation.kind === INCREMENT && isUnknown ? Number.NaN : value;
        this.#of(operation.key).push({ value: written, begin, over: isUnknown ? end + LATE_MS : end, isUnknown });
      }
    }
    this.#upTo[process] = upTo;
    this.#judge(Math.min(...this.#upTo));
  }

  /** Nobody says any more. */
  finish(): void {
    this.#judge(Number.POSITIVE_INFINITY);
  }

  #of(key: number): Write[] {
    let writes = this.#writes.get(key);
    if (writes === undefined) {
      // In the beginning there was nothing.
      const first = Number.NEGATIVE_INFINITY;
      writes = [{ value: NOTHING, begin: first, over: first, isUnknown: false }];
      this.#writes.set(key, writes);
    }
    return writes;
  }

  #judge(upTo: number): void {
    const later: Operation[] = [];
    let oldest = upTo;
    for (const read of this.#reads) {
      if (read.end < upTo) {
        this.#judgeRead(read);
      } else {
        later.push(read);
        oldest = Math.min(oldest, read.begin);
      }
    }
    if (later.length < this.#reads.length) this.#forget(oldest - this.#limitMs - RETAIN_MS);
    this.#reads = later;
  }

  #judgeRead(read: Operation): void {
    const { key, value, begin, end } = read;
    this.judged++;
    const writes = this.#of(key);
    let staleMs = Number.POSITIVE_INFINITY;
    for (const write of writes) {
      const isIt = write.value === value || Number.isNaN(write.value);
      if (isIt && write.begin < end) {
        staleMs = Math.min(staleMs, begin - overwritten(writes, write));
      }
    }
    if (staleMs !== Number.POSITIVE_INFINITY) this.oldestMs = Math.max(this.oldestMs, staleMs);
    if (staleMs > this.#limitMs) {
      this.faultCount++;
      const age = staleMs === Number.POSITIVE_INFINITY ? 'nobody wrote, or long ago' : `was old for ${staleMs} ms`;
      if (this.faults.length < FAULTS_MAX)
        this.faults.push(`key ${key}: a read at ${begin} found ${value}, which ${age}`);
    }
  }

  #forget(before: number): void {
    for (const [key, writes] of this.#writes) {
      if (writes.length > 1)
        this.#writes.set(
          key,
          writes.filter((write) => overwritten(writes, write) >= before),
        );
    }
  }
}

/** The first moment at which everybody may know that a write was overwritten. */
function overwritten(writes: readonly Write[], write: Write): number {
  let first = Number.POSITIVE_INFINITY;
  for (const other of writes) {
    if (!other.isUnknown && other.begin > write.over && other.over < first) first = other.over;
  }
  return first;
}
