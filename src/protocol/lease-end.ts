/**
 * What a shard tells whoever waits for a computation that somebody else has the lease of: how that ended. Shards answer
 * calls and say nothing else of their own accord; this is the one exception, since a waiter who had to ask again and again
 * would cost more the longer the computation takes.
 */

/** How a computation ended. With neither: nobody computes it any more, ask again. */
export interface Ending {
  /** What was computed, whether or not it was stored. */
  readonly value?: { readonly tag: number; readonly bytes: Uint8Array };
  /** What the factory threw, packed by its thread. */
  readonly thrown?: Uint8Array;
}

export interface LeaseEnd extends Ending {
  /** The token of the lease. */
  readonly lease: number;
}

/** Tells a message about a lease from those of Comlink. */
export function isLeaseEnd(message: unknown): message is LeaseEnd {
  return typeof message === 'object' && message !== null && typeof (message as { lease?: unknown }).lease === 'number';
}
