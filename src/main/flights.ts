/**
 * The computations of getOrSet: one a key, however many ask in however many threads. The owner of the key grants the right
 * to compute it as a lease. Whoever gets it computes here, and stores what that brings if nobody has written to the key
 * meanwhile; so a late result never overwrites a newer value, and a deleted key does not come back. Whoever does not get
 * it waits for the one who did: in this thread for his promise, in another for what the owner tells of the lease's end.
 * Everybody asks the owner first, so whoever comes after a write waits for nothing that was begun before it.
 *
 *     ask --> a value                              done
 *         --> a value whose ttl is over, a token   done; whoever has the token refreshes it behind the caller's back
 *         --> a token of one's own                 compute, then fill the lease, or give it back with the error
 *         --> a token of somebody else             wait --> his value, his error, or ask again
 *
 * Each waiter has limits of his own. When he gives up the computation goes on, and what it brings is stored.
 */
import type { CacheKey } from '../protocol/cache-key.ts';
import { CacheError } from '../protocol/errors.ts';
import type { Ending } from '../protocol/lease-end.ts';
import { FLAG_COUNTED, OP_FILL, OP_LEASE, OP_RELEASE, type StoredValue, storedValue } from '../protocol/operations.ts';
import { bodyOf, Call, type CallBody, type CallLimits, UNLIMITED } from './call.ts';
import type { Client } from './client.ts';
import { computing, reentrant } from './computing.ts';
import { Gathering } from './gathering.ts';
import type { Notices } from './notices.ts';
import type { ShardView } from './shard-view.ts';
import { pack, unpack } from './thrown.ts';

/** What a factory gets beside its key. */
export interface FactoryContext {
  /** Aborts when the lease's time is over, and the next who asks computes anew; or when the cache is closed. */
  readonly signal: AbortSignal;
}

/** What getOrSet runs when there is no value. May be async. */
export type Factory<V, K> = (key: K, context: FactoryContext) => V | Promise<V>;

/** Makes the value: `chain` says which keys wait for it. */
export type Maker = (chain: readonly string[], signal: AbortSignal) => Promise<StoredValue>;

/** What a caller wants of a lease, and of the entry to come. */
export interface LeaseWish {
  /** 0 for ever. */
  readonly ttlMs: number;
  /** FLAG_SLIDING, and FLAG_COUNTED where the caller has looked before. */
  readonly flags: number;
  /** For how long he may compute. */
  readonly leaseMs: number;
  /** For how long the value may be served when its ttl is over; more than 0 takes such a one. */
  readonly graceMs: number;
}

/** A computation, as whoever waits for it knows it. */
interface Wanted {
  readonly key: CacheKey;
  /** Of the key, among those of all caches. */
  readonly id: string;
  readonly make: Maker;
  readonly wish: LeaseWish;
  /** Settled when the caller has given up. */
  readonly call: Call;
}

/** Whoever waits for another thread asks again after so long: its holder may have asked for less time than he has. */
const PATIENCE_MS = 500;
/** A value that could not be computed anew is served on for so long before the next one tries. */
const REFRESH_PAUSE_MS = 100;
const ASK_AGAIN: Ending = {};

export class Flights {
  readonly #client: Client;
  readonly #notices: Notices;
  readonly #cacheId: string;
  /** The computations of this thread, by shard and token. */
  readonly #out = new Map<string, Promise<StoredValue>>();
  /** Who waits for computations of other threads, by shard and token. */
  readonly #waits = new Map<string, { ended: Promise<Ending>; end(how: Ending): void }>();
  /** Whoever waits, and when he no longer does. */
  readonly #waiters = new Map<Call, Promise<unknown>>();
  readonly #running = new Set<AbortController>();

  /** `cacheId` tells the keys of this cache from those of others. */
  constructor(client: Client, notices: Notices, cacheId: string) {
    this.#client = client;
    this.#notices = notices;
    this.#cacheId = cacheId;
    for (const { lane, shard } of client.views) {
      lane.listener = {
        // Whatever the owner before had promised died with it.
        ownerChanged: () => this.#endAll(shard),
        leaseEnded: (end) => this.#waits.get(nameOf(shard, end.lease))?.end(end),
      };
    }
  }

