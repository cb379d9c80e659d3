/**
 * One shard, seen from one client: the way for every call that the client cannot answer from shared memory.
 *
 * Calls of one turn are written into one frame, which leaves when the turn's microtasks are done. While FLIGHTS_MAX frames
 * are out the next one fills, so batches grow with the load and no timer is needed. Comlink never settles a call whose
 * worker died, so the lane keeps its own table of calls and settles each of them: with the shard's answer, or with an
 * error on death, close, deadline or abort.
 *
 *     open frame  ->  sealed frames  ->  flights (sent, answered in order)
 */
import { setMaxListeners } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { type Endpoint, wrap } from 'comlink';
import { type ComlinkEndpoint, endpointOf } from '../protocol/endpoint.ts';
import { CacheError, type CacheErrorCode, type Outcome } from '../protocol/errors.ts';
import { FrameReader, FrameWriter, recordBytes } from '../protocol/frame.ts';
import type { KeyEncoder } from '../protocol/key.ts';
import { isWrite, OP_CLEAR, OP_SET, type StoredValue } from '../protocol/operations.ts';
import { type Result, readReply } from '../protocol/reply.ts';
import { EVER } from './units.ts';

/** Two keep the shard busy while the client reads the reply to one and fills the next. */
const FLIGHTS_MAX = 2;
/** A frame of this many calls leaves at once, so that the shard works on it while the turn makes more. */
const EARLY_CALLS = 512;
/** Buckets in which a lane remembers the last frame with a write to a key; a shared bucket only costs a hop. */
const WRITE_BUCKETS = 8192;
const NEVER = 0;

export interface LaneLimits {
  readonly timeoutMs: number;
  readonly callsMax: number;
  readonly bytesMax: number;
}

export interface CallOptions {
  /** Rejects the call with `signal.reason`. A write that was sent before may still be applied. */
  signal?: AbortSignal;
  /** Milliseconds or '30s': overrides the cache's `timeout`. */
  timeout?: number | string;
}

/** What a caller gave, checked. */
export interface CallLimits {
  readonly signal: AbortSignal | undefined;
  /** 0: the lane's own. */
  readonly timeoutMs: number;
}

/** The value of a set: `bytes` may be longer than the value. */
export interface CallValue {
  readonly tag: number;
  /** 0 is for ever. */
  readonly ttlMs: number;
  readonly bytes: Uint8Array;
  readonly byteLength: number;
}

export const NO_VALUE: CallValue = { tag: 0, ttlMs: 0, bytes: new Uint8Array(0), byteLength: 0 };

export const UNLIMITED: CallLimits = { signal: undefined, timeoutMs: 0 };

/** A write of this client that the shard has not acknowledged. */
export type OwnWrite = StoredValue | 'absent';

/** Where the outcomes of one or many calls go, by the index of the call. */
export interface Waiter {
  resolve(result: Result, index: number): void;
  reject(error: unknown, index: number): void;
}

interface Call {
  readonly waiter: Waiter;
  readonly index: number;
  /** The text of the key, for error messages. */
  readonly key: string | undefined;
  /** Runs once, when the call settles. */
  release: (() => void) | undefined;
  settled: boolean;
}

/** Why the lane takes no more calls. */
interface End {
  readonly code: CacheErrorCode;
  readonly message: string;
  readonly cause: unknown;
}

interface Flight {
  readonly id: number;
  readonly frame: Uint8Array;
  readonly calls: Call[];
  readonly deadlineMs: number;
}

