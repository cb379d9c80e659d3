/**
 * Looks after owners that do not die but stand still: in an endless loop, or waiting for what never comes. An owner is
 * judged only while somebody waits for it, and only by time that this thread saw pass: across a pause of the process, or
 * of this thread, nothing is held against anybody.
 */
import type { Roster } from './roster.ts';
import type { Supervisor } from './supervisor.ts';

/** Looks are this far apart, unless the patience is shorter than a few of them. */
const LOOK_MS = 1_000;
const LOOKS_MIN = 4;

export class Watchdog {
  readonly #supervisors: readonly Supervisor[];
  readonly #roster: Roster;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #everyMs: number;
  #lookedMs = performance.now();

  /** `patienceMs` Infinity never looks. */
  constructor(supervisors: readonly Supervisor[], roster: Roster, patienceMs: number) {
    this.#supervisors = supervisors;
    this.#roster = roster;
    this.#everyMs = Math.min(LOOK_MS, patienceMs / LOOKS_MIN);
    if (patienceMs !== Number.POSITIVE_INFINITY) {
      this.#timer = setInterval(() => this.#look(), this.#everyMs).unref();
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    // A look that comes late has been kept from looking: by what, and whom else that held up, nobody knows.
    const passedMs = Math.min(nowMs - this.#lookedMs, this.#everyMs);
    this.#lookedMs = nowMs;
    for (const [shard, supervisor] of this.#supervisors.entries()) {
      supervisor.watch(this.#roster.isWaitedFor(shard), passedMs);
    }
  }
}
