/**
 * Who computes the value of a key that is absent: one holder a key, so that a hundred misses cost one computation.
 *
 * A lease ends when its holder fills or releases it, when anybody writes to the key (what is computed now may be older
 * than what was written), or after LEASE_MS, when the next one who asks gets it instead: its holder may hang. Its token
 * is a number that is never given twice, so a late result is told from the one that is due. Keys are known by 53 bits of
 * their hash: two that share those wait for each other, and a write to one ends the lease of the other, no more.
 */

/** Leases that may be out: beyond it the oldest ends, and what its holder computes is not stored. */
export const LEASES_MAX = 65_536;
/** How long a holder may compute before the next one may try. */
export const LEASE_MS = 30_000;

interface Lease {
  readonly token: number;
  readonly sinceMs: number;
  /** The ttl of the entry to come, and whether it slides. */
  readonly ttlMs: number;
  readonly slides: boolean;
}

/** The part of a record that names its key. */
interface KeyHash {
  readonly hashLow: number;
  readonly hashHigh: number;
}

export class Leases {
  readonly #held = new Map<number, Lease>();
  #tokens = 0;

  /** The token of a new lease, or 0 while somebody else has one. */
  grant(key: KeyHash, nowMs: number, ttlMs: number, slides: boolean): number {
    const id = idOf(key);
    const held = this.#held.get(id);
    if (held !== undefined && nowMs - held.sinceMs < LEASE_MS) {
      return 0;
    }
    this.#held.delete(id);
    if (this.#held.size >= LEASES_MAX) {
      this.#held.delete(this.#held.keys().next().value as number);
    }
    const token = ++this.#tokens;
    this.#held.set(id, { token, sinceMs: nowMs, ttlMs, slides });
    return token;
  }

  /** Ends a lease, if the token is still that of its key: what its holder asked for, else undefined. */
  redeem(key: KeyHash, token: number): Lease | undefined {
    const id = idOf(key);
    const held = this.#held.get(id);
    if (held?.token !== token) {
      return undefined;
    }
    this.#held.delete(id);
    return held;
  }

  /** Somebody wrote to the key. */
  break(key: KeyHash): void {
    if (this.#held.size > 0) {
      this.#held.delete(idOf(key));
    }
  }

  clear(): void {
    this.#held.clear();
  }
}

function idOf({ hashLow, hashHigh }: KeyHash): number {
  return (hashHigh & 0x1f_ffff) * 2 ** 32 + (hashLow >>> 0);
}
