/**
 * One client's part of a history: random operations on a few keys that all clients share, several in flight, each with
 * when it was called, when it came back, and with what. Times are `performance.now()`, which has one origin in all threads
 * of a process and never goes backwards between them (20,000 stamps passed from thread to thread and back: in order).
 */

/** Distance between numbers that are set: less than what is ever added to one of them. */
const NUMBER_STEP = 1_000;
const CLIENT_STEP = 1e9;
const ADDED_MAX = 9;
const IN_FLIGHT_MAX = 4;
/** One call in so many waits for its answer as short as can be, and its outcome may be unknown. */
const HASTY_ONE_IN = 100;
const HASTY = { timeout: 1 };

/** By weight. */
const KINDS = Object.entries({ get: 15, getSync: 4, set: 9, delete: 5, add: 4, increment: 5, getOrSet: 8 }).flatMap(
  ([kind, weight]) => new Array(weight).fill(kind),
);

/** Where there is a lot to do at once, and where the answer of a factory comes from. */
const FACTORIES = [
  (value) => value(),
  (value) => value(),
  async (value) => value(),
  (value) => new Promise((resolve) => setImmediate(() => resolve(value()))),
  (value) => new Promise((resolve) => setTimeout(() => resolve(value()), 1)),
];

export class HistoryClient {
  #cache;
  #client;
  #isOverTier;
  #state;
  #values = 0;
  #keys;
  #records;
  /** By key, own writes that have not been answered: getSync sees them before anybody else does. */
  #unanswered;

  constructor(cache, { client, seed, isOverTier }) {
    this.#cache = cache;
    this.#isOverTier = isOverTier;
    this.#client = client;
    this.#state = seed + client * 0x9e3779b9;
  }

  /** What it did, in the order of its calls. A factory may go on to note its end in it. */
  async play(keys, operations) {
    this.#keys = keys;
    this.#records = [];
    this.#unanswered = keys.map(() => 0);
    const inFlightMax = 1 + this.#below(IN_FLIGHT_MAX);
    const inFlight = new Set();
    for (let i = 0; i < operations; i++) {
      while (inFlight.size >= inFlightMax) {
        await Promise.race(inFlight);
      }
      const call = this.#begin();
      inFlight.add(call);
      void call.then(() => inFlight.delete(call));
    }
    await Promise.all(inFlight);
    return this.#records;
  }

  #begin() {
    const kind = KINDS[this.#below(KINDS.length)];
    const place = this.#below(this.#keys.length);
    const key = this.#keys[place];
    const hasty = this.#below(HASTY_ONE_IN) === 0;
    const options = hasty ? HASTY : undefined;
    const cache = this.#cache;
    switch (kind) {
      case 'get':
        return this.#follow({ kind, place, hasty }, () => cache.get(key, options));
      case 'getSync':
        return this.#getSync(key, place);
      case 'delete':
        return this.#write({ kind, place, hasty }, () => cache.delete(key, options));
      case 'increment': {
        const by = 1 + this.#below(ADDED_MAX);
        return this.#write({ kind, place, hasty, by }, () => cache.increment(key, by, options));
      }
      case 'getOrSet':
        return this.#getOrSet(key, place, hasty, options);
      default: {
        const value = this.#unique();
        return this.#write({ kind, place, hasty, value }, () => cache[kind](key, value, options));
      }
    }
  }

  /** Not judged beside a write of its own, as the documentation says; nor, over a tier, where memory has nothing. */
  async #getSync(key, place) {
    if (this.#unanswered[place] === 0) {
      const record = await this.#follow({ kind: 'getSync', place }, () => this.#cache.getSync(key));
      if (this.#isOverTier && record.result === undefined) {
        record.outcome = 'unknown';
      }
    }
  }

  async #getOrSet(key, place, hasty, options) {
    const runs = [];
    const make = FACTORIES[this.#below(FACTORIES.length)];
    const factory = () => {
      const run = { value: this.#unique(), startedAt: performance.now(), endedAt: Number.POSITIVE_INFINITY };
      runs.push(run);
      return make(() => {
        run.endedAt = performance.now();
        return run.value;
      });
    };
    const call = () => this.#cache.getOrSet(key, factory, options);
    await this.#follow({ kind: 'getOrSet', place, hasty, runs }, call);
  }

  async #write(what, call) {
    this.#unanswered[what.place]++;
    const record = await this.#follow(what, call);
    // One with an unknown outcome may be unanswered for ever.
    this.#unanswered[what.place] -= record.outcome === 'unknown' ? 0 : 1;
  }

  async #follow(what, call) {
    const record = { ...what, client: this.#client, outcome: 'returned', calledAt: performance.now(), returnedAt: 0 };
    this.#records.push(record);
    try {
      const result = await call();
      record.returnedAt = performance.now();
      record.result = record.kind === 'add' ? 'ADDED' : result;
    } catch (error) {
      record.returnedAt = performance.now();
      Object.assign(record, resultOf(record, error));
    }
    return record;
  }

  /** A number now and then, for increments to add to. */
  #unique() {
    const id = ++this.#values;
    return id % 3 === 0 ? (this.#client + 1) * CLIENT_STEP + id * NUMBER_STEP : `${this.#client}:${id}`;
  }

  /** Mulberry32, as random.ts has it. */
  #below(limit) {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return Math.floor((((z ^ (z >>> 14)) >>> 0) / 0x1_0000_0000) * limit);
  }
}

/** What an error says of a call. Those that no history should meet are thrown again: who is not hasty is answered. */
function resultOf({ kind, place, client, hasty }, error) {
  const { code, outcome } = error;
  if (kind === 'add' && code === 'KEY_EXISTS') {
    return { result: code };
  }
  if (kind === 'increment' && code === 'SERIALIZATION_ERROR') {
    return { result: 'NOT_A_NUMBER' };
  }
  if ((hasty && code === 'TIMEOUT') || code === 'SHARD_DOWN' || (kind === 'getSync' && code === 'BUSY')) {
    return { outcome: outcome ?? 'unknown' };
  }
  throw new Error(`A ${kind} of key ${place} by client ${client} failed: ${error.message}`, { cause: error });
}
