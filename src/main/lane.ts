/**
 * One shard, seen from one client: the way for every call that the client cannot answer from shared memory.
 *
 * Calls of one turn are written into one frame, which leaves when the turn's microtasks are done. While FLIGHTS_MAX frames
 * are out the next one fills, so batches grow with the load and no timer is needed. Nothing settles a call whose shard
 * died, so the lane keeps its own table of calls and settles each of them: with the shard's answer, or with an error on
 * death, close, deadline or abort.
 *
 *     outbox (open frame -> sealed frames)  ->  flights, answered in order  ->  calls settle
 *                    ^                              |
 *                    +---- the owner dies: reads ---+---- writes reject with SHARD_DOWN, outcome unknown
 *
 * A shard's owner may die and be replaced. Between the two the lane has no connection: calls wait in the outbox, up to
 * their deadlines, and leave when there is a new one.
 */
import type { MessagePort } from 'node:worker_threads';
import type { CacheKey } from '../protocol/cache-key.ts';
import type { ClientMemory } from '../protocol/client.ts';
import type { CacheErrorCode, Outcome } from '../protocol/errors.ts';
import { FRAME_HEAD_BYTES, recordBytes } from '../protocol/frame.ts';
import type { KeyEncoder } from '../protocol/key.ts';
import type { Result } from '../protocol/reply.ts';
import { Backlog, type BacklogLimits } from './backlog.ts';
import { Call, type CallBody, type CallLimits, NO_BODY, UNLIMITED } from './call.ts';
import { byPort, type Connection, type Way } from './connection.ts';
import { type Flight, resultsOf, settle, timeOut, unanswered, withdrawWrites } from './flight.ts';
import type { LaneAudience, LaneListener } from './lane-listener.ts';
import { Outbox } from './outbox.ts';
import { type OwnWrite, OwnWrites } from './own-writes.ts';
import { type End, ended, overloaded, timedOut } from './refusals.ts';
import { EVER } from './units.ts';

/** Two keep the shard busy while the client reads the reply to one and fills the next. */
const FLIGHTS_MAX = 2;
/** A frame of this many calls leaves early, so that the shard works on it while the turn makes more: 1.4 times the sets. */
const EARLY_CALLS = 512;
/** A turn that goes on and on may have so many frames out before it reads a reply: 1.13 times the pairs of a long setMany. */
const EARLY_FLIGHTS_MAX = 8;
/** An owner that has not answered for so long is not asked for what can be done without. */
const PATIENCE_MS = 50;

export interface LaneLimits extends BacklogLimits {
  readonly timeoutMs: number;
}

export class Lane {
  readonly backlog: Backlog;
  listener: LaneListener | undefined;
  audience: LaneAudience | undefined;
  readonly #shard: number;
  readonly #limits: LaneLimits;
  readonly #memory: ClientMemory;
  readonly #onLost: () => void;
  readonly #way: Way;
  readonly #outbox: Outbox;
  readonly #flights: Flight[] = [];
  readonly #writes = new OwnWrites();
  #connection: Connection | undefined;
  #scheduled = false;
  #deadline: NodeJS.Timeout | undefined;
  #end: End | undefined;

  /** `memory` tells that the client waits; `onLost` hears of a connection that has ended by itself; frames go by `way`. */
  constructor(shard: number, limits: LaneLimits, memory: ClientMemory, onLost: () => void, way: Way = byPort) {
    this.#shard = shard;
    this.#limits = limits;
    this.#memory = memory;
    this.#onLost = onLost;
    this.#way = way;
    this.#outbox = new Outbox(limits.timeoutMs, way.pool);
    this.backlog = new Backlog(limits);
  }

