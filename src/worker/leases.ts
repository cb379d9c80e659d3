/**
 * Who computes the value of a key that is absent: one holder a key over all clients, so that a hundred misses in as many
 * threads cost one computation. Whoever asks while a lease is out waits, and is told how the computation ended.
 *
 *     granted ---- somebody writes to the key, or its time is over ----> overtaken
 *        |                                                                  |
 *        +-- its holder brings a value: stored, if not overtaken -----------+--> ended, and all who wait are told
 *        +-- its holder gives it back, or is gone ---------------------------+
 *
 * What is computed now may be older than what was written meanwhile; so a lease ends to count when anybody writes to the
 * key, and whoever asks from then on waits for nothing that was begun before. Those who waited already get it all the
 * same. After its time the next one who asks gets a lease of his own, since the holder may hang. A token is never given
 * twice, not by the owners that come after a death either: so a late result is told from the one that is due. Keys are
 * known by 53 bits of their hash: two that share those wait for each other, and a write to one ends the lease of the
 * other, no more.
 */
import type { Ending, LeaseEnd } from '../protocol/lease-end.ts';

/** Computations that may be out: beyond it the oldest is forgotten, and what its holder computes is not stored. */
export const LEASES_MAX = 65_536;

/** A client, as a shard knows it: by its port. */
export interface Asker {
  tell(end: LeaseEnd): void;
}

/** What a holder asks for. */
export interface LeaseTerms {
  /** How long he may compute before the next one may try. */
  readonly leaseMs: number;
  /** Of the entry to come: its ttl, 0 for ever, whether that slides, and how long it may be served after it. */
  readonly ttlMs: number;
  readonly slides: boolean;
  readonly graceMs: number;
}

interface Lease extends LeaseTerms {
  readonly token: number;
  /** The key's. */
  readonly id: number;
  readonly holder: Asker;
  readonly untilMs: number;
  readonly waiters: Set<Asker>;
}

/** The part of a record that names its key. */
interface KeyHash {
  readonly hashLow: number;
  readonly hashHigh: number;
}

export class Leases {
  /** Leases that count, by key. */
  readonly #held = new Map<number, Lease>();
  /** All computations that have not ended, by token, oldest first. */
  readonly #out = new Map<number, Lease>();
  /** Clients that have gone: over a tier a call may have its turn after that. */
  readonly #gone = new WeakSet<Asker>();
  #tokens: number;

  /** `epoch` is the number of the shard's owner, counted from the first. */
  constructor(epoch: number) {
    this.#tokens = epoch * 2 ** 32;
  }

  /**
   * The token of a new lease; while there is one, that of it times -1, and the asker will be told how it ends. 0 to a client that
   * is gone, which hears of nothing.
   */
  grant(key: KeyHash, holder: Asker, nowMs: number, terms: LeaseTerms): number {
    if (this.#gone.has(holder)) {
      return 0;
    }
    const id = idOf(key);
    const held = this.#held.get(id);
    if (held !== undefined && nowMs < held.untilMs) {
      held.waiters.add(holder);
      return -held.token;
    }
    if (held !== undefined) {
      // He may come yet; but those who wait should wait for the next one.
      tellAll(held, { lease: held.token });
    }
    if (this.#out.size >= LEASES_MAX) {
      this.#end(this.#out.values().next().value as Lease, {});
    }
    const token = ++this.#tokens;
    const lease = { ...terms, token, id, holder, untilMs: nowMs + terms.leaseMs, waiters: new Set<Asker>() };
    this.#held.set(id, lease);
    this.#out.set(token, lease);
    return token;
  }

  /** The holder has a value. What he asked for, if it is to be stored, else undefined. */
  redeem(key: KeyHash, token: number, tag: number, bytes: Uint8Array): LeaseTerms | undefined {
    const lease = this.#leaseOf(key, token);
    if (lease === undefined) {
      return undefined;
    }
    const counts = this.#held.get(lease.id) === lease;
    // He has it.
    lease.waiters.delete(lease.holder);
    // A copy, where there is somebody to send it to: the frame that carried it is not ours.
    this.#end(lease, lease.waiters.size === 0 ? {} : { value: { tag, bytes: new Uint8Array(bytes) } });
    return counts ? lease : undefined;
  }

  /** The holder has no value, but maybe what his factory threw. Whether the lease still counted. */
  release(key: KeyHash, token: number, thrown: Uint8Array): boolean {
    const lease = this.#leaseOf(key, token);
    if (lease === undefined) {
      return false;
    }
    const counts = this.#held.get(lease.id) === lease;
    lease.waiters.delete(lease.holder);
    this.#end(lease, thrown.length === 0 ? {} : { thrown: new Uint8Array(thrown) });
    return counts;
  }

  /** The holder has asked, and does not know what he was answered. */
  releaseUnknown(key: KeyHash, holder: Asker): boolean {
    // The last that he was granted. It may count no more, and still there are those who wait for it.
    const own = [...this.#out.values()].filter((lease) => lease.id === idOf(key) && lease.holder === holder);
    const lease = own.at(-1);
    if (lease === undefined) {
      return false;
    }
    const counts = this.#held.get(lease.id) === lease;
    this.#end(lease, {});
    return counts;
  }

  /** The client is gone: somebody else must compute what it held. */
  abandon(client: Asker): void {
    this.#gone.add(client);
    for (const lease of this.#out.values()) {
      lease.waiters.delete(client);
      if (lease.holder === client) {
        this.#end(lease, {});
      }
    }
  }

  /** Somebody wrote to the key. */
  break(key: KeyHash): void {
    if (this.#held.size > 0) {
      this.#held.delete(idOf(key));
    }
  }

  /** Somebody wrote to every key. */
  clear(): void {
    this.#held.clear();
  }

  #leaseOf(key: KeyHash, token: number): Lease | undefined {
    const lease = this.#out.get(token);
    return lease?.id === idOf(key) ? lease : undefined;
  }

  #end(lease: Lease, how: Ending): void {
    this.#out.delete(lease.token);
    if (this.#held.get(lease.id) === lease) {
      this.#held.delete(lease.id);
    }
    tellAll(lease, { lease: lease.token, ...how });
  }
}

function tellAll({ waiters }: Lease, end: LeaseEnd): void {
  for (const waiter of waiters) {
    waiter.tell(end);
  }
  waiters.clear();
}

function idOf({ hashLow, hashHigh }: KeyHash): number {
  return (hashHigh & 0x1f_ffff) * 2 ** 32 + (hashLow >>> 0);
}
