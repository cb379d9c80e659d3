/**
 * The order of a call: memory, which takes no turn of the event loop; a computation of the same call that is under way in this
 * thread; what outlives the process; the leave to compute; and the function at last, whose result goes the way back.
 *
 *     memory --> flight --> tier --> claim --> function --> tier --> memory
 *                 |                   |
 *                 wait for it         another process has it: wait, look again
 *
 * In a cache that is given the way from the flight on is the factory of a `getOrSet`, so that of all threads one goes it.
 * A call is worth more than what keeps its result: what memory or tier cannot do is told and counted, and the caller has his result.
 * What the function throws is kept nowhere.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import { CacheError } from '../../protocol/errors.ts';
import { computing } from '../computing.ts';
import { ABSENT } from './boxed.ts';
import { MemoFlights } from './flights.ts';
import { closedMemo } from './kept-results.ts';
import type { MemoParts } from './memo-parts.ts';
import type { Found, MemoStatus, MissedCall } from './missed-call.ts';
import { MissedCalls, shareOf, snapshotOf } from './missed-calls.ts';
import type { MemoTier } from './tier.ts';

/** How long `close` waits for what is being computed. */
const CLOSE_TIMEOUT_MS = 5_000;

export interface MemoOutcome {
  readonly value: unknown;
  readonly status: MemoStatus;
}

/** A call's arguments that matter, and what it is kept under in memory. */
interface Aimed {
  readonly keyed: readonly unknown[];
  readonly key: CacheKey;
}

let memos = 0;

/** Methods throw INVALID_KEY at once; whatever else goes wrong is a rejection. */
export class Memo {
  readonly parts: MemoParts;
  readonly #id = `memo ${memos++}`;
  readonly #flights: MemoFlights;
  readonly #closing = new AbortController();
  readonly #missed: MissedCalls;
  #closed: Promise<void> | undefined;

  constructor(parts: MemoParts) {
    this.parts = parts;
    this.#flights = new MemoFlights(parts.plan.timeoutMs);
    this.#missed = new MissedCalls(parts, this.#closing.signal);
  }

  /** `extra` is what the result is kept under beside the arguments, if anything. */
  call(self: unknown, args: readonly unknown[], extra?: readonly unknown[]): Promise<unknown> {
    const { keys, plan } = this.parts;
    if (plan.isDisabled) {
      return this.#passed(self, args);
    }
    const keyed = extra === undefined ? keys.keyed(args) : [...extra, ...keys.keyed(args)];
    const key = keys.inMemory(keyed);
    const value = this.#recall(key, keyed);
    return value === ABSENT ? this.#miss(self, args, { keyed, key }).then(resultOf) : Promise.resolve(value);
  }

  async callWithStatus(self: unknown, args: readonly unknown[]): Promise<MemoOutcome> {
    if (this.parts.plan.isDisabled) {
      return { value: await this.#passed(self, args), status: 'miss' };
    }
    const aimed = this.#aim(args);
    const seen = this.#recall(aimed.key, aimed.keyed);
    if (seen !== ABSENT) {
      return { value: seen, status: 'memory' };
    }
    const { value, status } = await this.#miss(self, args, aimed);
    return { value, status };
  }

  /** What is kept, or ABSENT. */
  async get(args: readonly unknown[]): Promise<unknown> {
    const { keys, plan, kept } = this.parts;
    if (plan.isDisabled) {
      return ABSENT;
    }
    const { keyed, key } = this.#aim(args);
    this.#assertOpen();
    const value = this.#recall(key, keyed);
    if (value !== ABSENT || kept === undefined) {
      return value;
    }
    const text = keys.text(keyed);
    const record = await kept.look(text);
    if (record === undefined) {
      return ABSENT;
    }
    await this.#missed.keep(key, { stored: record.result, expiresAtMs: record.expiresAtMs });
    return plan.copy === undefined ? record.result : plan.copy(record.result);
  }

  async has(args: readonly unknown[]): Promise<boolean> {
    const { plan, kept, memory } = this.parts;
    if (plan.isDisabled) {
      return false;
    }
    const { key, text } = this.#named(args);
    return (await memory.has(key)) || (kept !== undefined && (await kept.look(text)) !== undefined);
  }

  /** Keeps a result that was not computed here. */
  async put(result: unknown, args: readonly unknown[]): Promise<void> {
    const { plan, kept } = this.parts;
    if (plan.isDisabled) {
      return;
    }
    const { key, text } = this.#named(args);
    const ownArgs = snapshotOf(args);
    const stored = this.#missed.stored(result);
    this.#flights.drop(text);
    await kept?.put(text, ownArgs, stored);
    await this.#missed.keep(key, { stored, expiresAtMs: this.#missed.expiryOfNew });
  }

  /** Whether there was a result. */
  async forget(args: readonly unknown[]): Promise<boolean> {
    const { plan, kept, memory } = this.parts;
    if (plan.isDisabled) {
      return false;
    }
    const { key, text } = this.#named(args);
    this.#flights.drop(text);
    const [fromMemory, fromTier] = await Promise.all([
      memory.forget(key),
      kept === undefined ? false : kept.open().then((tier) => tier.delete(text)),
    ]);
    return fromMemory || fromTier;
  }

  /** Calls the function, whatever is kept, and keeps what it returns. */
  async force(self: unknown, args: readonly unknown[]): Promise<unknown> {
    if (this.parts.plan.isDisabled) {
      return await this.#passed(self, args);
    }
    const call = this.#missedCall(self, args, this.#aim(args));
    this.#assertNotWithin(call);
    const flight = this.#flights.launch(call, (own) => this.#missed.force(call, own));
    return (await this.#limited(flight.outcome, call)).value;
  }

  async clear(): Promise<void> {
    const { keys, kept, memory } = this.parts;
    this.#assertOpen();
    const underway = this.#flights.dropAll();
    await memory.forgetAll((key) => keys.textOf(key), underway);
    if (kept !== undefined) await (await kept.open()).clear();
  }

  /** What outlives the process; undefined where nothing does. */
  async openTier(): Promise<MemoTier | undefined> {
    return this.parts.plan.isDisabled ? undefined : await this.parts.kept?.open();
  }

  /** Opens what opens with the first call otherwise. */
  async open(): Promise<void> {
    const { plan, memory, kept } = this.parts;
    if (!plan.isDisabled) await Promise.all([memory.open(), kept?.open()]);
  }

  /** Waits up to 5 s for what is being computed. Calls that are not done then, and later ones, reject with CACHE_CLOSED. */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  /** A result in memory, or ABSENT. */
  #recall(key: CacheKey, keyed: readonly unknown[]): unknown {
    const { plan, memory, keys } = this.parts;
    const value = memory.recall(key);
    if (value === ABSENT || (plan.validate !== undefined && !plan.validate(value))) {
      if (value !== ABSENT) this.#forgetInvalid(key);
      return ABSENT;
    }
    plan.log.memoryHit?.(`Cache hit (mem): ${keys.text(keyed)}`);
    return plan.copy === undefined ? value : plan.copy(value);
  }

  #miss(self: unknown, args: readonly unknown[], aimed: Aimed): Promise<Found> {
    const { plan } = this.parts;
    const call = this.#missedCall(self, args, aimed);
    plan.log.memoryMiss?.(`Cache miss (mem): ${call.text}`);
    if (plan.allowsRace) {
      return this.#limited(this.#flights.race(call, (own) => this.#missed.fly(call, own)).outcome, call);
    }
    this.#assertNotWithin(call);
    const there = this.#flights.get(call.text);
    if (there !== undefined && !there.hasTaken(plan.timeoutMs)) {
      return this.#limited(there.outcome, call).then((found) => this.#joined(found, call.key));
    }
    return this.#limited(this.#flights.launch(call, (own) => this.#missed.fly(call, own)).outcome, call);
  }

