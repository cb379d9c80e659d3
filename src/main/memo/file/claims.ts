/**
 * The claims that one opener of a memo file makes, and its waits for those of others. Who asks looks first; where nobody has the key
 * he appends that he asks, and looks who was first:
 *
 *     claim A   claim B   release B   result of A        A computes; B was second, has taken its claim back, and waits
 *
 * Of all who append at once exactly one stands first, so one computes. Those who wait look at the file's size again and
 * again, with growing pauses: what a watcher of the system would tell comes late, or never, or differs from one system to the next, and it
 * holds up nobody to look (1 us).
 *
 * A lease is for those of whose end nothing is seen: a thread that is terminated. Whoever works renews it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { nextNumber, OWN_MARK, partsOfMark } from '../../../protocol/process-mark.ts';
import type { Claim } from '../tier.ts';
import { ClaimTable, heldHere, type StandingClaim } from './claim-table.ts';
import { CLAIM, frameOf, RELEASE } from './frame.ts';

/** For how long a claim counts for the other threads of its process when nobody renews it: one that is terminated cannot give it back. */
export const LEASE_MS = 30_000;
const RENEW_MS = LEASE_MS / 3;
/** Between two looks of one who waits. */
const PAUSE_MS_MIN = 1;
const PAUSE_MS_MAX = 20;
/** Of so many keys it is known that `get` has found nothing; of older ones a result may be computed twice. */
const MISSED_MAX = 65_536;
/** No timer takes more. */
const WAIT_MS_MAX = 2 ** 31 - 1;

interface Opener {
  append(frame: Buffer): void;
  refresh(): void;
  isClosed(): boolean;
}

export class FileClaims {
  readonly table = new ClaimTable();
  readonly #opener: Opener;
  readonly #held = new Map<string, number>();
  /** Given back, but the disk did not take it: tried again with the next renewal. */
  readonly #owed = new Map<number, string>();
  /** Keys that `get` has not found; and of those, the ones that have a result by now. */
  readonly #missed = new Set<string>();
  readonly #arrived = new Set<string>();
  #renewal: NodeJS.Timeout | undefined;

  constructor(opener: Opener) {
    this.#opener = opener;
  }

  /** The file is read from its begin. */
  reset(): void {
    this.table.clear();
  }

  missed(key: string): void {
    this.#arrived.delete(key);
    if (this.#missed.size >= MISSED_MAX) {
      this.#missed.clear();
    }
    this.#missed.add(key);
  }

  seen(key: string): void {
    this.#arrived.delete(key);
    this.#missed.delete(key);
  }

  /** A result is there, whoever has computed it. */
  ended(key: string): void {
    this.table.end(key);
    if (this.#missed.delete(key)) {
      this.#arrived.add(key);
    }
  }

  /** The same of one that this opener has stored. */
  done(key: string): void {
    this.seen(key);
    const ticket = this.#held.get(key);
    if (ticket !== undefined) this.#drop(key, ticket);
  }

  claim(key: string): Claim {
    this.#opener.refresh();
    if (this.#arrived.delete(key)) {
      return new RefusedClaim(this, key, undefined);
    }
    const holder = this.table.holderOf(key, Date.now());
    if (holder !== undefined) {
      return new RefusedClaim(this, key, holder);
    }
    const ticket = nextNumber();
    heldHere.add(ticket);
    try {
      this.#append(key, ticket);
    } catch (error) {
      heldHere.delete(ticket);
      throw error;
    }
    const first = this.table.holderOf(key, Date.now());
    if (first?.ticket !== ticket || this.#arrived.delete(key)) {
      this.#giveBack(key, ticket);
      return new RefusedClaim(this, key, first?.ticket === ticket ? undefined : first);
    }
    this.#held.set(key, ticket);
    this.#renewal ??= setInterval(() => this.#renew(), RENEW_MS).unref();
    return new GrantedClaim(this, key, ticket);
  }

  release(key: string, ticket: number): void {
    if (this.#held.get(key) === ticket) {
      this.#held.delete(key);
      this.#giveBack(key, ticket);
      this.#rest();
    }
  }

  /** Whether another has the key now, or nobody, or there is a result. */
  hasChanged(key: string, holder: StandingClaim): boolean {
    this.#opener.refresh();
    return this.#arrived.has(key) || this.table.holderOf(key, Date.now())?.ticket !== holder.ticket;
  }

  close(): void {
    for (const [key, ticket] of this.#held) this.#giveBack(key, ticket);
    this.#held.clear();
    for (const [ticket, key] of this.#owed) this.#giveBack(key, ticket);
    clearInterval(this.#renewal);
    this.#renewal = undefined;
  }

  get isClosed(): boolean {
    return this.#opener.isClosed();
  }

  #append(key: string, ticket: number): void {
    const nowMs = Date.now();
    const payload = Buffer.from(OWN_MARK, 'latin1');
    this.#opener.append(
      frameOf({ kind: CLAIM, key, payload, ticket, createdAtMs: nowMs, expiresAtMs: nowMs + LEASE_MS }),
    );
  }

  #giveBack(key: string, ticket: number): void {
    heldHere.delete(ticket);
    if (!this.table.has(key, ticket)) {
      this.#owed.delete(ticket);
      return;
    }
    try {
      this.#opener.append(frameOf({ kind: RELEASE, key, ticket, createdAtMs: Date.now() }));
      this.#owed.delete(ticket);
    } catch {
      // The disk is full, perhaps. The caller has an error of its own to tell; this is tried again while the file is open.
      this.#owed.set(ticket, key);
      this.#renewal ??= setInterval(() => this.#renew(), RENEW_MS).unref();
    }
  }

  #drop(key: string, ticket: number): void {
    heldHere.delete(ticket);
    this.#held.delete(key);
    this.#rest();
  }

  /** No timer runs while nothing is held. */
  #rest(): void {
    if (this.#held.size === 0 && this.#owed.size === 0) {
      clearInterval(this.#renewal);
      this.#renewal = undefined;
    }
  }

  #renew(): void {
    for (const [ticket, key] of this.#owed) this.#giveBack(key, ticket);
    for (const [key, ticket] of this.#held) {
      try {
        this.#append(key, ticket);
      } catch {
        // It counts for its process as it did; for the other threads of this one until its lease is over. Then it may be computed twice.
      }
    }
    this.#rest();
  }
}

class GrantedClaim implements Claim {
  readonly isGranted = true;
  readonly holder = undefined;
  readonly #claims: FileClaims;
  readonly #key: string;
  readonly #ticket: number;

  constructor(claims: FileClaims, key: string, ticket: number) {
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

class RefusedClaim implements Claim {
  readonly isGranted = false;
  readonly holder: string | undefined;
  readonly #claims: FileClaims;
  readonly #key: string;
  readonly #holder: StandingClaim | undefined;

  /** Without a holder there is nothing to wait for. */
  constructor(claims: FileClaims, key: string, holder: StandingClaim | undefined) {
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
