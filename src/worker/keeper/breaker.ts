/**
 * A circuit breaker (M. Nygard, "Release It!", 2007) around the engine of a tier. A disk that is gone takes its time to say so, for
 * every call again, and memory could serve meanwhile; so who asks too often in vain is told at once.
 *
 *     up     DOWN_AFTER calls in a row end in ENGINE_ERROR      -> down
 *     down   every call is refused, until a pause is over; then one is tried
 *            it succeeds                                        -> up
 *            it fails                                           -> down, for twice as long, PAUSE_MAX_MS at most
 *
 * What is wrong with one key (STORE_CORRUPT, VALUE_TOO_LARGE, LOCKED) is counted as a failure too, but an engine that says so
 * works. One that never answers is not seen here: the callers' own deadlines are for that.
 */
import type { Answer } from '../../protocol/engines/engine.ts';
import { engineError } from '../../protocol/engines/faults.ts';
import { CacheError } from '../../protocol/errors.ts';
import { TIER_DOWN, TIER_FAILURES } from '../../protocol/tier.ts';
import type { TierCounts } from './counts.ts';

export const DOWN_AFTER = 5;
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 1_000;

export interface BreakerParts {
  /** Directory or name of the tier, for messages. */
  readonly where: string;
  readonly counts: TierCounts;
  down(message: string): void;
  up(): void;
  /** Monotonic milliseconds. */
  nowMs(): number;
}

/** While the engine is down. */
interface Outage {
  /** As people read it. */
  readonly since: string;
  reason: string;
  pauseMs: number;
  retryAtMs: number;
  isProbed: boolean;
}

export class Breaker {
  readonly #parts: BreakerParts;
  #failures = 0;
  #outage: Outage | undefined;

  constructor(parts: BreakerParts) {
    this.#parts = parts;
  }

  /** What the engine answers; rejects with a CacheError, or a TypeError with a code. Bytes are the caller's own. */
  async run<T>(step: () => Answer<T>): Promise<T> {
    const outage = this.#outage;
    if (outage !== undefined) {
      this.#admit(outage);
    }
    try {
      const answer = step();
      const value = answer instanceof Promise ? await answer : owned(answer);
      this.#succeeded(outage);
      return value;
    } catch (cause) {
      const error = engineError('use a tier', this.#parts.where, cause);
      this.#failed(error, outage);
      throw error;
    }
  }

  /** Throws ENGINE_ERROR unless this is the call that tries. */
  #admit(outage: Outage): void {
    if (outage.isProbed || this.#parts.nowMs() < outage.retryAtMs) {
      const message = `The tier at ${this.#parts.where} has been failing since ${outage.since}, and this call was not tried: ${outage.reason}. Next: mend what that says; the tier is tried again within a second by itself`;
      throw new CacheError('ENGINE_ERROR', message, { path: this.#parts.where });
    }
    outage.isProbed = true;
  }

  /** `outage`: that which the call has tried to end. What began before it and comes late says nothing of now. */
  #succeeded(outage: Outage | undefined): void {
    if (outage !== this.#outage) {
      return;
    }
    this.#failures = 0;
    if (outage !== undefined) {
      this.#outage = undefined;
      this.#parts.counts.put(TIER_DOWN, 0);
      this.#parts.up();
    }
  }

  #failed(error: Error, outage: Outage | undefined): void {
    this.#parts.counts.add(TIER_FAILURES);
    if ((error as { code?: unknown }).code !== 'ENGINE_ERROR') {
      return this.#succeeded(outage);
    }
    if (outage !== this.#outage) {
      return;
    }
    if (outage !== undefined) {
      outage.isProbed = false;
      outage.reason = error.message;
      outage.pauseMs = Math.min(outage.pauseMs * 2, PAUSE_MAX_MS);
      outage.retryAtMs = this.#parts.nowMs() + outage.pauseMs;
    } else if (++this.#failures >= DOWN_AFTER) {
      this.#begin(error.message);
    }
  }

  #begin(reason: string): void {
    const since = new Date().toISOString();
    const retryAtMs = this.#parts.nowMs() + PAUSE_MIN_MS;
    this.#outage = { since, reason, pauseMs: PAUSE_MIN_MS, retryAtMs, isProbed: false };
    this.#failures = 0;
    this.#parts.counts.put(TIER_DOWN, 1);
    this.#parts.down(
      `The tier at ${this.#parts.where} fails: ${reason}. Memory serves what it has; calls that need the tier are refused until it works again`,
    );
  }
}

/** What an engine answers at once is good until its next call. */
function owned<T>(answer: T): T {
  return answer instanceof Uint8Array ? (Buffer.from(answer) as unknown as T) : answer;
}
