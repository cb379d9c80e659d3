/**
 * The claims that one opener of a memo file makes, and its waits for those of others. Who asks looks first; where nobody has the key
 * he appends that he asks, and looks who was first:
 *
 *     claim A   claim B   release B   result of A        A computes; B was second, has taken its claim back, and waits
 *
 * Of all who append at once exactly one stands first, so one computes. The others look again and again (file-claim.ts).
 *
 * A lease is for those of whose end nothing is seen: a thread that is terminated, a process of another machine. Whoever works renews it.
 */
import { nextNumber, OWN_MARK } from '../../../protocol/process-mark.ts';
import type { Claim } from '../tier.ts';
import { ClaimTable, heldHere, LEASE_MS, type StandingClaim } from './claim-table.ts';
import { GrantedClaim, RefusedClaim } from './file-claim.ts';
import { CLAIM, type FrameView, frameOf, RELEASE } from './frame.ts';
import type { Claimed } from './replay.ts';

const RENEW_MS = LEASE_MS / 3;
const OWN = Buffer.from(OWN_MARK, 'latin1');
/** Of so many keys it is known that `get` has found nothing; of older ones a result may be computed twice. */
const MISSED_MAX = 65_536;

interface Opener {
  append(frame: Buffer): void;
  refresh(): void;
}

export class FileClaims implements Claimed {
  readonly #table = new ClaimTable();
  readonly #opener: Opener;
  readonly #held = new Map<string, number>();
  /** Given back, or never held, but the disk did not take that: tried again with the next renewal. */
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
    this.#table.clear();
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

  add(frame: FrameView, place: number): void {
    this.#table.add(frame, place);
  }

  remove(key: string, ticket: number): void {
    this.#table.remove(key, ticket);
  }

  /** A result is there, whoever has computed it. */
  end(key: string): void {
    this.#table.end(key);
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
    const holder = this.#table.holderOf(key, Date.now());
    if (holder !== undefined) {
      return new RefusedClaim(this, key, holder);
    }
    const ticket = nextNumber();
    heldHere.add(ticket);
    try {
      this.#append(key, ticket);
    } catch (error) {
      heldHere.delete(ticket);
      // It may stand there nonetheless.
      this.#owe(key, ticket);
      throw error;
    }
    const first = this.#table.holderOf(key, Date.now());
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
    return this.#arrived.has(key) || this.#table.holderOf(key, Date.now())?.ticket !== holder.ticket;
  }

  close(): void {
    for (const [key, ticket] of this.#held) this.#giveBack(key, ticket);
    this.#held.clear();
    for (const [ticket, key] of this.#owed) this.#giveBack(key, ticket);
    clearInterval(this.#renewal);
    this.#renewal = undefined;
  }

  #append(key: string, ticket: number): void {
    const nowMs = Date.now();
    this.#opener.append(
      frameOf({ kind: CLAIM, key, payload: OWN, ticket, createdAtMs: nowMs, expiresAtMs: nowMs + LEASE_MS }),
    );
  }

  #giveBack(key: string, ticket: number): void {
    heldHere.delete(ticket);
    if (!this.#table.has(key, ticket)) {
      this.#owed.delete(ticket);
      return;
    }
    try {
      this.#opener.append(frameOf({ kind: RELEASE, key, ticket, createdAtMs: Date.now() }));
      this.#owed.delete(ticket);
    } catch {
      // The disk is full, perhaps. The caller has an error of its own to tell; this is tried again while the file is open.
      this.#owe(key, ticket);
    }
  }

  #owe(key: string, ticket: number): void {
    this.#owed.set(ticket, key);
    this.#renewal ??= setInterval(() => this.#renew(), RENEW_MS).unref();
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
    try {
      this.#opener.refresh();
    } catch {
      // Whoever calls next is told. Until the disk can be read again nothing can be given back.
      return;
    }
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