export class Lane {
  readonly #shard: number;
  readonly #port: MessagePort;
  readonly #endpoint: ComlinkEndpoint;
  readonly #limits: LaneLimits;
  readonly #send: (frame: Uint8Array) => Promise<unknown>;
  readonly #writer = new FrameWriter();
  #calls: Call[] = [];
  #openedMs = 0;
  #sealed: Flight[] = [];
  readonly #flights: Flight[] = [];
  #pendingCalls = 0;
  #pendingBytes = 0;
  #scheduled = false;
  #deadlines: NodeJS.Timeout | undefined;
  /** Numbers of frames: of the one that is open, and of the last one answered. */
  #openId = 1;
  #answeredId = 0;
  readonly #writes = new Float64Array(WRITE_BUCKETS);
  #clearId = NEVER;
  #end: End | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor(shard: number, port: MessagePort, limits: LaneLimits) {
    this.#shard = shard;
    this.#port = port;
    this.#limits = limits;
    // The proxy is kept in a field: one that is collected would drop the replies it waits for.
    this.#endpoint = endpointOf(port);
    const remote = wrap<{ call(frame: Uint8Array): unknown }>(this.#endpoint as Endpoint);
    const call = remote.call;
    this.#send = (frame) => call(frame) as Promise<unknown>;
    port.on('messageerror', this.#onUnreadable);
    port.unref();
  }

  /** Whether this client wrote to the key and does not know the outcome yet. May be mistaken towards yes. */
  hasWrite(key: KeyEncoder): boolean {
    return (this.#writes[bucketOf(key)] as number) > this.#answeredId || this.#clearId > this.#answeredId;
  }

  /** The last unacknowledged write of this client to the key, undefined where there is none. */
  ownWrite(key: KeyEncoder): OwnWrite | undefined {
    if (!this.hasWrite(key)) {
      return undefined;
    }
    const frames = [...this.#flights, ...this.#sealed].map(({ frame }) => new FrameReader(frame));
    if (this.#writer.count > 0) {
      frames.push(this.#writer.view);
    }
    for (const frame of frames.reverse()) {
      const last = lastWrite(frame, key);
      if (last !== undefined) {
        return last;
      }
    }
    return undefined;
  }

  /** Whether a caller with many calls to make should wait for `progress` before the next. */
  get isCrowded(): boolean {
    const { callsMax, bytesMax } = this.#limits;
    return this.#pendingCalls >= callsMax / 2 || this.#pendingBytes >= bytesMax / 2;
  }

  /** Resolves when a reply has come, or the lane has ended. */
  progress(): Promise<void> {
    return this.#end !== undefined || this.#pendingCalls === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when no call is left. */
  async drained(): Promise<void> {
    while (this.#end === undefined && this.#pendingCalls > 0) {
      await this.progress();
    }
  }

  /**
   * Asks the shard. `text` is the key as the caller gave it. Rejects with OVERLOADED, TIMEOUT, SHARD_DOWN, CACHE_CLOSED,
   * `signal.reason`, or what the shard answers.
   */
  call(op: number, key: KeyEncoder, text: string | undefined, limits: CallLimits, value = NO_VALUE): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.submit(op, key, text, limits, value, { resolve, reject }, 0);
    });
  }

  /** As `call`, for one of many calls whose outcomes go to one waiter. */
  submit(
    op: number,
    key: KeyEncoder,
    text: string | undefined,
    { signal, timeoutMs }: CallLimits,
    { tag, ttlMs, bytes, byteLength }: CallValue,
    waiter: Waiter,
    index: number,
  ): void {
    if (this.#end !== undefined) {
      return waiter.reject(this.#ended(text, 'not-sent'), index);
    }
    if (this.#isFull(key.byteLength, byteLength)) {
      return waiter.reject(this.#overloaded(text), index);
    }
    if (!this.#writer.admits(key.byteLength, byteLength)) {
      this.#seal();
    }
    if (this.#writer.count === 0) {
      this.#openedMs = performance.now();
    }
    this.#writer.add(op, key, tag, ttlMs, bytes, byteLength);
    this.#pendingCalls++;
    this.#pendingBytes += recordBytes(key.byteLength, byteLength);
    if (op === OP_CLEAR) {
      this.#clearId = this.#openId;
    } else if (isWrite(op)) {
      this.#writes[bucketOf(key)] = this.#openId;
    }
    if (!this.#scheduled) {
      this.#schedule();
    }
    const call: Call = { waiter, index, key: text, release: undefined, settled: false };
    this.#calls.push(call);
    if (signal !== undefined || timeoutMs !== 0) {
      this.#watch(call, signal, timeoutMs);
    }
    if (this.#calls.length >= EARLY_CALLS && this.#flights.length < FLIGHTS_MAX) {
      this.#depart();
    }
  }

  /** Rejects every call, now and from now on. The first reason stays. */
  fail(code: CacheErrorCode, message: string, cause?: unknown): void {
    if (this.#end !== undefined) {
      return;
    }
    this.#end = { code, message, cause };
    const sent = this.#flights.splice(0);
    const waiting = [...this.#sealed.splice(0).flatMap(({ calls }) => calls), ...this.#calls];
    this.#calls = [];
    this.#answeredId = EVER;
    for (const call of sent.flatMap(({ calls }) => calls)) {
      this.#settle(call, this.#ended(call.key, 'unknown'), undefined);
    }
    for (const call of waiting) {
      this.#settle(call, this.#ended(call.key, 'not-sent'), undefined);
    }
    clearTimeout(this.#deadlines);
    this.#port.off('messageerror', this.#onUnreadable);
    this.#endpoint.close();
    this.#rest();
  }

  /** An idle lane takes one call of any size. */
  #isFull(keyBytes: number, valueBytes: number): boolean {
    const { callsMax, bytesMax } = this.#limits;
    return (
      this.#pendingCalls >= callsMax ||
      (this.#pendingCalls > 0 && this.#pendingBytes + recordBytes(keyBytes, valueBytes) > bytesMax)
    );
  }

  #schedule(): void {
    this.#scheduled = true;
    this.#deadlines ??= this.#armDeadline(this.#openedMs + this.#limits.timeoutMs);
    if (this.#flights.length === 0 && this.#sealed.length === 0) {
      this.#port.ref();
    }
    // A tick runs when the microtasks of the turn are done, so every call they make joins the frame.
    process.nextTick(() => {
      this.#scheduled = false;
      this.#depart();
    });
  }

  /** Sends what is waiting, as far as flights may be out. */
  #depart(): void {
    while (this.#flights.length < FLIGHTS_MAX && this.#end === undefined) {
      const flight = this.#sealed.shift() ?? this.#takeOpen();
      if (flight === undefined) {
        return;
      }
      this.#flights.push(flight);
      this.#send(flight.frame).then(
        (reply) => this.#land(flight, reply),
        (cause) => this.fail('SHARD_DOWN', 'could not answer', cause),
      );
    }
  }

  #takeOpen(): Flight | undefined {
    if (this.#writer.count === 0) {
      return undefined;
    }
    this.#seal();
    return this.#sealed.shift();
  }

  #seal(): void {
    const deadlineMs = this.#openedMs + this.#limits.timeoutMs;
    this.#sealed.push({ id: this.#openId++, frame: this.#writer.seal(), calls: this.#calls, deadlineMs });
    this.#calls = [];
  }

  #land(flight: Flight, reply: unknown): void {
    if (this.#end !== undefined) {
      return;
    }
    try {
      this.#answer(flight, reply);
    } catch (cause) {
      this.fail('PROTOCOL_ERROR', 'answered with what is no reply', cause);
      return;
    }
    this.#depart();
    if (this.#flights.length === 0) {
      this.#port.unref();
    }
    this.#rest();
  }

