/**
 * What is answered to one who claims a key of a memo file: that he has it, or who has it, and the wait for that to change. Who waits
 * looks at the file's size again and again, with growing pauses: what a watcher of the system would tell comes late, or never,
 * or differs from one system to the next, and it holds up nobody to look (1 us).
 */
import { setTimeout as pause } from 'node:timers/promises';
import { OWN_MARK, partsOfMark } from '../../../protocol/process-mark.ts';
import type { Claim } from '../tier.ts';
import { heldHere, type StandingClaim } from './claim-table.ts';

/** Between two looks of one who waits. */
const PAUSE_MS_MIN = 1;
const PAUSE_MS_MAX = 20;
/** No timer takes more. */
const WAIT_MS_MAX = 2 ** 31 - 1;

/** Those of one opener. */
interface Claims {
  release(key: string, ticket: number): void;
  /** Whether another has the key now, or nobody, or there is a result. */
  hasChanged(key: string, holder: StandingClaim): boolean;
}

export class GrantedClaim implements Claim {
  readonly isGranted = true;
  readonly holder = undefined;
  readonly #claims: Claims;
  readonly #key: string;
  readonly #ticket: number;

  constructor(claims: Claims, key: string, ticket: number) {
    this.#claims = claims;
    this.#key = key;
    this.#ticket = ticket;
  }

  release(): void {
    this.#claims.release(this.#key, this.#ticket);
  }

  async wait(): Promise<boolean> {
    return true;
  }

  waitSync(): boolean {
    return true;
  }
}

export class RefusedClaim implements Claim {
  readonly isGranted = false;
  readonly holder: string | undefined;
  readonly #claims: Claims;
  readonly #key: string;
  readonly #holder: StandingClaim | undefined;

  /** Without a holder there is nothing to wait for. */
  constructor(claims: Claims, key: string, holder: StandingClaim | undefined) {
    this.#claims = claims;
    this.#key = key;
    this.#holder = holder;
    this.holder = holder && describeHolder(holder.mark);
  }

  /** It has been given back already: it would stand in the way of others. */
  release(): void {}

  async wait(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const end = performance.now() + timeoutMs;
    for (let pauseMs = PAUSE_MS_MIN; !this.#isOver(); pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * 2)) {
      const left = end - performance.now();
      if (left <= 0 || signal?.aborted) {
        return false;
      }
      try {
        await pause(Math.min(pauseMs, left, WAIT_MS_MAX), undefined, signal && { signal });
      } catch (error) {
        if (signal?.aborted) return false;
        throw error;
      }
    }
    return true;
  }

  /** False at once where this thread itself has the key: it cannot both sleep and compute. */
  waitSync(timeoutMs: number): boolean {
    const end = performance.now() + timeoutMs;
    const word = new Int32Array(new SharedArrayBuffer(4));
    for (let pauseMs = PAUSE_MS_MIN; !this.#isOver(); pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * 2)) {
      const left = end - performance.now();
      if (left <= 0 || (this.#holder !== undefined && heldHere.has(this.#holder.ticket))) {
        return false;
      }
      Atomics.wait(word, 0, 0, Math.min(pauseMs, left));
    }
    return true;
  }

  #isOver(): boolean {
    return this.#holder === undefined || this.#claims.hasChanged(this.#key, this.#holder);
  }
}

function describeHolder(mark: string): string {
  const parts = partsOfMark(mark);
  if (parts === undefined) {
    return 'a process that is not known';
  }
  return mark === OWN_MARK ? 'this process' : `process ${parts.pid}${parts.isHere ? '' : ' of another machine'}`;
}
