/**
 * The computations of getOrSet, one a key: whoever asks for a key while its value is computed waits for that. The owner
 * of the key grants the right to compute it as a lease, so a value that somebody writes meanwhile is not overwritten by
 * one that was computed before, and a deleted key does not come back; the waiters get what was computed all the same.
 * Everybody asks the owner first, so whoever comes after such a write waits for nothing that was begun before it.
 *
 * Each waiter has limits of his own. When he gives up the computation goes on, and what it brings is stored.
 */

import type { CacheKey } from '../protocol/cache-key.ts';
import { CacheError } from '../protocol/errors.ts';
import { FLAG_COUNTED, OP_FILL, OP_LEASE, OP_RELEASE, type StoredValue } from '../protocol/operations.ts';
import { bodyOf, Call, type CallBody, type CallLimits, UNLIMITED } from './call.ts';
import type { Client } from './client.ts';
import { Gathering } from './gathering.ts';
import type { Notices } from './notices.ts';

/** What getOrSet runs when there is no value: gets the key, and may be async. */
export type Factory<V, K> = (key: K) => V | Promise<V>;

/** How long to wait before asking again whether another client has computed the value. */
const POLL_MS = 10;

export class Flights {
  readonly #client: Client;
  readonly #notices: Notices;
  /** By key, the last computation that this client has begun and not ended. */
  readonly #out = new Map<string, Promise<StoredValue>>();
  /** Whoever waits, and when he no longer does. */
  readonly #waiters = new Map<Call, Promise<unknown>>();

  constructor(client: Client, notices: Notices) {
    this.#client = client;
    this.#notices = notices;
  }

  /**
   * The value of the key that was just aimed at, computed where it is absent. `lease` says how long it will live. Rejects
   * with what the factory throws, with SERIALIZATION_ERROR, TIMEOUT, or the signal's reason.
   */
  join(key: CacheKey, factory: Factory<unknown, never>, lease: CallBody, limits: CallLimits): Promise<StoredValue> {
    const { id } = this.#client.key;
    // The caller, or the factory, may go on to change a key that is an object.
    const own = typeof key === 'object' ? this.#client.aimed : key;
    const make = () => (factory as Factory<unknown, CacheKey>)(key);
    return this.#wait(this.#valueOf(id, own, make, lease), key, limits);
  }

  /** Resolves when nobody waits. */
  async drained(): Promise<void> {
    await Promise.allSettled(this.#waiters.values());
  }

  /** Rejects whoever waits. */
  fail(error: CacheError): void {
    for (const call of this.#waiters.keys()) {
      call.reject(error);
    }
  }

  async #valueOf(id: string, key: CacheKey, make: () => unknown, lease: CallBody): Promise<StoredValue> {
    for (let body = lease; ; body = { ...lease, flags: lease.flags | FLAG_COUNTED }) {
      const answer = await this.#askForLease(key, body);
      if (typeof answer === 'number') {
        return await this.#launch(id, key, make, answer);
      }
      if (answer !== false) {
        return answer as StoredValue;
      }
      const flight = this.#out.get(id);
      if (flight !== undefined) {
        return await flight;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** A lease that may have been granted to somebody who no longer waits goes back. */
  async #askForLease(key: CacheKey, body: CallBody): Promise<unknown> {
    try {
      return await this.#ask(OP_LEASE, key, body);
    } catch (error) {
      if (error instanceof CacheError && error.code === 'TIMEOUT') {
        this.#end(OP_RELEASE, key, bodyOf(-1)).catch((cause: unknown) => {
          this.#notices.tell('warning', 'A lease could not be given back', { key, cause });
        });
      }
      throw error;
    }
  }

  #launch(id: string, key: CacheKey, make: () => unknown, token: number): Promise<StoredValue> {
    const flight = this.#compute(key, make, token);
    this.#out.set(id, flight);
    const land = () => {
      if (this.#out.get(id) === flight) {
        this.#out.delete(id);
      }
    };
    flight.then(land, land);
    return flight;
  }

  async #compute(key: CacheKey, make: () => unknown, token: number): Promise<StoredValue> {
    const { codec } = this.#client;
    let value: StoredValue;
    try {
      codec.encode(await make());
      value = { tag: codec.tag, bytes: Buffer.from(codec.bytes.subarray(0, codec.byteLength)) };
    } catch (error) {
      await this.#try('given back', key, () => this.#end(OP_RELEASE, key, bodyOf(token)));
      throw error;
    }
    const body = { tag: value.tag, argument: token, flags: 0, bytes: value.bytes, byteLength: value.bytes.length };
    await this.#try('stored', key, () => this.#store(key, body));
    return value;
  }

  /** A value that could never fit is not sent; the lease goes back. */
  async #store(key: CacheKey, body: CallBody): Promise<void> {
    try {
      this.#client.aimWith(body, key);
    } catch (error) {
      await this.#end(OP_RELEASE, key, bodyOf(body.argument));
      throw error;
    }
    await this.#end(OP_FILL, key, body);
  }

  /** Ends a lease, when the lane has room: one that is not ended keeps the next who asks waiting. */
  async #end(op: number, key: CacheKey, body: CallBody): Promise<void> {
    const { lane } = this.#client.aim(key);
    while (lane.isCrowded) {
      await lane.progress();
    }
    await this.#ask(op, key, body);
  }

  #ask(op: number, key: CacheKey, body: CallBody): Promise<unknown> {
    return this.#client.ask(this.#client.aim(key), op, key, UNLIMITED, body);
  }

  /** Who asked has his value, or the error that matters: what else goes wrong is told to the logger. */
  async #try(done: string, key: CacheKey, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (cause) {
      this.#notices.tell('warning', `A computed value could not be ${done}`, { key, cause });
    }
  }

  #wait(value: Promise<StoredValue>, key: CacheKey, { signal, timeoutMs }: CallLimits): Promise<StoredValue> {
    const gathering = new Gathering(1);
    const call = new Call(key, gathering, 0);
    call.watch(
      { signal, timeoutMs },
      () => call.reject(signal?.reason),
      () => call.reject(late(key, timeoutMs)),
    );
    value.then(
      (stored) => call.resolve(stored),
      (error) => call.reject(error),
    );
    this.#waiters.set(call, gathering.results);
    const leave = () => this.#waiters.delete(call);
    gathering.results.then(leave, leave);
    return gathering.results.then(([stored]) => stored as StoredValue);
  }
}

function late(key: CacheKey, timeoutMs: number): CacheError {
  const message = `The value was not computed within ${timeoutMs} ms. It is stored when it is; \`timeout\` says how long to wait`;
  return new CacheError('TIMEOUT', message, { key });
}
