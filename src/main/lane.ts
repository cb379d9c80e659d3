/**
 * One shard, seen from one client: the way for every call that the client cannot answer from shared memory.
 *
 * Calls of one turn are written into one frame, which leaves when the turn's microtasks are done. While FLIGHTS_MAX frames
 * are out the next one fills, so batches grow with the load and no timer is needed. Comlink never settles a call whose
 * worker died, so the lane keeps its own table of calls and settles each of them: with the shard's answer, or with an
 * error on death, close, deadline or abort.
 *
 *     outbox (open frame -> sealed frames)  ->  flights, answered in order  ->  calls settle
 */
import type { MessagePort } from 'node:worker_threads';
import { type Endpoint, wrap } from 'comlink';
import type { CacheKey } from '../protocol/cache-key.ts';
import { describe } from '../protocol/describe.ts';
import { type ComlinkEndpoint, endpointOf } from '../protocol/endpoint.ts';
import { CacheError, type CacheErrorCode, type Outcome } from '../protocol/errors.ts';
import { FRAME_HEAD_BYTES, recordBytes } from '../protocol/frame.ts';
import type { KeyEncoder } from '../protocol/key.ts';
import { type Result, readReply } from '../protocol/reply.ts';
import { Call, type CallBody, type CallLimits, NO_BODY, UNLIMITED } from './call.ts';
import { type Flight, Outbox, unanswered } from './outbox.ts';
import { type OwnWrite, OwnWrites } from './own-writes.ts';
import { EVER } from './units.ts';

/** Two keep the shard busy while the client reads the reply to one and fills the next. */
const FLIGHTS_MAX = 2;
/** A frame of this many calls leaves early, so that the shard works on it while the turn makes more: 1.4 times the sets. */
const EARLY_CALLS = 512;
/** A turn that goes on and on may have so many frames out before it reads a reply: 1.13 times the pairs of a long setMany. */
const EARLY_FLIGHTS_MAX = 8;

export interface LaneLimits {
  readonly timeoutMs: number;
  readonly callsMax: number;
  readonly bytesMax: number;
}

/** Why the lane takes no more calls. */
interface End {
  readonly code: CacheErrorCode;
  readonly message: string;
  readonly cause: unknown;
}

export class Lane {
  readonly #shard: number;
  readonly #port: MessagePort;
  readonly #endpoint: ComlinkEndpoint;
  readonly #limits: LaneLimits;
  /** Comlink's proxy of the shard's one function, in a field: one that is collected drops the replies it waits for. */
  readonly #send: (frame: Uint8Array) => Promise<unknown>;
  readonly #outbox: Outbox;
  readonly #flights: Flight[] = [];
  readonly #writes = new OwnWrites();
  readonly #waiting: (() => void)[] = [];
  #pendingCalls = 0;
  #pendingBytes = 0;
  #scheduled = false;
  #deadline: NodeJS.Timeout | undefined;
  #end: End | undefined;

  constructor(shard: number, port: MessagePort, limits: LaneLimits) {
    this.#shard = shard;
    this.#port = port;
    this.#limits = limits;
    this.#outbox = new Outbox(limits.timeoutMs);
    this.#endpoint = endpointOf(port);
    this.#send = wrap<{ call(frame: Uint8Array): unknown }>(this.#endpoint as Endpoint).call;
    port.on('messageerror', this.#onUnreadable);
    port.unref();
  }

  /** Whether this client wrote to the key and does not know the outcome yet. May be mistaken towards yes. */
  hasWrite(key: KeyEncoder): boolean {
    return this.#writes.mayHold(key);
  }

  /** The last unacknowledged write of this client to the key, undefined where there is none. */
  ownWrite(key: KeyEncoder): OwnWrite | undefined {
    if (!this.#writes.mayHold(key)) {
      return undefined;
    }
    const own = this.#writes.last(key, [...this.#flights.map(unanswered), ...this.#outbox.frames()]);
    const isOver = typeof own === 'object' && own.ttlMs > 0 && performance.now() - own.sinceMs >= own.ttlMs;
    // It may have expired, or live for a moment yet: the memory knows.
    return isOver ? undefined : own;
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
   * Asks the shard. `given` is the key as the caller gave it. Rejects with OVERLOADED, TIMEOUT, SHARD_DOWN, CACHE_CLOSED,
   * `signal.reason`, or what the shard answers.
   */
  call(
    op: number,
    key: KeyEncoder,
    given: CacheKey | undefined,
    limits: CallLimits,
    body: CallBody = NO_BODY,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.submit(op, key, new Call(given, { resolve, reject }, 0), limits, body);
      this.hurry();
    });
  }

