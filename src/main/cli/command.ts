/** What every command of the command line is, and how it says that it was called wrongly. */

export interface Command {
  /** One line for the table of commands. */
  readonly summary: string;
  readonly help: string;
  /** Runs to its end and returns the exit code: 0 done, 1 the world's fault, 2 the caller's, 130 interrupted. */
  run(args: string[]): Promise<number>;
}

export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_MISUSED = 2;
export const EXIT_INTERRUPTED = 130;

/** The caller's mistake: one line that names it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