  /** Settles the flight's calls. Throws, and settles none, when the reply is not one to this flight. */
  #answer(flight: Flight, reply: unknown): void {
    const results = readReply(reply);
    const { calls } = flight;
    const count = typeof results === 'number' ? results : results.length;
    if (count !== calls.length) {
      const only = typeof results === 'number' ? undefined : results[0];
      throw only instanceof CacheError ? only : new RangeError(`${count} results for ${calls.length} calls`);
    }
    this.#flights.shift();
    this.#answeredId = flight.id;
    this.#forget(flight);
    for (let i = 0; i < count; i++) {
      const call = calls[i] as Call;
      const result = typeof results === 'number' ? undefined : results[i];
      if (result instanceof CacheError) {
        this.#settle(
          call,
          new CacheError(result.code, result.message, { key: call.key, shard: this.#shard }),
          undefined,
        );
      } else {
        this.#settle(call, undefined, result);
      }
    }
  }

  #settle(call: Call, error: unknown, result: Result): void {
    if (call.settled) {
      return;
    }
    call.settled = true;
    call.release?.();
    if (error === undefined) {
      call.waiter.resolve(result, call.index);
    } else {
      call.waiter.reject(error, call.index);
    }
  }

  #rest(): void {
    for (const resolve of this.#waiting.splice(0)) {
      resolve();
    }
  }

  /** Lets a signal or a deadline of its own end a call before the lane does. */
  #watch(call: Call, signal: AbortSignal | undefined, timeoutMs: number): void {
    const id = this.#openId;
    const index = this.#calls.length - 1;
    const end = (error: (outcome: Outcome) => unknown) => {
      const outcome = this.#withdraw(id, index) ? 'not-sent' : 'unknown';
      this.#settle(call, error(outcome), undefined);
    };
    const onAbort = () => end(() => signal?.reason);
    const timer =
      timeoutMs === 0
        ? undefined
        : setTimeout(() => end((outcome) => this.#timedOut(call.key, timeoutMs, outcome)), timeoutMs).unref();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal !== undefined) {
      // One signal may well guard a thousand calls: that is no leak.
      setMaxListeners(0, signal);
    }
    call.release = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
  }

  /** Takes a record out of a frame that was not sent. False when it is too late. */
  #withdraw(id: number, index: number): boolean {
    if (id === this.#openId) {
      this.#writer.withdraw(index);
      return true;
    }
    const sealed = this.#sealed.find((flight) => flight.id === id);
    if (sealed === undefined) {
      return false;
    }
    const reader = new FrameReader(sealed.frame);
    for (let i = 0; i <= index; i++) {
      reader.next();
    }
    reader.blank();
    return true;
  }

  #armDeadline(deadlineMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#expire(), Math.max(1, deadlineMs - performance.now())).unref();
  }

  /** Rejects calls past their deadline. A flight that is out stays in the table: its reply may still come. */
  #expire(): void {
    this.#deadlines = undefined;
    const nowMs = performance.now();
    if (this.#writer.count > 0 && this.#openedMs + this.#limits.timeoutMs <= nowMs) {
      this.#seal();
    }
    while (this.#sealed.length > 0 && (this.#sealed[0] as Flight).deadlineMs <= nowMs) {
      const dropped = this.#sealed.shift() as Flight;
      this.#forget(dropped);
      this.#timeOut(dropped, 'not-sent');
    }
    let next = this.#sealed[0]?.deadlineMs ?? (this.#writer.count > 0 ? this.#openedMs + this.#limits.timeoutMs : EVER);
    for (const flight of this.#flights) {
      if (flight.deadlineMs <= nowMs) {
        this.#timeOut(flight, 'unknown');
      } else {
        next = Math.min(next, flight.deadlineMs);
      }
    }
    if (next !== EVER) {
      this.#deadlines = this.#armDeadline(next);
    }
    this.#rest();
  }

  #timeOut(flight: Flight, outcome: Outcome): void {
    for (const call of flight.calls) {
      this.#settle(call, this.#timedOut(call.key, this.#limits.timeoutMs, outcome), undefined);
    }
  }

  /** Takes a flight off the account. */
  #forget(flight: Flight): void {
    this.#pendingCalls -= flight.calls.length;
    this.#pendingBytes -= flight.frame.length - FRAME_HEAD_BYTES;
  }

  readonly #onUnreadable = (cause: unknown): void => {
    this.fail('SHARD_DOWN', 'sent a message that cannot be read', cause);
  };

  #ended(key: string | undefined, outcome: Outcome): CacheError {
    const { code, message, cause } = this.#end as End;
    return new CacheError(code, `Shard ${this.#shard} ${message}`, { key, shard: this.#shard, outcome, cause });
  }

  #timedOut(key: string | undefined, timeoutMs: number, outcome: Outcome): CacheError {
    return new CacheError(
      'TIMEOUT',
      `Shard ${this.#shard} did not answer within ${timeoutMs} ms` +
        (outcome === 'unknown' ? '; a write may still be applied' : '; the call was not sent'),
      { key, shard: this.#shard, outcome },
    );
  }

  #overloaded(key: string | undefined): CacheError {
    return new CacheError(
      'OVERLOADED',
      `Shard ${this.#shard} has ${this.#pendingCalls} calls of ${this.#pendingBytes} bytes waiting. ` +
        'Await earlier calls first, or raise `maxPendingCalls` and `maxPendingBytes`',
      { key, shard: this.#shard, outcome: 'not-sent' },
    );
  }
}

const FRAME_HEAD_BYTES = 8;

function bucketOf(key: KeyEncoder): number {
  return (key.hashLow >>> 5) & (WRITE_BUCKETS - 1);
}

function lastWrite(frame: FrameReader, key: KeyEncoder): OwnWrite | undefined {
  let last: OwnWrite | undefined;
  for (let i = 0; i < frame.count; i++) {
    frame.next();
    if (frame.op === OP_CLEAR) {
      last = 'absent';
    } else if (isWrite(frame.op) && frame.isAbout(key)) {
      last = frame.op === OP_SET ? { tag: frame.tag, bytes: Buffer.from(frame.value) } : 'absent';
    }
  }
  return last;
}
