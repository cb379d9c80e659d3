/**
 * Who asks to compute what, in the order of the file. The first of those who live has the key; the others have seen so, take
 * back what they asked, and wait. A claim ends with a result, with its release, and with whoever made it: of another process of this
 * machine that is the end of the process; of another thread of this process, or another machine, of which nothing can be seen, the
 * end of its lease.
 */
import { isAlive, OWN_MARK, partsOfMark } from '../../../protocol/process-mark.ts';
import type { FrameView } from './frame.ts';

/** For how long a claim counts without a renewal for those who would not see the end of who made it. */
export const LEASE_MS = 30_000;
/** What counts longer was leased by a clock that has been set back since: whoever lives renews it by the new one. */
const LEASE_LEFT_MS_MAX = 2 * LEASE_MS;
/** For how long a process that was seen alive counts so without another look, and of how many that is known. */
const SEEN_MS = 20;
const SEEN_MAX = 1_024;
/** Until when by `performance.now()`. */
const seenAlive = new Map<string, number>();

export interface StandingClaim {
  readonly ticket: number;
  readonly mark: string;
  readonly expiresAtMs: number;
  /** Where in the file it stands. */
  readonly place: number;
}

/** Of all memo files that this thread has open: those it holds itself need no lease. */
export const heldHere = new Set<number>();

export class ClaimTable {
  readonly #claims = new Map<string, StandingClaim[]>();

  clear(): void {
    this.#claims.clear();
  }

  /** One that stands already has a new lease. */
  add(frame: FrameView, place: number): void {
    const { key, ticket, payload, expiresAtMs } = frame;
    const claim = { ticket, mark: payload.toString('latin1'), expiresAtMs, place };
    const standing = this.#claims.get(key);
    if (standing === undefined) {
      this.#claims.set(key, [claim]);
      return;
    }
    const at = standing.findIndex((one) => one.ticket === ticket);
    if (at < 0) standing.push(claim);
    else standing[at] = claim;
  }

  remove(key: string, ticket: number): void {
    const standing = this.#claims.get(key);
    const at = standing?.findIndex((one) => one.ticket === ticket) ?? -1;
    if (at >= 0) {
      standing?.splice(at, 1);
    }
    if (standing?.length === 0) {
      this.#claims.delete(key);
    }
  }

  /** There is a result. */
  end(key: string): void {
    this.#claims.delete(key);
  }

  has(key: string, ticket: number): boolean {
    return this.#claims.get(key)?.some((one) => one.ticket === ticket) ?? false;
  }

  /** Where those stand that still count, in no order that means anything. */
  placesOfLiving(nowMs: number): number[] {
    const all = Array.from(this.#claims.values()).flat();
    return all.filter((claim) => isStanding(claim, nowMs)).map(({ place }) => place);
  }

  /** Who has it. Those who do not live are forgotten. */
  holderOf(key: string, nowMs: number): StandingClaim | undefined {
    const standing = this.#claims.get(key);
    while (standing?.[0] !== undefined && !isStanding(standing[0], nowMs)) {
      standing.shift();
    }
    if (standing?.length === 0) {
      this.#claims.delete(key);
    }
    return standing?.[0];
  }
}

/** Whether it still counts. */
export function isStanding({ ticket, mark, expiresAtMs }: StandingClaim, nowMs: number): boolean {
  if (heldHere.has(ticket)) {
    return true;
  }
  return isSeen(mark) ? hasLived(mark) : nowMs < expiresAtMs && expiresAtMs < nowMs + LEASE_LEFT_MS_MAX;
}

/** Whether its end would be seen: another process of this machine. */
function isSeen(mark: string): boolean {
  return mark !== OWN_MARK && partsOfMark(mark)?.isHere !== false;
}

/** A look at a process takes longer than all else of a wait, and a thousand may wait for the same. */
function hasLived(mark: string): boolean {
  const nowMs = performance.now();
  if (nowMs < (seenAlive.get(mark) ?? 0)) {
    return true;
  }
  seenAlive.delete(mark);
  if (!isAlive(mark)) {
    return false;
  }
  if (seenAlive.size >= SEEN_MAX) {
    seenAlive.clear();
  }
  seenAlive.set(mark, nowMs + SEEN_MS);
  return true;
}