  /** As `call`, for one of many calls whose outcomes go to one waiter. They leave with the turn, or when they hurry. */
  submit(op: number, key: KeyEncoder, call: Call, limits: CallLimits, body: CallBody): void {
    if (this.#end !== undefined) {
      return call.reject(this.#ended(call, 'not-sent'));
    }
    if (this.#isFull) {
      return call.reject(this.#overloaded(call));
    }
    const outbox = this.#outbox;
    const place = outbox.add(call, op, key, body);
    this.#pendingCalls++;
    this.#pendingBytes += recordBytes(key.byteLength, body.byteLength);
    this.#writes.note(op, key, outbox.openId, place);
    if (limits !== UNLIMITED) {
      this.#watch(call, limits, place);
    }
    if (!this.#scheduled) {
      this.#schedule();
    }
  }

  /** Lets a long frame leave before the turn ends. */
  hurry(): void {
    if (this.#outbox.openCalls >= EARLY_CALLS) {
      this.#depart(EARLY_FLIGHTS_MAX);
    }
  }

  /** Rejects every call, now and from now on. The first reason stays: false for any later one. */
  fail(code: CacheErrorCode, message: string, cause?: unknown): boolean {
    if (this.#end !== undefined) {
      return false;
    }
    this.#end = { code, message, cause };
    this.#pendingCalls = 0;
    this.#pendingBytes = 0;
    this.#writes.end();
    clearTimeout(this.#deadline);
    this.#port.off('messageerror', this.#onUnreadable);
    this.#endpoint.close();
    for (const call of this.#flights.splice(0).flatMap(({ calls }) => calls)) {
      call.reject(this.#ended(call, 'unknown'));
    }
    for (let flight = this.#outbox.take(); flight !== undefined; flight = this.#outbox.take()) {
      for (const call of flight.calls) {
        call.reject(this.#ended(call, 'not-sent'));
      }
    }
    this.#wake();
    return true;
  }

  #schedule(): void {
    this.#scheduled = true;
    this.#deadline ??= this.#armDeadline(this.#outbox.deadlineMs);
    this.#port.ref();
    // A tick runs when the microtasks of the turn are done, so every call they make joins the frame.
    process.nextTick(() => {
      this.#scheduled = false;
      this.#depart();
    });
  }

  /** Sends what is waiting, while fewer than `flightsMax` are out. */
  #depart(flightsMax = FLIGHTS_MAX): void {
    while (this.#flights.length < flightsMax && this.#end === undefined) {
      const flight = this.#outbox.take();
      if (flight === undefined) {
        return;
      }
      this.#flights.push(flight);
      this.#send(flight.frame).then(
        (reply) => this.#land(flight, reply),
        (cause) => void this.fail('SHARD_DOWN', 'could not answer', cause),
      );
    }
  }

  #land(flight: Flight, reply: unknown): void {
    if (this.#end !== undefined) {
      return;
    }
    let results: number | Result[];
    try {
      results = this.#resultsOf(flight, reply);
    } catch (cause) {
      this.fail('PROTOCOL_ERROR', 'answered with what is no reply', cause);
      return;
    }
    this.#flights.shift();
    this.#writes.settle(flight.id);
    this.#forget(flight);
    this.#settle(flight, results);
    this.#depart();
    if (this.#flights.length === 0 && !this.#scheduled) {
      this.#port.unref();
    }
    this.#wake();
  }

  /** Throws when the reply is not one to this flight. */
  #resultsOf({ calls }: Flight, reply: unknown): number | Result[] {
    const results = readReply(reply);
    const count = typeof results === 'number' ? results : results.length;
    if (count !== calls.length) {
      const only = typeof results === 'number' ? undefined : results[0];
      throw only instanceof CacheError ? only : new RangeError(`${count} results for ${calls.length} calls`);
    }
    return results;
  }