  /**
   * The value of the key that was just aimed at, computed where it is absent. Rejects with what the factory throws, here or
   * in another thread, with SERIALIZATION_ERROR, TIMEOUT, REENTRANT_CALL, or the signal's reason.
   */
  join(key: CacheKey, make: Maker, wish: LeaseWish, limits: CallLimits): Promise<StoredValue> {
    const id = `${this.#cacheId} ${this.#client.key.id}`;
    if (computing.chain().includes(id)) {
      return Promise.reject(reentrant(key));
    }
    // The caller, or the factory, may go on to change a key that is an object.
    const own = typeof key === 'object' ? this.#client.aimed : key;
    const gathering = new Gathering(1);
    const call = new Call(key, gathering, 0);
    this.#limit(call, key, limits);
    this.#valueOf({ key: own, id, make, wish, call }).then(
      (stored) => call.resolve(stored),
      (error) => call.reject(error),
    );
    this.#waiters.set(call, gathering.results);
    const leave = () => this.#waiters.delete(call);
    gathering.results.then(leave, leave);
    return gathering.results.then(([stored]) => stored as StoredValue);
  }

  /** Resolves when nobody waits. */
  async drained(): Promise<void> {
    await Promise.allSettled(this.#waiters.values());
  }

  /** Rejects whoever waits, and tells every factory. */
  fail(error: CacheError): void {
    for (const call of this.#waiters.keys()) {
      call.reject(error);
    }
    for (const controller of this.#running) {
      controller.abort(error);
    }
    for (const { end } of this.#waits.values()) {
      end(ASK_AGAIN);
    }
  }

  async #valueOf(wanted: Wanted): Promise<StoredValue | undefined> {
    for (let flags = wanted.wish.flags; ; flags = wanted.wish.flags | FLAG_COUNTED) {
      const view = this.#client.locate(wanted.key);
      const answer = await this.#askForLease(wanted, flags);
      const stored = typeof answer === 'object' ? (answer as StoredValue) : undefined;
      const token = stored === undefined ? (answer as number) : (stored.leftMs ?? 0);
      if (token > 0 && wanted.call.isSettled) {
        // He has given up before it began, and others of this thread may have been told to wait for him.
        await this.#giveBack(wanted.key, token);
        this.#waits.get(nameOf(view.shard, token))?.end(ASK_AGAIN);
        return undefined;
      }
      const own =
        token > 0 ? this.#launch(wanted, view, token, stored !== undefined) : this.#out.get(nameOf(view.shard, -token));
      if (stored !== undefined) {
        this.#leaveAlone(token > 0 ? own : undefined, wanted.key);
        return stored;
      }
      if (token > 0) {
        return await own;
      }
      const end = await this.#endOf(view, -token, own, wanted.wish);
      if (end.value !== undefined) {
        return storedValue(end.value);
      }
      if (end.thrown !== undefined) {
        throw unpack(end.thrown);
      }
      if (wanted.call.isSettled) {
        return undefined;
      }
    }
  }

  /** A lease that may be granted to somebody who no longer waits goes back. */
  async #askForLease({ key, wish }: Wanted, flags: number): Promise<unknown> {
    const terms = Buffer.alloc(16);
    terms.writeDoubleLE(wish.leaseMs, 0);
    terms.writeDoubleLE(wish.graceMs, 8);
    try {
      return await this.#ask(OP_LEASE, key, bodyOf(wish.ttlMs, flags, terms));
    } catch (error) {
      if (error instanceof CacheError && error.code === 'TIMEOUT' && error.outcome === 'unknown') {
        void this.#giveBack(key, -1);
      }
      throw error;
    }
  }

  #launch(wanted: Wanted, { shard }: ShardView, token: number, refreshes: boolean): Promise<StoredValue> {
    const flight = this.#compute(wanted, token, refreshes);
    const name = nameOf(shard, token);
    this.#out.set(name, flight);
    const land = () => void this.#out.delete(name);
    flight.then(land, land);
    return flight;
  }

  /** One that `refreshes` a value that may still be served has nobody who waits for it. */
  async #compute({ key, id, make, wish }: Wanted, token: number, refreshes: boolean): Promise<StoredValue> {
    const controller = new AbortController();
    const late = setTimeout(() => controller.abort(tooLong(key, wish.leaseMs)), wish.leaseMs).unref();
    this.#running.add(controller);
    let value: StoredValue;
    try {
      value = await make([...computing.chain(), id], controller.signal);
    } catch (error) {
      if (refreshes) {
        await new Promise((resolve) => setTimeout(resolve, REFRESH_PAUSE_MS).unref());
      }
      await this.#giveBack(key, token, error);
      throw error;
    } finally {
      clearTimeout(late);
      this.#running.delete(controller);
    }
    const body = { tag: value.tag, argument: token, flags: 0, bytes: value.bytes, byteLength: value.bytes.length };
    await this.#try('stored', key, () => this.#store(key, body));
    return value;
  }

  /** A value that could never fit is not sent; the lease goes back. */
  async #store(key: CacheKey, body: CallBody): Promise<void> {
    try {
      this.#client.aimWith(body, key, this.#client.locate(key));
    } catch (error) {
      await this.#giveBack(key, body.argument);
      throw error;
    }
    await this.#end(OP_FILL, key, body);
  }

  /** Ends a lease, when the lane has room: one that is not ended keeps the next who asks waiting. */
  async #end(op: number, key: CacheKey, body: CallBody): Promise<void> {
    const { lane } = this.#client.locate(key);
    while (lane.backlog.isCrowded) {
      await lane.backlog.progress();
    }
    await this.#ask(op, key, body);
  }

  /** With what the factory threw, for those who wait in other threads. */
  #giveBack(key: CacheKey, token: number, ...thrown: readonly [] | readonly [unknown]): Promise<void> {
    const bytes = thrown.length === 0 ? undefined : pack(thrown[0]);
    return this.#try('given back', key, () => this.#end(OP_RELEASE, key, bodyOf(token, 0, bytes)));
  }

  #ask(op: number, key: CacheKey, body: CallBody): Promise<unknown> {
    return this.#client.ask(this.#client.locate(key), op, key, UNLIMITED, body);
  }

  /**
   * How somebody else's computation has ended; or one of this thread, unless its time is over first and another one has
   * begun.
   */
  #endOf(
    { shard }: ShardView,
    token: number,
    own: Promise<StoredValue> | undefined,
    { leaseMs }: LeaseWish,
  ): Promise<Ending> {
    const name = nameOf(shard, token);
    if (own === undefined) {
      return this.#wait(name, Math.min(leaseMs, PATIENCE_MS));
    }
    const ended = this.#wait(name, leaseMs);
    const landed = own.then((value) => ({ value }));
    const first = Promise.race([landed, ended]);
    // The holder of a lease is not told how it ended.
    const leave = () => this.#waits.get(name)?.end(ASK_AGAIN);
    landed.then(leave, leave);
    return first;
  }

  /** Also ends when its holder's time may be over, and the next one who asks may compute. */
  #wait(name: string, patienceMs: number): Promise<Ending> {
    const there = this.#waits.get(name);
    if (there !== undefined) {
      return there.ended;
    }
    let end: (how: Ending) => void = () => {};
    const ended = new Promise<Ending>((resolve) => {
      const late = setTimeout(() => end(ASK_AGAIN), patienceMs).unref();
      end = (how) => {
        clearTimeout(late);
        this.#waits.delete(name);
        resolve(how);
      };
    });
    this.#waits.set(name, { ended, end });
    return ended;
  }

  /** But for the computations of this thread, which need no owner to reach those who wait here. */
  #endAll(shard: number): void {
    for (const [name, { end }] of this.#waits) {
      if (name.startsWith(nameOf(shard, '')) && !this.#out.has(name)) {
        end(ASK_AGAIN);
      }
    }
  }

  /** A computation that nobody waits for. */
  #leaveAlone(flight: Promise<StoredValue> | undefined, key: CacheKey): void {
    flight?.catch((cause: unknown) => {
      this.#notices.tell('warning', 'A value whose ttl is over could not be computed anew, and is served on', {
        key,
        cause,
      });
    });
  }

  /** Who asked has his value, or the error that matters: what else goes wrong is told to the logger. */
  async #try(done: string, key: CacheKey, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (cause) {
      this.#notices.tell('warning', `A computed value could not be ${done}`, { key, cause });
    }
  }

  #limit(call: Call, key: CacheKey, { signal, timeoutMs }: CallLimits): void {
    call.watch(
      { signal, timeoutMs },
      () => call.reject(signal?.reason),
      () => call.reject(late(key, timeoutMs)),
    );
  }
}

function nameOf(shard: number, token: number | ''): string {
  return `${shard}:${token}`;
}

function late(key: CacheKey, timeoutMs: number): CacheError {
  const message = `The value was not computed within ${timeoutMs} ms. It is stored when it is; \`timeout\` says how long to wait`;
  return new CacheError('TIMEOUT', message, { key });
}

function tooLong(key: CacheKey, leaseMs: number): CacheError {
  const message = `The computation took longer than ${leaseMs} ms. \`leaseTimeout\` says how long it may take`;
  return new CacheError('TIMEOUT', message, { key });
}
