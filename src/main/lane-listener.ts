/** Who hears what a lane has to say beside answers. */
import type { LeaseEnd } from '../protocol/lease-end.ts';

/** Waits for the computations of others. */
export interface LaneListener {
  /** Whatever an owner had promised is void: there is another one, or will be none. */
  ownerChanged(): void;
  leaseEnded(end: LeaseEnd): void;
}

/** Listens to what leaves the shard. */
export interface LaneAudience {
  /** A batch of events has come: see protocol/events.ts. */
  told(batch: Uint8Array): void;
  /** The first call of a turn is made. */
  turnBegins(): void;
}
