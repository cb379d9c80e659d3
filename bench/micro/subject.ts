/** One part of the library, measured by itself: what its operations take, and the floor of each. */
import type { MicroTask } from '../support/micro.ts';

export interface Subject {
  /** Measured in turns. */
  readonly tasks: readonly MicroTask[];
  /**
   * For names of tasks the name of another: what the machine asks at least for moving as many bytes, or for as many places
   * in memory.
   */
  readonly floors: Readonly<Record<string, string>>;
}

/** Sets a subject up; a quick one may be smaller. */
export type PrepareSubject = (quick: boolean) => Subject;