  /** Takes a port to the shard's owner, in the place of the one there was. */
  connect(port: MessagePort): void {
    if (this.#end !== undefined) {
      port.close();
      return;
    }
    this.disconnect('was replaced', undefined);
    const connection: Connection = this.#way.connect(port, {
      lost: (how, cause) => this.#lose(connection, how, cause),
      leaseEnded: (end) => this.listener?.leaseEnded(end),
      told: (batch) => this.audience?.told(batch),
    });
    this.#connection = connection;
    this.#deadline?.unref();
    if (!this.#outbox.isEmpty) {
      connection.hold(true);
      this.#depart();
    }
    this.listener?.ownerChanged();
  }

  /** There is no owner, for now. Of writes that are out the outcome is unknown: they reject. What only reads goes out again. */
  disconnect(how = 'ended', cause?: unknown): void {
    if (this.#connection === undefined) {
      return;
    }
    this.#connection.close();
    this.#connection = undefined;
    const end: End = { code: 'SHARD_DOWN', message: `${how} before it answered`, cause };
    const flights = this.#flights.splice(0);
    // Before those come back that have no writes any more.
    this.#settleWrites();
    const later = { keys: new Set<number>(), every: false };
    for (const flight of flights.reverse()) {
      const [lost, isWorthwhile] = withdrawWrites(flight, later);
      if (isWorthwhile) this.#outbox.putBack(flight);
      else this.#forget(flight);
      for (const call of lost) {
        call.reject(ended(this.#shard, call, 'unknown', end));
      }
    }
    this.#memory.waiting = 0;
    if (this.backlog.calls > 0) this.#hold();
    this.backlog.wake();
  }

  /** Whether a call would be answered soon: not while there is no owner, or while it is busy with something long. */
  get isAnswering(): boolean {
    const [oldest] = this.#flights;
    return this.#connection !== undefined && (oldest === undefined || performance.now() - oldest.sentMs < PATIENCE_MS);
  }

  /** Whether it takes no more calls, for good. */
  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Whether this client wrote to a key of this hash and does not know the outcome yet. May be mistaken towards yes. */
  hasWrite(hashLow: number): boolean {
    // Most clients read while nothing of theirs is out: one word says so, where the table is 64 KiB.
    return this.backlog.calls > 0 && this.#writes.mayHold(hashLow);
  }

  /** The last unacknowledged write of this client to the key, undefined where there is none. */
  ownWrite(key: KeyEncoder): OwnWrite | undefined {
    return this.#writes.mayHold(key.hashLow)
      ? this.#writes.last(key, [...this.#flights.map(unanswered), ...this.#outbox.frames()])
      : undefined;
  }

  /** Resolves when no call is left. */
  async drained(): Promise<void> {
    while (this.backlog.calls > 0) {
      await this.backlog.progress();
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
      return call.reject(ended(this.#shard, call, 'not-sent', this.#end as End));
    }
    if (this.backlog.isFull) {
      return call.reject(overloaded(this.#shard, call, this.backlog));
    }
    const outbox = this.#outbox;
    if (!this.#scheduled) outbox.beginTurn();
    const place = outbox.add(call, op, key, body);
    this.backlog.add(recordBytes(key.byteLength, body.byteLength));
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

  /** Rejects every call, now and from now on. The first reason stays. */
  fail(code: CacheErrorCode, message: string, cause?: unknown): void {
    if (this.#end !== undefined) {
      return;
    }
    this.#end = { code, message, cause };
    this.backlog.clear();
    this.#writes.end();
    clearTimeout(this.#deadline);
    this.#connection?.close();
    this.#connection = undefined;
    this.#memory.waiting = 0;
    for (const call of this.#flights.splice(0).flatMap(({ calls }) => calls)) {
      call.reject(ended(this.#shard, call, 'unknown', this.#end as End));
    }
    for (const call of this.#outbox.takeExpired(EVER).flatMap(({ calls }) => calls)) {
      call.reject(ended(this.#shard, call, 'not-sent', this.#end as End));
    }
    this.backlog.wake();
    this.listener?.ownerChanged();
  }

  #schedule(): void {
    this.#scheduled = true;
    this.audience?.turnBegins();
    this.#deadline ??= this.#armDeadline(this.#outbox.deadlineMs);
    this.#hold();
    // A tick runs when the microtasks of the turn are done, so every call they make joins the frame.
    process.nextTick(() => {
      this.#scheduled = false;
      this.#depart();
    });
  }

  /** What waits must not be forgotten by a process that has nothing else to do: without an owner its deadline holds that. */
  #hold(): void {
    if (this.#connection === undefined) this.#deadline?.ref();
    else this.#connection.hold(true);
  }

  /** Sends what is waiting, while fewer than `flightsMax` are out. */
  #depart(flightsMax = FLIGHTS_MAX): void {
    const connection = this.#connection;
    while (connection !== undefined && this.#flights.length < flightsMax) {
      const flight = this.#outbox.take();
      if (flight === undefined) {
        return;
      }
      flight.sentMs = performance.now();
      this.#flights.push(flight);
      this.#memory.waiting = this.#flights.length;
      const reply = connection.send(flight.frame, this.#flights.length === 1);
      if (reply instanceof Promise) this.#await(connection, flight, reply);
      else this.#land(connection, flight, reply);
    }
  }

  #await(connection: Connection, flight: Flight, reply: Promise<unknown>): void {
    reply.then(
      (late) => this.#land(connection, flight, late),
      (cause) => this.#lose(connection, 'could not answer', cause),
    );
  }

  #land(connection: Connection, flight: Flight, reply: unknown): void {
    if (connection !== this.#connection) {
      return;
    }
    let results: number | Result[];
    try {
      results = resultsOf(flight, reply);
    } catch (cause) {
      this.fail('PROTOCOL_ERROR', 'answered with what is no reply', cause);
      return;
    }
    this.#flights.shift();
    this.#memory.waiting = this.#flights.length;
    this.#settleWrites();
    this.#forget(flight);
    settle(flight, results, this.#shard);
    this.#depart();
    if (this.#flights.length === 0 && !this.#scheduled) {
      connection.hold(false);
    }
    this.backlog.wake();
  }

  #lose(connection: Connection, how: string, cause: unknown): void {
    if (connection === this.#connection) {
      this.disconnect(how, cause);
      this.#onLost();
    }
  }

  /** Of the writes that are neither out nor wait, nobody will hear any more. */
  #settleWrites(): void {
    this.#writes.settle((this.#flights[0]?.id ?? this.#outbox.firstId) - 1);
  }

  /** Takes a flight off the account. */
  #forget({ calls, frame }: Flight): void {
    this.backlog.remove(calls.length, frame.length - FRAME_HEAD_BYTES);
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
      () => call.reject(timedOut(this.#shard, call, limits.timeoutMs, withdraw())),
    );
  }

  #armDeadline(deadlineMs: number): NodeJS.Timeout {
    const timer = setTimeout(() => this.#expire(), Math.max(1, deadlineMs - performance.now()));
    return this.#connection === undefined ? timer : timer.unref();
  }

  /** Rejects calls past their deadline. A flight that is out stays in the table: its reply may still come. */
  #expire(): void {
    const nowMs = performance.now();
    for (const flight of this.#outbox.takeExpired(nowMs)) {
      this.#forget(flight);
      timeOut(flight, this.#shard, this.#limits.timeoutMs, 'not-sent');
    }
    this.#settleWrites();
    let next = this.#outbox.deadlineMs;
    for (const flight of this.#flights) {
      if (flight.deadlineMs <= nowMs) {
        timeOut(flight, this.#shard, this.#limits.timeoutMs, 'unknown');
      } else {
        next = Math.min(next, flight.deadlineMs);
      }
    }
    this.#deadline = next === EVER ? undefined : this.#armDeadline(next);
    if (next === EVER) {
      // Everybody has been told: a shard that never answers must not hold the process.
      this.#connection?.hold(false);
    }
    this.backlog.wake();
  }
}
