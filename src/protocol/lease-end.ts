/**
 * What a shard tells whoever waits for a computation that somebody else has the lease of: how that ended. Shards answer
 * calls and say nothing else of their own accord; this is the one exception, since a waiter who had to ask again and again
 * would cost more the longer the computation takes.
 */
import type { StoredValue } from './operations.ts';

export interface LeaseEnd {
  /** The token of the lease. */
  readonly lease: number;
  /** What was computed, whether or not it was stored. */
  readonly value?: { readonly tag: number; readonly bytes: Uint8Array };
  /** What the factory threw, packed by its thread. With neither: nobody computes it any more, ask again. */
  readonly thrown?: Uint8Array;
}

/** Tells a message about a lease from those of Comlink. */
export function isLeaseEnd(message: unknown): message is LeaseEnd {
  return typeof message === 'object' && message !== null && typeof (message as { lease?: unknown }).lease === 'number';
}

/** The value of a lease that ended well. */
export function valueOfLease({ tag, bytes }: NonNullable<LeaseEnd['value']>): StoredValue {
  return { tag, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}