  /** The first who asked has the value itself. */
  #joined(found: Found, key: CacheKey): Found {
    const { plan, memory } = this.parts;
    // Memory has its own serializer, and mostly the result.
    const kept = memory.recall(key);
    const value = kept === ABSENT ? shareOf(found.stored) : kept;
    return { ...found, value: plan.copy === undefined ? value : plan.copy(value) };
  }

  async #passed(self: unknown, args: readonly unknown[]): Promise<unknown> {
    return await this.parts.work(self, args);
  }

  #aim(args: readonly unknown[]): Aimed {
    const { keys } = this.parts;
    const keyed = keys.keyed(args);
    return { keyed, key: keys.inMemory(keyed) };
  }

  /** What a call is kept under, in memory and in what outlives the process. */
  #named(args: readonly unknown[]): { key: CacheKey; text: string } {
    const { keyed, key } = this.#aim(args);
    this.#assertOpen();
    return { key, text: this.parts.keys.text(keyed) };
  }

  #missedCall(self: unknown, args: readonly unknown[], { keyed, key }: Aimed): MissedCall {
    this.#assertOpen();
    const { keys, kept, plan } = this.parts;
    const text = keys.text(keyed);
    const ownArgs = kept === undefined ? undefined : snapshotOf(args);
    const id = `${this.#id} ${text}`;
    return { self, args, ownArgs, text, key, id, chain: computing.chain(), stack: plan.log.stack() };
  }

  #forgetInvalid(key: CacheKey): void {
    const { memory, plan } = this.parts;
    memory.forget(key).catch((cause: unknown) => plan.log.tellFailure('remove a result from its memory', cause));
  }

  /** Each caller has a limit of his own, and the work goes on. */
  #limited(outcome: Promise<Found>, { text }: MissedCall): Promise<Found> {
    const { name, plan } = this.parts;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(timedOut(name, text, plan.timeoutMs)), plan.timeoutMs);
      outcome.then(
        (found) => {
          clearTimeout(timer);
          resolve(found);
        },
        (error) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
  }

  #assertNotWithin({ chain, id }: MissedCall): void {
    if (chain.includes(id)) {
      throw reentrantCall(this.parts.name);
    }
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) {
      throw closedMemo(this.parts.name);
    }
  }

  async #shutDown(): Promise<void> {
    const { memory, kept, name, onClose } = this.parts;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    });
    await Promise.race([this.#flights.landed(), late]);
    clearTimeout(timer);
    const closed = closedMemo(name);
    this.#closing.abort(closed);
    // What never settles has no caller wait for it.
    this.#flights.abandon(closed);
    try {
      await Promise.all([memory.close(), kept?.close()]);
    } finally {
      onClose();
    }
  }
}

/** Of a function that calls itself with the arguments that it was called with. */
export function reentrantCall(name: string): TypeError {
  const message =
    `${name} has called itself through its memo with the arguments that it is computing, and would wait for itself. ` +
    'Calls with other arguments are free to be made; `allowRace` computes each call';
  return Object.assign(new TypeError(message), { code: 'REENTRANT_CALL' });
}

function resultOf({ value }: Found): unknown {
  return value;
}

function timedOut(name: string, key: string, timeoutMs: number): CacheError {
  const message =
    `A call of ${name} was not done within ${timeoutMs} ms. Its result is kept when it comes; \`timeout\` says how long ` +
    'to wait';
  return new CacheError('TIMEOUT', message, { key });
}
