/**
 * A timing wheel beside a map of its timers. The wheel asks for a deadline exactly when it sorts a timer out, so the
 * model knows which timers are due and in which order they were found, and compares after every step.
 */
import { expect } from 'vitest';
import { TimingWheel } from '../../src/worker/wheel.ts';

export interface WheelOptions {
  slots?: number;
  birthMs?: number;
  tickMs?: number;
}

export const UNBOUNDED = 1_000_000_000;

export class WheelModel {
  readonly wheel: TimingWheel;
  readonly tickMs: number;
  /** Deadlines of the timers there are, as they are now. */
  readonly deadlines = new Map<number, number>();
  /** Due timers in the order in which they were found. */
  readonly due = new Set<number>();
  /** The latest time that the wheel has seen. */
  nowMs: number;
  /** Timers sorted out since birth. */
  asked = 0;
  readonly #birthMs: number;
  #advancing = false;

  constructor({ slots = 100, birthMs = 0, tickMs = 1 }: WheelOptions = {}) {
    this.tickMs = tickMs;
    this.nowMs = birthMs;
    this.#birthMs = Math.floor(birthMs);
    this.wheel = new TimingWheel(slots, (slot) => this.#deadlineOf(slot), birthMs, tickMs);
  }

  schedule(slot: number, deadlineMs: number): void {
    this.deadlines.set(slot, deadlineMs);
    this.wheel.schedule(slot, deadlineMs);
  }

  deschedule(slot: number): void {
    this.wheel.deschedule(slot);
    this.deadlines.delete(slot);
    this.due.delete(slot);
  }

  /** Moves a deadline without a word to the wheel. */
  slide(slot: number, deadlineMs: number): void {
    this.deadlines.set(slot, deadlineMs);
  }

  clear(): void {
    this.wheel.clear();
    this.deadlines.clear();
    this.due.clear();
  }

  advance(nowMs: number, budget = UNBOUNDED): number {
    const askedBefore = this.asked;
    const isBehind = nowMs < this.nowMs;
    this.nowMs = Math.max(nowMs, this.nowMs);
    this.#advancing = true;
    const left = this.wheel.advance(nowMs, budget);
    this.#advancing = false;
    expect(budget - left).toBe(this.asked - askedBefore);
    expect(left).toBeGreaterThanOrEqual(0);
    if (left > 0 && !isBehind) {
      this.#checkAllFound();
    }
    return left;
  }

  /** Deschedules due timers, those that wait longest first, and names them. */
  takeDue(most = UNBOUNDED): number[] {
    const taken: number[] = [];
    while (taken.length < most && this.wheel.firstDue !== -1) {
      const slot = this.wheel.firstDue;
      expect(slot).toBe(firstOf(this.due));
      this.deschedule(slot);
      taken.push(slot);
    }
    return taken;
  }

  /** Advances to `nowMs` and takes every timer that is due then. */
  expire(nowMs: number): number[] {
    this.advance(nowMs);
    return this.takeDue();
  }

  check(): void {
    const { wheel } = this;
    wheel.check();
    expect(wheel.size).toBe(this.deadlines.size);
    expect(wheel.due).toBe(this.due.size);
    expect(wheel.firstDue).toBe(firstOf(this.due));
    if (this.due.size > 0) {
      expect(wheel.nextAtMs).toBeLessThanOrEqual(this.nowMs);
    } else if (this.deadlines.size === 0) {
      expect(wheel.nextAtMs).toBe(Number.POSITIVE_INFINITY);
    } else {
      const first = Math.min(...this.deadlines.values());
      const ticks = Math.ceil((first - this.#birthMs) / this.tickMs);
      expect(wheel.nextAtMs).toBeLessThanOrEqual(Math.max(this.nowMs, this.#birthMs + ticks * this.tickMs));
    }
  }

  /** After an advance with budget to spare: what is due is found, and there is nothing to do before the next tick. */
  #checkAllFound(): void {
    // In whole milliseconds a tick of one is exact; any other may find a timer one tick late.
    const isExact = this.tickMs === 1 && Number.isInteger(this.nowMs);
    for (const [slot, deadlineMs] of this.deadlines) {
      const isLate = isExact ? deadlineMs <= this.nowMs : deadlineMs + this.tickMs <= this.nowMs;
      if (isLate && !this.due.has(slot)) {
        expect.fail(`slot ${slot}, due at ${deadlineMs}, is not found at ${this.nowMs}`);
      }
    }
    if (this.due.size === 0) {
      expect(this.wheel.nextAtMs).toBeGreaterThan(this.nowMs);
    }
  }

  #deadlineOf(slot: number): number {
    const deadlineMs = this.deadlines.get(slot);
    if (deadlineMs === undefined) {
      throw new Error(`the wheel asks for slot ${slot}, which has no timer`);
    }
    if (this.#advancing) {
      this.asked++;
      if (deadlineMs <= this.nowMs) {
        expect(this.due.has(slot)).toBe(false);
        this.due.add(slot);
      }
    }
    return deadlineMs;
  }
}

function firstOf(slots: Set<number>): number {
  for (const slot of slots) {
    return slot;
  }
  return -1;
}