  #settle({ calls }: Flight, results: number | Result[]): void {
    for (let i = 0; i < calls.length; i++) {
      const call = calls[i] as Call;
      const result = typeof results === 'number' ? undefined : results[i];
      if (result instanceof CacheError) {
        const { code, message } = result;
        const named = call.key === undefined ? message : `${message} (key: ${describe(call.key)})`;
        call.reject(new CacheError(code, named, { key: call.key, shard: this.#shard }));
      } else {
        call.resolve(result);
      }
    }
  }

  /** Takes a flight off the account. */
  #forget({ calls, frame }: Flight): void {
    this.#pendingCalls -= calls.length;
    this.#pendingBytes -= frame.length - FRAME_HEAD_BYTES;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) {
      resolve();
    }
  }

  /** Lets a signal or a deadline of its own end a call before the lane does. */
  #watch(call: Call, limits: CallLimits, place: number): void {
    const id = this.#outbox.openId;
    const withdraw = (): Outcome => (this.#outbox.withdraw(id, place) ? 'not-sent' : 'unknown');
    call.watch(
      limits,
      () => {
        withdraw();
        call.reject(limits.signal?.reason);
      },
      () => call.reject(this.#timedOut(call, limits.timeoutMs, withdraw())),
    );
  }

  #armDeadline(deadlineMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#expire(), Math.max(1, deadlineMs - performance.now())).unref();
  }

  /** Rejects calls past their deadline. A flight that is out stays in the table: its reply may still come. */
  #expire(): void {
    const nowMs = performance.now();
    for (const flight of this.#outbox.takeExpired(nowMs)) {
      this.#forget(flight);
      this.#timeOut(flight, 'not-sent');
    }
    let next = this.#outbox.deadlineMs;
    for (const flight of this.#flights) {
      if (flight.deadlineMs <= nowMs) {
        this.#timeOut(flight, 'unknown');
      } else {
        next = Math.min(next, flight.deadlineMs);
      }
    }
    this.#deadline = next === EVER ? undefined : this.#armDeadline(next);
    if (next === EVER) {
      // Everybody has been told: a shard that never answers must not hold the process.
      this.#port.unref();
    }
    this.#wake();
  }

  #timeOut({ calls }: Flight, outcome: Outcome): void {
    for (const call of calls) {
      call.reject(this.#timedOut(call, this.#limits.timeoutMs, outcome));
    }
  }

  /** Judged by what waits already: a lane with room takes a call of any size. */
  get #isFull(): boolean {
    return this.#pendingCalls >= this.#limits.callsMax || this.#pendingBytes >= this.#limits.bytesMax;
  }

  readonly #onUnreadable = (cause: unknown): void => {
    this.fail('SHARD_DOWN', 'sent a message that cannot be read', cause);
  };

  #ended({ key }: Call, outcome: Outcome): CacheError {
    const { code, message, cause } = this.#end as End;
    return new CacheError(code, `Shard ${this.#shard} ${message}`, { key, shard: this.#shard, outcome, cause });
  }

  #timedOut({ key }: Call, timeoutMs: number, outcome: Outcome): CacheError {
    const rest = outcome === 'unknown' ? 'a write may still be applied' : 'the call was not sent';
    const message = `Shard ${this.#shard} did not answer within ${timeoutMs} ms; ${rest}`;
    return new CacheError('TIMEOUT', message, { key, shard: this.#shard, outcome });
  }

  #overloaded({ key }: Call): CacheError {
    const message =
      `Shard ${this.#shard} has ${this.#pendingCalls} calls of ${this.#pendingBytes} bytes waiting. ` +
      'Await earlier calls first, or raise `maxPendingCalls` and `maxPendingBytes`';
    return new CacheError('OVERLOADED', message, { key, shard: this.#shard, outcome: 'not-sent' });
  }
}
