/**
 * What becomes of the lines of a trace that are no requests: the first ones are named, all are counted, and at the end they
 * are judged. A few are an accident; more bad than good ones mean that this is something else than a trace.
 */
import { EXIT_FAILED, EXIT_MISUSED } from './command.ts';
import { count } from './figures.ts';
import { TOO_LONG } from './line.ts';

/** The first bad lines are named, the rest counted. */
const NAMED_MAX = 5;

export interface BadLine {
  readonly line: number;
  readonly reason: string;
  readonly text: string;
}

/** Why the requests ended before the trace did, or what is wrong with it as a whole. */
export interface TraceFault {
  readonly message: string;
  readonly exitCode: number;
}

export class BadLines {
  readonly #strict: boolean;
  readonly #name: (bad: BadLine) => void;
  #isTooLong = false;
  count = 0;
  fault: TraceFault | undefined;

  /** With `strict` the first one is the end. */
  constructor(strict: boolean, name: (bad: BadLine) => void) {
    this.#strict = strict;
    this.#name = name;
  }

  /** False when the trace should be read no further. */
  add(line: number, reason: string, text: string): boolean {
    if (++this.count <= NAMED_MAX) {
      this.#name({ line, reason, text });
    }
    this.#isTooLong ||= reason === TOO_LONG;
    if (this.#strict) {
      this.fault = { message: `Stopped at line ${line}, as --strict asks`, exitCode: EXIT_MISUSED };
    }
    return !this.#strict;
  }

  /**
   * At the end of a trace: it was used for what it is worth, but not with success, if most lines were bad or one was as no
   * trace has it.
   */
  judge(trace: string, requests: number): void {
    const lines = requests + this.count;
    if (requests === 0 || this.fault !== undefined) {
      return;
    }
    if (this.count > requests) {
      const message = `${count(this.count)} of the ${count(lines)} lines of ${trace} are bad: is it a trace?`;
      this.fault = { message, exitCode: EXIT_FAILED };
    } else if (this.#isTooLong) {
      this.fault = { message: `${trace} has a line ${TOO_LONG}: is it a trace?`, exitCode: EXIT_FAILED };
    }
  }
}

/** A bad line as people are told of it. */
export function badLineText({ line, reason, text }: BadLine): string {
  return `Line ${count(line)} is bad: ${reason}: '${text}'`;
}

/** What there is to say of a trace without a request. */
export function emptiness(trace: string, badLines: number): string {
  const why =
    badLines === 0
      ? 'it is empty'
      : `${badLines === 1 ? 'its only line is' : `all its ${count(badLines)} lines are`} bad`;
  return `There is no request in ${trace}: ${why}`;
}
