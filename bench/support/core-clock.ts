/**
 * A clock that stands still while its thread waits for a core. What else runs on the machine takes cores away for tens of
 * milliseconds, which is as long as what is measured; on a quiet machine this is the time that passes.
 *
 * Linux tells how long a thread has been ready to run and did not; where nobody tells, the clock never stands still.
 */
import { openSync, readSync } from 'node:fs';

const NS_PER_MS = 1e6;
const DIGIT_0 = 48;
const DIGIT_9 = 57;

export class CoreClock {
  /** "ns on a core, ns waiting for one, turns", of the main thread. */
  readonly #stat = openStat();
  readonly #bytes = Buffer.alloc(128);
  readonly #waitedAtBirthMs = this.#waitedEver();
  readonly #birthMs = performance.now();

  now(): number {
    return performance.now() - this.waitedMs;
  }

  /** Waited for a core since birth. */
  get waitedMs(): number {
    return this.#waitedEver() - this.#waitedAtBirthMs;
  }

  get waitedShare(): number {
    return this.waitedMs / (performance.now() - this.#birthMs);
  }

  #waitedEver(): number {
    if (this.#stat === undefined) {
      return 0;
    }
    const bytes = this.#bytes;
    readSync(this.#stat, bytes, 0, bytes.length, 0);
    let ns = 0;
    // Read by hand: this is called every millisecond, and must not make garbage.
    for (let i = bytes.indexOf(' ') + 1; isDigit(bytes[i] as number); i++) {
      ns = ns * 10 + (bytes[i] as number) - DIGIT_0;
    }
    return ns / NS_PER_MS;
  }
}

function isDigit(byte: number): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}

function openStat(): number | undefined {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  } catch {
    return undefined;
  }
}
