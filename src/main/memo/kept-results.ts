/**
 * The results that outlive the process, as calls use them: those that still serve, and whose turn it is to compute those that do
 * not.
 *
 * A tier that fails is not worth a call, which has its result from the function all the same: what it could not do is told to the
 * log, and counted. One that cannot be opened is another thing, and rejects: its name is wrong, or its file is somebody else's.
 */
import type { Answer } from '../../protocol/engines/engine.ts';
import { CacheError } from '../../protocol/errors.ts';
import { EVER } from '../units.ts';
import type { MemoFlight } from './flights.ts';
import type { CallPlan } from './memo-options.ts';
import type { Claim, MemoRecord, MemoTier } from './tier.ts';

export interface KeptParts {
  /** The memo's, for messages. */
  readonly name: string;
  readonly plan: CallPlan;
  /** What results are kept with, and must be kept with to serve. */
  readonly version: string | undefined;
  /** Called again where it has thrown or rejected. */
  open(): Answer<MemoTier>;
}

export class KeptResults {
  readonly #parts: KeptParts;
  #tier: MemoTier | undefined;
  #opening: Promise<MemoTier> | undefined;
  #isClosed = false;

  constructor(parts: KeptParts) {
    this.#parts = parts;
  }

  /** Rejects with STORE_FOREIGN, ENGINE_ERROR and what else an opening does. */
  async open(): Promise<MemoTier> {
    if (this.#tier !== undefined) {
      return this.#tier;
    }
    if (this.#isClosed) {
      throw closedMemo(this.#parts.name);
    }
    this.#opening ??= this.#open();
    return await this.#opening;
  }

  /** The result of a call, where there is one that serves. */
  async look(text: string): Promise<MemoRecord | undefined> {
    const tier = this.#tier ?? (await this.open());
    let record: MemoRecord | undefined;
    try {
      record = await tier.get(text);
    } catch (cause) {
      this.#tell(`read ${tier.filename}`, cause);
    }
    const { plan, version } = this.#parts;
    return record !== undefined && serves(record, plan, version) ? record : undefined;
  }

  /**
   * Resolves when it is this flight's turn to compute, which then has the claim, if the tier grants any; or with the result that
   * another process has computed meanwhile. Rejects with TIMEOUT, and with CACHE_CLOSED when `signal` aborts.
   */
  async take(text: string, flight: MemoFlight, signal: AbortSignal): Promise<MemoRecord | undefined> {
    const tier = await this.open();
    if (tier.claim === undefined) {
      return undefined;
    }
    const { timeoutMs } = this.#parts.plan;
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      let claim: Claim;
      try {
        claim = tier.claim(text);
      } catch (cause) {
        // Two processes may compute it: better than none.
        this.#tell(`claim a call in ${tier.filename}`, cause);
        return undefined;
      }
      if (claim.isGranted) {
        // It is not where somebody else was done between the look and the claim.
        flight.claim = claim;
        return undefined;
      }
      const isNews = await this.#wait(claim, deadlineMs - performance.now(), signal);
      const theirs = isNews ? await this.look(text) : undefined;
      if (theirs !== undefined) {
        return theirs;
      }
      if (performance.now() >= deadlineMs) {
        throw heldFor(this.#parts.name, timeoutMs, claim.holder);
      }
    }
  }

  /** Keeps a result. Rejects with SERIALIZATION_ERROR alone: everything else is told. */
  async write(text: string, args: readonly unknown[] | undefined, result: unknown): Promise<void> {
    try {
      await this.put(text, args, result);
    } catch (cause) {
      if (isSerializationError(cause)) {
        throw cause;
      }
      this.#tell(`write to ${this.#tier?.filename ?? 'its file'}`, cause);
    }
  }

  /** The same for who asks for nothing else: it rejects with whatever stands in its way. */
  async put(text: string, args: readonly unknown[] | undefined, result: unknown): Promise<void> {
    const tier = this.#tier ?? (await this.open());
    const { version, plan } = this.#parts;
    const record = { result, args, version, createdAtMs: Date.now(), expiresAtMs: expiryIn(plan) };
    try {
      await tier.set(text, record);
    } catch (cause) {
      if (args === undefined || !isSerializationError(cause)) {
        throw cause;
      }
      // Perhaps it is the arguments that cannot be stored: the result is what matters.
      await tier.set(text, { ...record, args: undefined });
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const tier = this.#tier ?? (await this.#opening?.catch(() => undefined));
    this.#tier = undefined;
    await tier?.close();
  }

  async #open(): Promise<MemoTier> {
    try {
      this.#tier = await this.#parts.open();
      return this.#tier;
    } finally {
      this.#opening = undefined;
    }
  }

  async #wait(claim: Claim, leftMs: number, signal: AbortSignal): Promise<boolean> {
    try {
      return await claim.wait(Math.max(1, leftMs), signal);
    } finally {
      claim.release();
      signal.throwIfAborted();
    }
  }

  #tell(what: string, cause: unknown): void {
    this.#parts.plan.log.tellFailure(what, cause);
  }
}

/** Whether a result was kept by this version of the function, and is valid. What the user's `validate` throws goes to the caller. */
export function serves(record: MemoRecord, { validate }: CallPlan, version: string | undefined): boolean {
  if (version !== undefined && record.version !== version) {
    return false;
  }
  return validate === undefined || validate(record.result);
}

/** When a result ends that is made now. */
export function expiryIn({ ttlMs = EVER }: CallPlan): number {
  return ttlMs === EVER ? EVER : Date.now() + ttlMs;
}

export function isSerializationError(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'SERIALIZATION_ERROR';
}

export function closedMemo(name: string): CacheError {
  return new CacheError('CACHE_CLOSED', `The memo of ${name} is closed: memoize the function again`);
}

/** Somebody else has computed a call for longer than its caller waits. */
export function heldFor(name: string, timeoutMs: number, holder = 'somebody else'): CacheError {
  const message =
    `A call of ${name} is computed by ${holder}, and was not done within ${timeoutMs} ms. \`timeout\` says how long to ` +
    'wait, and `allowRace` lets all compute';
  return new CacheError('TIMEOUT', message);
}
