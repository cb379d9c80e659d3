/**
 * The computations of one memo in this thread: one for each call, however many make it at once. Whatever is done to a call's result
 * meanwhile (put, uncache, force, clear) ends the flight's claim to it: who waits gets what it brings, and it is not kept.
 */
import type { Found } from './missed-calls.ts';
import type { Claim } from './tier.ts';

/** A timer may be over so much earlier than the clock says. */
const TIMER_SLACK_MS = 2;

export class MemoFlight {
  /** Whether what it brings is to be kept. */
  isWanted = true;
  /** The leave to compute, of a tier that grants it. */
  claim: Claim | undefined;
  /** Settles with what it brings. */
  readonly outcome: Promise<Found>;
  readonly #beganMs = performance.now();

  constructor(begin: (flight: MemoFlight) => Promise<Found>) {
    this.outcome = begin(this);
  }

  /** It takes so long that the next who asks should not wait for it any more. */
  hasTaken(ms: number): boolean {
    return performance.now() - this.#beganMs >= ms - TIMER_SLACK_MS;
  }

  drop(): void {
    this.isWanted = false;
    this.claim?.release();
    this.claim = undefined;
  }
}

export class MemoFlights {
  readonly #out = new Map<string, MemoFlight>();

  get(text: string): MemoFlight | undefined {
    return this.#out.get(text);
  }

  /** Takes the place of one that is there. */
  launch(text: string, begin: (flight: MemoFlight) => Promise<Found>): MemoFlight {
    this.drop(text);
    const flight = new MemoFlight(begin);
    this.#out.set(text, flight);
    const land = () => {
      if (this.#out.get(text) === flight) this.#out.delete(text);
    };
    flight.outcome.then(land, land);
    return flight;
  }

  drop(text: string): void {
    this.#out.get(text)?.drop();
    this.#out.delete(text);
  }

  dropAll(): void {
    for (const text of [...this.#out.keys()]) this.drop(text);
  }

  async landed(): Promise<void> {
    await Promise.allSettled(Array.from(this.#out.values(), ({ outcome }) => outcome));
  }
}
