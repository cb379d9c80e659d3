/**
 * When entries die: the wheel that finds those that have, and the marks that remember them. An entry is its block here;
 * one that lives for ever has no timer, and costs nothing.
 */
import type { Clock } from '../protocol/clock.ts';
import type { Blocks } from './blocks.ts';
import { ExpiredMarks } from './expired-marks.ts';
import { NO_SLOT, type Slots } from './slots.ts';
import { TimingWheel } from './wheel.ts';

export class Expiries {
  readonly marks = new ExpiredMarks();
  readonly #blocks: Blocks;
  readonly #slots: Slots;
  readonly #clock: Clock;
  readonly #wheel: TimingWheel;
  #soonestMs = Number.POSITIVE_INFINITY;

  /** For entries in slots 0 to `slotsMax` - 1. */
  constructor(blocks: Blocks, slots: Slots, slotsMax: number, clock: Clock) {
    this.#blocks = blocks;
    this.#slots = slots;
    this.#clock = clock;
    this.#wheel = new TimingWheel(slotsMax, (slot) => blocks.diesAt(slots.blockOf(slot)), clock.now());
  }

  /** Entries that will die. */
  get timers(): number {
    return this.#wheel.size;
  }

  /** Entries that are known to be dead and are still there. */
  get due(): number {
    return this.#wheel.due;
  }

  /** When there may be something to sweep; Infinity while nothing expires. */
  get soonestMs(): number {
    return this.#soonestMs;
  }

  /** Whether a sweep would find something to do now. */
  get isDue(): boolean {
    return this.#wheel.due > 0 || this.#soonestMs <= this.#clock.now();
  }

  /** Reads no clock for an entry that lives for ever. */
  isExpired(block: number): boolean {
    return this.#blocks.expires(block) && this.#blocks.expiresAt(block) <= this.#clock.now();
  }

  /** Whether it has expired and nobody may be served with it any more. */
  isDead(block: number): boolean {
    return this.#blocks.expires(block) && this.#blocks.diesAt(block) <= this.#clock.now();
  }

  isTimed(block: number): boolean {
    return this.#blocks.expiresAt(block) !== Number.POSITIVE_INFINITY;
  }

  /** An entry is there, or has another expiry. */
  schedule(block: number): void {
    const atMs = this.#blocks.diesAt(block);
    if (atMs !== Number.POSITIVE_INFINITY) {
      this.#wheel.schedule(this.#blocks.slotOf(block), atMs);
      this.#soonestMs = Math.min(this.#soonestMs, atMs);
    }
  }

  /** An entry is about to leave, or to have another expiry. */
  deschedule(block: number): void {
    if (this.isTimed(block)) {
      this.#wheel.deschedule(this.#blocks.slotOf(block));
    }
  }

  /** Sorts out at most so many timers, so that `due` counts and `next` finds those that have run out. */
  advance(budget: number): void {
    this.#wheel.advance(this.#clock.now(), budget);
  }

  /** The block of an entry that is dead, 0 where none is known. One that was read since it was due lives on. */
  next(): number {
    for (let slot = this.#wheel.firstDue; slot !== NO_SLOT; slot = this.#wheel.firstDue) {
      const block = this.#slots.blockOf(slot);
      if (this.isDead(block)) {
        return block;
      }
      this.deschedule(block);
      this.schedule(block);
    }
    return 0;
  }

  /** Looks anew when the next sweep will have something to do. */
  rest(): void {
    this.#soonestMs = this.#wheel.nextAtMs;
  }

  clear(): void {
    this.#wheel.clear();
    this.marks.clear();
    this.#soonestMs = Number.POSITIVE_INFINITY;
  }

  /** Throws on the first broken invariant. For tests and fuzzers. */
  check(): void {
    this.#wheel.check();
  }
}
