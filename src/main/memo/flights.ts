/**
 * The computations of one memo in this thread: one for each call, however many make it at once, unless they may race. Whatever is
 * done to a call's result meanwhile (put, uncache, force, clear) ends the flight's claim to it: who waits gets what it brings, and it is
 * not kept.
 */
import type { CacheKey } from '../../protocol/cache-key.ts';
import type { Found, MissedCall } from './missed-call.ts';
import type { Claim } from './tier.ts';

/** A timer may be over so much earlier than the clock says. */
const TIMER_SLACK_MS = 2;

export class MemoFlight {
  /** Whether what it brings is to be kept. */
  isWanted = true;
  /** The leave to compute, of a tier that grants it. */
  claim: Claim | undefined;
  /** What it brings is kept under it in memory. */
  readonly key: CacheKey;
  /** Settles with what it brings. */
  readonly outcome: Promise<Found>;
  readonly #beganMs = performance.now();
  #fail: (error: unknown) => void = () => {};

  constructor(key: CacheKey, begin: (flight: MemoFlight) => Promise<Found>) {
    this.key = key;
    this.outcome = new Promise((resolve, reject) => {
      this.#fail = reject;
      begin(this).then(resolve, reject);
    });
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

  /** Ends it for all who wait, whether it brings something or not. */
  abandon(error: unknown): void {
    this.drop();
    this.#fail(error);
  }
}

export class MemoFlights {
  /** By call, until each has landed, also those that are not wanted any more. */
  readonly #out = new Map<string, Set<MemoFlight>>();
  readonly #patienceMs: number;

  /** `timeoutMs`: how long whoever waits does so. */
  constructor(timeoutMs: number) {
    this.#patienceMs = 2 * timeoutMs;
  }

  /** One to join. */
  get(text: string): MemoFlight | undefined {
    for (const flight of this.#out.get(text) ?? []) {
      if (flight.isWanted) {
        return flight;
      }
    }
    return undefined;
  }

  /** Takes the place of those that are there. */
  launch(call: MissedCall, begin: (flight: MemoFlight) => Promise<Found>): MemoFlight {
    this.drop(call.text);
    return this.race(call, begin);
  }

  /** Flies beside those that are there. */
  race({ text, key }: MissedCall, begin: (flight: MemoFlight) => Promise<Found>): MemoFlight {
    const flight = new MemoFlight(key, begin);
    const beside = this.#out.get(text) ?? new Set();
    for (const old of beside) {
      if (!old.hasTaken(this.#patienceMs)) break;
      // Nobody waits for it: who joined last had joined before its time was over.
      beside.delete(old);
    }
    this.#out.set(text, beside.add(flight));
    const land = () => {
      beside.delete(flight);
      if (beside.size === 0 && this.#out.get(text) === beside) this.#out.delete(text);
    };
    flight.outcome.then(land, land);
    return flight;
  }

  drop(text: string): void {
    for (const flight of this.#out.get(text) ?? []) flight.drop();
  }

  /** Under which keys they would have been kept. */
  dropAll(): CacheKey[] {
    const flights = [...this.#all()];
    for (const flight of flights) flight.drop();
    return flights.map(({ key }) => key);
  }

  /** Ends all that have not landed. */
  abandon(error: unknown): void {
    for (const flight of this.#all()) flight.abandon(error);
  }

  async landed(): Promise<void> {
    await Promise.allSettled(Array.from(this.#all(), ({ outcome }) => outcome));
  }

  *#all(): Generator<MemoFlight> {
    for (const beside of this.#out.values()) yield* beside;
  }
}
