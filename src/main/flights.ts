/**
 * The computations of getOrSet, one a key: whoever asks for a key while its value is computed waits for that. The owner
 * of the key grants the right to compute it as a lease, so a value that somebody writes meanwhile is not overwritten by
 * one that was computed before, and a deleted key does not come back; the waiters get what was computed all the same.
 *
 * Each waiter has limits of his own. When he gives up the computation goes on, and what it brings is stored.
 */
import { CacheError } from '../protocol/errors.ts';
import type { CacheKey } from '../protocol/key.ts';
import { OP_FILL, OP_LEASE, OP_RELEASE, type StoredValue } from '../protocol/operations.ts';
import { bodyOf, Call, type CallBody, type CallLimits, UNLIMITED } from './call.ts';
import type { Client } from './client.ts';
import type { Notices } from './notices.ts';

/** What getOrSet runs when there is no value: gets the key, and may be async. */
export type Factory<V, K> = (key: K) => V | Promise<V>;

/** A flight that takes longer is not joined any more: the shard gives its lease to the next who asks. */
const JOIN_MS = 30_000;
/** How long to wait before asking again whether another client has computed the value. */
const POLL_MS = 10;

interface Flight {
  readonly value: Promise<StoredValue>;
  readonly sinceMs: number;
}

export class Flights {
  readonly #client: Client;
  readonly #notices: Notices;
  readonly #out = new Map<string, Flight>();

  constructor(client: Client, notices: Notices) {
    this.#client = client;
    this.#notices = notices;
  }

  /**
   * The value of the key that was just aimed at, computed where it is absent. `lease` says how long it will live. Rejects
   * with what the factory throws, with SERIALIZATION_ERROR, TIMEOUT, or the signal's reason.
   */
  join(key: CacheKey, factory: Factory<unknown, never>, lease: CallBody, limits: CallLimits): Promise<StoredValue> {
    const id = this.#client.key.id;
    const flight = this.#under(id) ?? this.#launch(id, key, factory as Factory<unknown, CacheKey>, lease);
    return waitFor(flight.value, key, limits);
  }

  #under(id: string): Flight | undefined {
    const flight = this.#out.get(id);
    return flight !== undefined && performance.now() - flight.sinceMs < JOIN_MS ? flight : undefined;
  }

  #launch(id: string, key: CacheKey, factory: Factory<unknown, CacheKey>, lease: CallBody): Flight {
    const flight = { value: this.#fly(key, factory, lease), sinceMs: performance.now() };
    this.#out.set(id, flight);
    const land = () => {
      if (this.#out.get(id) === flight) {
        this.#out.delete(id);
      }
    };
    flight.value.then(land, land);
    return flight;
  }

  async #fly(key: CacheKey, factory: Factory<unknown, CacheKey>, lease: CallBody): Promise<StoredValue> {
    for (;;) {
      const answer = await this.#ask(OP_LEASE, key, lease);
      if (typeof answer === 'number') {
        return await this.#compute(key, factory, answer);
      }
      if (answer !== false) {
        return answer as StoredValue;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #compute(key: CacheKey, factory: Factory<unknown, CacheKey>, token: number): Promise<StoredValue> {
    const { codec } = this.#client;
    let value: StoredValue;
    try {
      codec.encode(await factory(key));
      value = { tag: codec.tag, bytes: Buffer.from(codec.bytes.subarray(0, codec.byteLength)) };
    } catch (error) {
      await this.#try('given back', key, () => this.#ask(OP_RELEASE, key, bodyOf(token)));
      throw error;
    }
    const body = { tag: value.tag, argument: token, flags: 0, bytes: value.bytes, byteLength: value.bytes.length };
    await this.#try('stored', key, () => this.#ask(OP_FILL, key, body));
    return value;
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
}

function waitFor(value: Promise<StoredValue>, key: CacheKey, { signal, timeoutMs }: CallLimits): Promise<StoredValue> {
  return new Promise((resolve, reject) => {
    const call = new Call(key, { resolve: (result) => resolve(result as StoredValue), reject }, 0);
    call.watch(
      { signal, timeoutMs },
      () => call.reject(signal?.reason),
      () => call.reject(late(key, timeoutMs)),
    );
    value.then(
      (stored) => call.resolve(stored),
      (error) => call.reject(error),
    );
  });
}

function late(key: CacheKey, timeoutMs: number): CacheError {
  const message = `The value was not computed within ${timeoutMs} ms. It is stored when it is; \`timeout\` says how long to wait`;
  return new CacheError('TIMEOUT', message, { key });
}
